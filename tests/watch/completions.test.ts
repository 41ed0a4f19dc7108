import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger, openForReading, type Rollout } from "../../beyond/runs/ledger.ts";
import { PAGE, searchCompletions, searchOf } from "../../beyond/watch/completions.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-completions-test-"));
const path = join(folder, "ledger.sqlite");
const rollout = (i: number): Rollout => ({
  question: `question ${i % 5}, 100%_of it`,
  slot: 0,
  sample: i % 10,
  completion: `text ${i} says \\boxed{${i % 7}}`,
  outcome: i % 4 === 0 ? null : String(i % 7),
  correct: i % 7 === 3 && i % 4 > 0,
  // one that is left out has no reward
  reward: i === 80 ? null : (i * 37) % 11,
  parts: i === 7 ? { correct: 1, format: null } : null,
  exploration: (i * 5) % 13,
  advantage: ((i * 17) % 19) - 9,
  tokens: 10 + i,
  truncated: i % 8 === 0,
  logprob: -1,
  entropy: 0.5,
  tokenIds: null,
  logprobs: null,
});
const all = Array.from({ length: 90 }, (_, i) => ({ ...rollout(i), step: 1 + Math.floor(i / 10) }));

const ledger = new Ledger(path);
for (let step = 1; step <= 9; step++) {
  const some = all.filter((one) => one.step === step);
  const prompts = new Map(some.map(({ question }) => [question, `<|user|>${question}<|end|>`]));
  ledger.append(step, some, prompts);
}
afterAll(() => {
  ledger.close();
  rmSync(folder, { recursive: true });
});

function search(query: string) {
  const database = openForReading(path);
  const found = searchCompletions(database, searchOf(new URLSearchParams(query)));
  database.close();
  return found;
}

type Kept = (typeof all)[number];
const cases: [query: string, isFound: (one: Kept) => boolean][] = [
  ["", () => true],
  ["completion=TEXT 1", ({ completion }) => completion.includes("text 1")],
  ["question=question 3", ({ question }) => question.includes("question 3")],
  // what LIKE would take for patterns is text
  ["question=100%25_of", () => true],
  ["question=1%25of", () => false],
  ["completion=\\boxed{2}", ({ completion }) => completion.includes("\\boxed{2}")],
  ["answer=3", ({ outcome }) => outcome === "3"],
  ["kind=right", ({ correct }) => correct],
  ["kind=wrong", ({ correct, outcome }) => !correct && outcome !== null],
  ["kind=none", ({ outcome, truncated }) => outcome === null && !truncated],
  ["kind=cut", ({ truncated }) => truncated],
  ["from=3&to=4&kind=right", ({ step, correct }) => step >= 3 && step <= 4 && correct],
];
test.each(cases)("%p finds what it says, all of it, page by page", (query, isFound) => {
  const expected = all.filter(isFound).map(({ completion }) => completion);
  const { found, pages } = search(query);
  expect(found).toBe(expected.length);
  const texts = Array.from({ length: pages }, (_, page) =>
    search(`${query}&order=oldest&page=${page}`),
  );
  expect(texts.flatMap(({ shown }) => shown.map(({ completion }) => completion))).toEqual(expected);
  expect(texts.every(({ shown }) => shown.length <= PAGE)).toBe(true);
});

test("the order is what was asked for", () => {
  const first = (order: string) => search(`order=${order}`).shown[0];
  const most = (value: (one: Kept) => number) => Math.max(...all.map(value));
  expect(first("newest").completion).toBe(all[89].completion);
  expect(first("reward").reward).toBe(most(({ reward }) => reward ?? 0));
  expect(first("least-reward").reward).toBe(0);
  expect(first("least-advantage").advantage).toBe(-most(({ advantage }) => -advantage));
  expect(first("exploration").exploration).toBe(most(({ exploration }) => exploration));
});

test("a completion comes with its prompt, as the model got it", () => {
  const [one] = search("completion=text 7 ").shown;
  expect(one).toMatchObject({ step: 1, sample: 7, tokens: 17, truncated: 0, outcome: "0" });
  expect(JSON.parse(one.parts ?? "")).toEqual({ correct: 1, format: null });
  expect(one.prompt).toBe("<|user|>question 2, 100%_of it<|end|>");
});

test("pages stay as they are while the run goes on", () => {
  const { upto } = search("");
  ledger.append(10, [{ ...rollout(0), sample: 0, completion: "newer" }]);
  expect(search("").shown[0].completion).toBe("newer");
  expect(search(`upto=${upto}`)).toMatchObject({ all: 90, step: 9 });
  ledger.removeAfter(9);
});
