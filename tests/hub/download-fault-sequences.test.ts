import { expect, test } from "vitest";
import { runFaultSequence } from "../helpers/fault-sequence.js";

/** Each takes about a second; tests/long has a thousand. */
const SEQUENCES = 30;

/** Another one with `PUNIE_FAULT_SEED`: a failure says which. */
const firstSeed = Number(process.env.PUNIE_FAULT_SEED ?? 1 + Math.floor(Math.random() * 1e9));

test(`after any faults and restarts the bytes are right, and few were sent twice (seeds from ${firstSeed})`, async () => {
  for (let seed = firstSeed; seed < firstSeed + SEQUENCES; seed++) {
    const { wrong, history } = await runFaultSequence(seed);
    expect(wrong, `PUNIE_FAULT_SEED=${seed}: ${history.join("; ")}`).toBe(undefined);
  }
}, 300_000);
