import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ErrorCode, loadModel, PunieError } from "../../src/index.js";
import { withTemporaryDirectory } from "./golden.js";
import type { Damage } from "./random-model-damage.js";

/** A model directory that must be refused. */
export interface RefusedModel {
  what: string;
  damage: Damage;
  code: ErrorCode;
  /** What the message says besides the directory. */
  says: RegExp;
}

/** A test for each: loading it fails with its code, and with directory and cause in a short message. */
export function describeRefused(models: readonly RefusedModel[]): void {
  describe("loading a model directory with", () => {
    test.each(models)(
      "$what is refused",
      async ({ damage, code, says }) => {
        await withTemporaryDirectory(async (parent) => {
          const directory = join(parent, "model");
          await damage(directory);
          const error = await loadModel(directory).then(
            (model) => model.dispose(),
            (reason) => reason,
          );
          expect(error).toBeInstanceOf(PunieError);
          const { code: found, message } = error as PunieError;
          expect({ code: found, message }).toMatchObject({ code, message: expect.stringMatching(says) });
          expect(message).toContain(directory);
          expect(message.length).toBeLessThan(2000);
        });
      },
      10_000,
    );
  });
}
