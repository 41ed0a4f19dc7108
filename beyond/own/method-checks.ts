/** What is checked of every bonus and advantage, the built-in ones included. */
import { explorationSignal } from "../../lib/explore/bonus.ts";
import type { ExplorationMethod, Group } from "../../lib/explore/method.ts";
import { EXAMPLE } from "./example.ts";

export interface Check {
  what: string;
  /** Null if it holds. */
  problem: string | null;
}

/** The same completions in another order; `order[i]` is the place that completion i comes from. */
function reordered(group: Group, order: readonly number[]): Group {
  const of = <T>(values: ArrayLike<T>): T[] => order.map((i) => values[i]);
  return {
    ...group,
    outcomes: of(group.outcomes),
    counts: of(group.counts),
    correct: of(group.correct),
    rewards: of(group.rewards),
    parts: of(group.parts),
    logprobs: of(group.logprobs),
    entropies: of(group.entropies),
    truncated: of(group.truncated),
  };
}

const n = EXAMPLE.outcomes.length;
const places = Array.from({ length: n }, (_, i) => i);
const all = <T>(value: T): T[] => places.map(() => value);
const unseen: Group = { ...EXAMPLE, counts: all(0), history: new Map() };

/** Groups such as a run meets. */
const GROUPS: readonly [name: string, group: Group][] = [
  ["the example", EXAMPLE],
  ["a question never asked before", unseen],
  ["a group in which all are right", { ...EXAMPLE, correct: all(true), rewards: all(1) }],
  ["a group in which all are wrong", { ...EXAMPLE, correct: all(false), rewards: all(0) }],
  ["negative rewards", { ...EXAMPLE, rewards: all(-1) }],
  ["a single completion", reordered(EXAMPLE, [0])],
  ["two completions without an answer", reordered(EXAMPLE, [5, 5])],
  ["the last step", { ...EXAMPLE, step: EXAMPLE.maxSteps }],
];

/** The parameters as they are by default, and each at the ends of its range. */
function settingsOf({ parameters }: ExplorationMethod): Record<string, number>[] {
  const usual = defaultsOf(parameters);
  const ends = Object.entries(parameters).flatMap(([name, { min, max }]) =>
    [min, max].filter(Number.isFinite).map((end) => ({ ...usual, [name]: end })),
  );
  return [usual, ...ends];
}

export const defaultsOf = (parameters: ExplorationMethod["parameters"]) =>
  Object.fromEntries(Object.entries(parameters).map(([name, { default: value }]) => [name, value]));

const close = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a));

export function checkMethod(method: ExplorationMethod): Check[] {
  const usual = defaultsOf(method.parameters);
  const signal = (group: Group, parameters = usual) => method.signal(group, parameters);
  const differing = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).findIndex((value, i) => !close(value, b[i]));

  const checks: [what: string, problem: () => string | null][] = [
    [
      "a finite number for each completion, whatever the group, at every end of its parameters",
      () => {
        for (const [name, group] of GROUPS) {
          for (const parameters of settingsOf(method)) {
            const length = attempt(() => {
              method.tokens?.(group, parameters);
              return signal(group, parameters).length;
            }, name);
            if (length !== group.outcomes.length) return `${name}: ${length} numbers`;
          }
        }
        return null;
      },
    ],
    [
      "equal groups have equal signals",
      () =>
        differing(signal(EXAMPLE), signal(EXAMPLE)) < 0 ? null : "it gave others when asked again",
    ],
    [
      "the order of the completions changes nothing",
      () => {
        for (const order of [places.toReversed(), [...places.slice(2), 0, 1]]) {
          const moved = signal(reordered(EXAMPLE, order));
          const expected = signal(EXAMPLE);
          const i = differing(
            moved,
            order.map((place) => expected[place]),
          );
          if (i < 0) continue;
          return `completion ${order[i] + 1} has ${expected[order[i]]} in the order of the example, and ${moved[i]} in place ${i + 1}`;
        }
        return null;
      },
    ],
    [
      "what it gives each token moves with its completion",
      () => {
        const order = places.toReversed();
        const of = (group: Group) => method.tokens?.(group, usual) ?? [];
        const [moved, expected] = [of(reordered(EXAMPLE, order)), of(EXAMPLE)];
        const i = moved.findIndex((list, i) => differing(list, expected[order[i]]) >= 0);
        return i < 0 ? null : `completion ${order[i] + 1} has other numbers in place ${i + 1}`;
      },
    ],
    [
      "as a bonus with the coefficient 0 it is none, bit for bit",
      () => {
        const none = explorationSignal([{ method, coefficient: 0, parameters: usual }], EXAMPLE);
        return none.every((value) => Object.is(value, 0)) ? null : `it is ${none.join(", ")}`;
      },
    ],
    [
      "it says whether it reads what was seen in earlier steps",
      () =>
        method.readsHistory || differing(signal(EXAMPLE), signal(unseen)) < 0
          ? null
          : "its signal changes with counts or history: it needs readsHistory: true",
    ],
  ];
  return checks.map(([what, problem]) => ({ what, problem: attempt(problem) }));
}

/** What a check gives; a method that fails in it is its problem. */
function attempt<T>(check: () => T, where?: string): T | string {
  try {
    return check();
  } catch (error) {
    const { message } = error as Error;
    if (where) throw new Error(`${where}: ${message}`);
    return message;
  }
}
