import { expect, test } from "vitest";
import { type Outcome, runFaultSequence } from "../helpers/fault-sequence.js";

const SEQUENCES = 1000;
const firstSeed = Number(process.env.PUNIE_FAULT_SEED ?? 1);

test(`a thousand sequences of faults and restarts end with the right bytes (seeds from ${firstSeed})`, async () => {
  const outcomes: Outcome[] = [];
  const wrong: string[] = [];
  for (let seed = firstSeed; seed < firstSeed + SEQUENCES; seed++) {
    const outcome = await runFaultSequence(seed);
    outcomes.push(outcome);
    if (outcome.wrong !== undefined) {
      wrong.push(`PUNIE_FAULT_SEED=${seed}: ${outcome.wrong}: ${outcome.history.join("; ")}`);
    }
  }
  process.stdout.write(`${summary(outcomes)}\n`);
  expect(wrong).toEqual([]);
});

function summary(outcomes: readonly Outcome[]): string {
  const sum = (value: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + value(outcome), 0);
  const count = (pattern: RegExp) =>
    sum(({ history }) => history.filter((event) => pattern.test(event)).length).toLocaleString("en");
  const [size, sent] = [sum((outcome) => outcome.size), sum((outcome) => outcome.sent)];
  const most = Math.max(...outcomes.map((outcome) => outcome.sent / outcome.allowed));
  return (
    `${outcomes.length} sequences: ${sum(({ faults }) => faults)} faults, of which ${count(/^kill -9/)} kills, ` +
    `${count(/^an abort/)} aborts and ${count(/^a full disk/)} full disks; ${sum(({ calls }) => calls)} calls. ` +
    `${(size / 1e6).toFixed(0)} MB of files, ${(sent / 1e6).toFixed(0)} MB sent (${((100 * sent) / size).toFixed(1)}%); ` +
    `at most ${(100 * most).toFixed(0)}% of what is allowed for a sequence`
  );
}
