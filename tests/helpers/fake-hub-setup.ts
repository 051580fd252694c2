import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { DownloadEvent } from "../../src/hub/download-events.js";
import type { DownloadOptions } from "../../src/hub/download-options.js";
import { FakeHub } from "./fake-hub.js";
import { modelFiles, NEEDED_FILES } from "./fake-model.js";

export const NAME = "org/model";

/** A fake Hub with one model, and an empty home, for each test. */
export interface HubSetup {
  hub: FakeHub;
  home: string;
  modelsDir: string;
  /** Where the model comes to lie. */
  directory: string;
  files: Record<string, Buffer>;
  events: DownloadEvent[];
  /** Options that point at all this: retries without waiting, no environment but the given one. */
  options(more?: DownloadOptions, env?: Record<string, string>): DownloadOptions;
  /** Every needed file is there, byte for byte, and nothing unfinished is left. */
  expectWhole(): Promise<void>;
}

export function setUpHub(): HubSetup {
  const setup = {
    options: (more: DownloadOptions = {}, env: Record<string, string> = {}): DownloadOptions => ({
      modelsDir: setup.modelsDir,
      retry: { attempts: 4, baseMs: 1 },
      env: { HOME: setup.home, HF_ENDPOINT: setup.hub.endpoint, ...env },
      onProgress: (event: DownloadEvent) => setup.events.push(event),
      ...more,
    }),
    expectWhole: async () => {
      for (const path of NEEDED_FILES) {
        const isRight = (await readFile(join(setup.directory, path))).equals(setup.files[path] as Buffer);
        expect(isRight, path).toBe(true);
      }
      expect(await readdir(join(setup.directory, ".punie"))).toEqual(["manifest.json"]);
    },
  } as HubSetup;

  beforeEach(async () => {
    setup.hub = await FakeHub.start();
    setup.files = modelFiles();
    setup.hub.repositories[NAME] = { files: setup.files };
    setup.home = await mkdtemp(join(tmpdir(), "punie-hub-"));
    setup.modelsDir = join(setup.home, "models");
    setup.directory = join(setup.modelsDir, "org--model");
    setup.events = [];
  });
  afterEach(async () => {
    await setup.hub.stop();
    await rm(setup.home, { recursive: true, force: true });
  });
  return setup;
}
