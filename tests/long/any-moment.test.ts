import { describe, expect, it } from "vitest";
import { cleanEnd, ENDS, type End, endDuring, PHASES } from "../helpers/end-at-any-moment.js";

const RUNS = 100;
/** From the phase's first step to past its end. */
const MOMENTS_MS = [0, 1, 2, 3, 5, 8, 13, 21, 40, 80];

describe.each(Object.keys(ENDS) as End[])("an end by %s is clean, a hundred times", (end) => {
  it.each(PHASES)("during %s", async (phase) => {
    const { stderr: said, ...expected } = cleanEnd(end);
    for (let run = 0; run < RUNS; run++) {
      const ended = await endDuring(phase, end, MOMENTS_MS[run % MOMENTS_MS.length] ?? 0);
      expect({ run, ...ended }).toEqual({ run, ...expected, stderr: expect.stringMatching(said) });
    }
  });
});
