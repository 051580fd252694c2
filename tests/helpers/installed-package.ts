/** The packed package, installed as a user does it: an empty directory, npm, and a PATH with Node alone. */
import { execFile, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { TINY_MODEL } from "./tiny-model.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NPM =
  process.env.npm_execpath ?? path.join(path.dirname(process.execPath), "../lib/node_modules/npm/bin/npm-cli.js");

/** What the model in an installation's `model/` is asked, and what it answers: as the goldens of mlx-lm have it. */
export const [TASK] = (
  JSON.parse(readFileSync(path.join(ROOT, "tests/fixtures/goldens/tasks.golden.json"), "utf8")) as {
    tasks: [{ promptIds: number[]; text: string }];
  }
).tasks;

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Packs the checkout (making the prebuilt addon where it is not up to date) and gives the tarball. */
export function packPackage(directory: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [NPM, "pack", "--json", "--pack-destination", directory],
    { cwd: ROOT, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`npm pack: ${stderr}`);
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
  return path.join(directory, filename);
}

/** An application's directory on a machine that has Node, a shell (which npm runs scripts by) and nothing else. */
export class UserMachine {
  readonly root = realpathSync(mkdtempSync(path.join(tmpdir(), "punie-user-")));
  readonly app = path.join(this.root, "app");
  readonly bin = path.join(this.root, "bin");

  constructor(files: Record<string, string> = {}) {
    for (const directory of [this.app, this.bin, path.join(this.root, "home")]) mkdirSync(directory);
    symlinkSync(process.execPath, path.join(this.bin, "node"));
    symlinkSync("/bin/sh", path.join(this.bin, "sh"));
    cpSync(TINY_MODEL, path.join(this.app, "model"), { recursive: true });
    this.write("package.json", JSON.stringify({ name: "app", version: "1.0.0", private: true }));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** The installed package's directory. */
  get package(): string {
    return path.join(this.app, "node_modules", "punie");
  }

  write(name: string, text: string): void {
    const file = path.join(this.app, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Nothing of the caller's environment but what decides how the registry is reached. */
  environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const kept = /^(npm_config_(registry|userconfig|cafile)|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;
    const inherited = Object.entries(process.env).filter(([name]) => kept.test(name));
    return {
      npm_config_userconfig: path.join(process.env.HOME ?? "/", ".npmrc"),
      ...Object.fromEntries(inherited),
      PATH: this.bin,
      HOME: path.join(this.root, "home"),
      npm_config_cache: path.join(this.root, "npm-cache"),
      npm_config_update_notifier: "false",
      npm_config_audit: "false",
      npm_config_fund: "false",
      ...more,
    };
  }

  npm(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
    return this.run(process.execPath, [NPM, ...args], env);
  }

  /** @throws Error when it fails, or says anything but that there is an install script (which npm 11 tells of). */
  install(...packages: string[]): void {
    const { status, stderr } = this.npm(["install", ...packages]);
    const complaints = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("npm warn install-scripts"));
    if (status !== 0 || complaints.length > 0) throw new Error(`npm install ended with ${status}: ${stderr}`);
  }

  /** Runs in the application's directory. */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = this.app): Ended {
    const { status, stdout, stderr, error } = spawnSync(command, args, {
      cwd,
      env: this.environment(env),
      encoding: "utf8",
      timeout: 1_200_000,
    });
    if (error) throw error;
    return { status, stdout, stderr };
  }

  /** As `npm`, but this process goes on meanwhile, so that it can be the registry. */
  async npmAside(args: readonly string[]): Promise<void> {
    const options = { cwd: this.app, env: this.environment() };
    await promisify(execFile)(process.execPath, [NPM, ...args], options);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A program that asks the model for the task's answer and prints it: whatever `punie` resolves to. */
export function programThatAnswers(importLine = 'import { loadModel } from "punie";'): string {
  return `${importLine}
const main = async () => {
  const model = await loadModel("./model", { device: "cpu" });
  const { text } = await model.generate({ prompt: ${JSON.stringify(TASK.promptIds)} });
  await model.dispose();
  console.log(text);
};
main();
`;
}

export const REQUIRE_LINE = 'const { loadModel } = require("punie");';
