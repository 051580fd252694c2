/** The built command in processes of its own: interrupted, killed, two at once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { TOKEN } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { modelFiles } from "../helpers/fake-model.js";
import { finished, MAIN, runPunie, startPunie } from "../helpers/run-punie.js";

const setup = setUpHub();

beforeEach(() => {
  setup.files = modelFiles(5_000_000);
  setup.hub.repositories[NAME] = { files: setup.files };
});

const command = () => ["download-model", NAME, "--models-dir", setup.modelsDir];

function env(more: Record<string, string> = {}): Record<string, string> {
  return { HOME: setup.home, HF_ENDPOINT: setup.hub.endpoint, HF_TOKEN: "", HF_HOME: "", HF_HUB_OFFLINE: "", ...more };
}

/** A download that has come some way, and comes no further. */
async function startStalled() {
  setup.hub.fault = ({ host }) => (host === "cdn" ? { stallAfter: 2_000_000 } : undefined);
  const child = startPunie(command(), { env: env() });
  const ended = finished(child);
  while (setup.hub.sentBytes < 2_000_000) await sleep(10);
  // What was sent is on its way.
  await sleep(300);
  return { child, ended };
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends it with %i, says how to go on, and the next run does", async (signal, code) => {
  const { child, ended } = await startStalled();
  child.kill(signal);
  const { exitCode, stdout, stderr } = await ended;
  expect([exitCode, stdout]).toEqual([code, ""]);
  expect(stderr).toContain(`go on with: punie download-model ${NAME} --models-dir ${setup.modelsDir}\n`);
  expect((await runPunie(["models", "--models-dir", setup.modelsDir], { env: env() })).stdout).toMatch(
    /org\/model .* partial/,
  );
  setup.hub.fault = () => undefined;
  const again = await runPunie([...command(), "--json"], { env: env() });
  const { bytes, fetchedBytes } = JSON.parse(again.stdout.trim().split("\n").at(-1) as string);
  expect(bytes - fetchedBytes).toBeGreaterThan(1_500_000);
  await setup.expectWhole();
});

test("a second process says which one holds the model, and takes over when that one was killed", async () => {
  const { child, ended } = await startStalled();
  const second = await runPunie(command(), { env: env() });
  expect(second.exitCode).toBe(1);
  expect(second.stderr).toContain(`is held by process ${child.pid} on `);
  child.kill("SIGKILL");
  await ended;
  setup.hub.fault = () => undefined;
  expect(await runPunie(command(), { env: env() })).toMatchObject({ exitCode: 0 });
  await setup.expectWhole();
});

test("the access token is never printed, whatever is asked of Node", async () => {
  const debug = {
    HF_TOKEN: TOKEN,
    NODE_DEBUG: "undici,fetch,http,https,net,tls,stream,worker",
    PUNIE_LOG_LEVEL: "debug",
  };
  const good = await runPunie([...command(), "--json"], { env: env(debug) });
  expect(good.exitCode).toBe(0);
  const denied = await runPunie(["download-model", "org/none"], { env: env(debug) });
  expect(denied.exitCode).toBe(1);
  for (const { stdout, stderr } of [good, denied]) expect(stdout + stderr).not.toContain(TOKEN);
  expect(setup.hub.requests[0]?.authorization).toBe(`Bearer ${TOKEN}`);
});

test("a limit of the system on the size of files is a full disk: what fits is kept", async () => {
  const words = [process.execPath, MAIN, ...command()].map((word) => `'${word}'`).join(" ");
  // In units of 1,024 bytes; the shell's own unit of 512 differs between shells.
  const child = spawn("bash", ["-c", `ulimit -f 3000; exec ${words}`], { env: { ...process.env, ...env() } });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(1);
  expect(said).toMatch(/no room left \(EFBIG\): .*bytes are missing/);
  expect(await readdir(join(setup.directory, ".punie"))).toEqual(["download"]);
  setup.hub.sentBytes = 0;
  await runPunie(command(), { env: env() });
  expect(setup.hub.sentBytes).toBeLessThan(3_000_000);
  await setup.expectWhole();
});
