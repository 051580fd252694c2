import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkNativeLayers } from "../../scripts/lib/layers-cc.mjs";
import { checkTypeScriptLayers } from "../../scripts/lib/layers-ts.mjs";

const SCRIPT = path.resolve("scripts/check-layers.mjs");

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "punie-layers-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

/** What the check says of a source tree of these files. */
function check(files: Record<string, string>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return [...checkTypeScriptLayers(root), ...checkNativeLayers(root)];
}

describe("the layer check", () => {
  it("fails as a script, naming the line", () => {
    check({ "src/models/m.ts": 'import "../api/a.js";' });
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT, root], { encoding: "utf8" });
    expect(stderr).toBe("src/models/m.ts:1: models must not import api/a\n");
    expect(status).toBe(1);
  });

  it("passes imports that go down, whichever way they are written", () => {
    const breaches = check({
      "src/errors.ts": "export {};",
      "src/index.ts": 'export * from "./errors.js"; export { a } from "./api/a.js"; export { d } from "./hub/d.js";',
      "src/api/a.ts": 'import "../models/m.js"; export const a = () => import("../native/binding.js");',
      "src/models/m.ts": 'import type { T } from "../native/binding-types.js"; import "zod";',
      "src/cli/main.ts": 'import "./commands/download-model.js"; process.exitCode = 0; console.log("x");',
      "src/cli/commands/download-model.ts": 'import "../../hub/d.js";',
      "src/cli/display.ts": 'import type { DownloadEvent } from "../hub/events.js";',
      "src/native/binding.ts": 'import "node:module"; require("../build/punie.node");',
      "native/addon.cc": '#include <napi.h>\n#include "binding/b.h"\n',
      "native/binding/b.h": '#include <napi.h>\n#include "engine/e.h"\n#include "error.h"\n',
      "native/engine/e.h": '#include "models/m.h"\n#include "io/i.h"\n#include "sibling.h"\n',
      "native/engine/sibling.h": "#include <vector>\n",
    });
    expect(breaches).toEqual([]);
  });

  it.each([
    ["errors.ts importing anything", "src/errors.ts", 'import "./api/a.js";', "errors must not import api/a"],
    ["an import upwards", "src/models/m.ts", 'import { a } from "../api/a.js";', "models must not import api/a"],
    ["an export from above", "src/tokenizer/t.ts", 'export * from "../api/a.js";', "tokenizer must not import api/a"],
    ["a dynamic import upwards", "src/chat/c.ts", 'await import("../api/a.js");', "chat must not import api/a"],
    ["a type import upwards", "src/chat/c.ts", 'let a: import("../api/a.js").A;', "chat must not import api/a"],
    ["a worker from above", "src/chat/c.ts", 'new URL("../api/a.js", import.meta.url);', "chat must not import api/a"],
    ["the server importing the cli", "src/server/s.ts", 'import "../cli/main.js";', "server must not import cli/main"],
    ["a module importing the index", "src/server/s.ts", 'import "../index.js";', "server must not import index"],
    ["a folder without rules", "src/new/n.ts", 'import "../api/a.js";', "new must not import api/a"],
    ["loading that downloads", "src/api/a.ts", 'import "../hub/d.js";', "api must not import hub/d"],
    [
      "a type of the hub in loading",
      "src/api/a.ts",
      'import type { D } from "../hub/d.js";',
      "api must not import hub/d",
    ],
    ["a command that downloads", "src/cli/commands/chat.ts", 'import "../../hub/d.js";', "cli must not import hub/d"],
    [
      "values from the native types",
      "src/models/m.ts",
      'import { x } from "../native/binding-types.js";',
      "only types",
    ],
    ["an addon loaded elsewhere", "src/api/a.ts", 'require("../../build/native/punie.node");', "loads the addon"],
    ["a dlopen", "src/native/other.ts", "process.dlopen(module, file);", "loads the addon"],
    ["an exit in the library", "src/api/a.ts", "process.exit(1);", "only src/cli exits or prints (process.exit)"],
    ["stdout in the library", "src/api/a.ts", 'process.stdout.write("");', "only src/cli exits or prints"],
    ["console in the server", "src/server/s.ts", 'console.error("");', "only src/cli exits or prints (console.error)"],
    ["C++: napi.h in the engine", "native/engine/e.cc", "#include <napi.h>", "only binding/ and addon.cc"],
    [
      "C++: an include upwards",
      "native/kernels/k.cc",
      '#include "nn/linear.h"',
      'kernels must not include "nn/linear.h"',
    ],
    ["C++: an include by ..", "native/io/i.cc", '#include "../engine/e.h"', "io must not include"],
    ["C++: models knowing the engine", "native/models/m.h", '#  include "engine/e.h"', "models must not include"],
    ["C++: error.h is a leaf", "native/error.h", '#include "io/i.h"', 'error.h must not include "io/i.h"'],
  ])("fails on %s", (_, file, text, message) => {
    const breaches = check({ [file]: `\n${text}\n` });
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toContain(`${file}:2: `);
    expect(breaches[0]).toContain(message);
  });

  it("fails on a detour to the hub", () => {
    const breaches = check({
      "src/cli/commands/chat.ts": 'import { helper } from "./download-model.js";',
      "src/cli/commands/download-model.ts": 'import "../../hub/d.js";',
      "src/hub/d.ts": "export {};",
    });
    expect(breaches).toEqual([
      "src/cli/commands/chat.ts: reaches the hub by cli/commands/chat -> cli/commands/download-model -> hub/d",
    ]);
  });

  it("does not take words in comments and strings for imports", () => {
    const text =
      '// import "../api/a.js"; process.exit();\nexport const s = `import "../api/a.js"`; // console.log()\n';
    expect(check({ "src/models/m.ts": text })).toEqual([]);
  });
});
