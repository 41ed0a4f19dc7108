import { expect, test } from "bun:test";
import { LearningNothing } from "../../beyond/runs/learning-nothing.ts";

const learning = {
  truncated: 0.5,
  noAnswer: 0.5,
  leftOut: 0,
  equalRewards: 0.5,
  passAt1: 0.5,
  gradNorm: 1,
};

/** What is said of steps with these signs, and at the end. */
function said(...steps: Partial<typeof learning>[]) {
  const notes: string[] = [];
  const hints = { maxCompletionLength: 20, outcome: "math" };
  const watch = new LearningNothing(hints, (text) => notes.push(text));
  for (const signs of steps) watch.step({ ...learning, ...signs });
  return { notes, atEnd: watch.atEnd };
}

test("a run that learns hears nothing, nor one that does not in a single step", () => {
  expect(said({}, {}, {})).toEqual({ notes: [], atEnd: null });
  expect(said({}, { equalRewards: 1 }, {})).toEqual({ notes: [], atEnd: null });
  expect(said({ equalRewards: 1 })).toEqual({ notes: [], atEnd: null });
  expect(said()).toEqual({ notes: [], atEnd: null });
});

test.each([
  ["all left out", { leftOut: 1, equalRewards: 1, gradNorm: 0 }, /own code leaves out every/],
  [
    "all cut off",
    { truncated: 1, noAnswer: 1, equalRewards: 1, passAt1: 0 },
    /cut off.*raise --max-completion-length 20/,
  ],
  [
    "no answers",
    { noAnswer: 1, equalRewards: 1, passAt1: 0 },
    /--outcome math finds: .*boxed.*last-number.*sft/,
  ],
  ["all right", { equalRewards: 1, passAt1: 1 }, /harder questions/],
  ["all wrong", { equalRewards: 1, passAt1: 0 }, /easier questions.*--num-generations.*sft/],
  ["equal in every group", { equalRewards: 1 }, /raise --num-generations or --temperature/],
  ["no gradient", { gradNorm: 0 }, /the gradient is zero/],
])("%s: after two steps with what helps, once, and again at the end", (_, signs, expected) => {
  const { notes, atEnd } = said(signs, signs, signs);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(expected);
  expect(said(signs, signs).notes).toEqual(notes);
  expect(atEnd).toMatch(expected);
  expect(said(signs, signs, {}).atEnd).toBe(null);
});

test("an outcome of own code is not told to ask for a box", () => {
  const notes: string[] = [];
  const hints = { maxCompletionLength: 20, outcome: "./mine.ts" };
  const watch = new LearningNothing(hints, (text) => notes.push(text));
  for (let step = 0; step < 2; step++) watch.step({ ...learning, noAnswer: 1 });
  expect(notes[0]).toMatch(
    /--outcome \.\/mine\.ts finds: .*--log-completions.*what your code reads/,
  );
  expect(notes[0]).not.toContain("boxed");
});

test("another cause is said as well", () => {
  const [cut, silent] = [{ truncated: 1, noAnswer: 1 }, { noAnswer: 1 }];
  expect(said(cut, cut, silent, silent, cut, cut).notes).toHaveLength(2);
});

test("steps with causes of their own are told what they have in common", () => {
  const [right, wrong] = [1, 0].map((passAt1) => ({ equalRewards: 1, passAt1 }));
  const { notes, atEnd } = said(right, wrong, right, wrong);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/in every group .* raise --num-generations or --temperature/);
  expect(atEnd).toContain("to the end in every group");
  expect(said({ truncated: 1, noAnswer: 1 }, { noAnswer: 1 }).notes[0]).toMatch(
    /no completion has/,
  );
  expect(said(right, { noAnswer: 1 })).toEqual({ notes: [], atEnd: null });
});
