import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { pathToFileURL } from "node:url";
import { paperAdvantages, paperBonuses } from "../../beyond/methods/list.ts";
import { EXAMPLE } from "../../beyond/own/example.ts";
import { checkMethod, defaultsOf } from "../../beyond/own/method-checks.ts";
import { loadMethod, loadMethods, methodsIn } from "../../beyond/own/methods.ts";
import { OwnCodeError, placeIn } from "../../beyond/own/mistakes.ts";
import { provideBuiltIns } from "../../beyond/own/provide.ts";
import { STARTS } from "../../beyond/own/starts.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import { parseAdvantage, parseExploration } from "../../beyond/settings/exploration.ts";
import { UserError } from "../../lib/errors.ts";
import { advantages } from "../../lib/explore/advantages.ts";
import { methods, tokenSignal } from "../../lib/explore/bonus.ts";
import { OwnFiles } from "./files.ts";

const files = new OwnFiles();
beforeAll(provideBuiltIns);
afterAll(() => files.remove());

const none = () => ({});
/** The settings of a command line, as `main.ts` reads them. */
async function settingsOf(args: string[], stored: (run: string) => object = none) {
  return trainSettings(args, stored, undefined, await methodsIn(args, stored));
}

const SHY = files.write(`
  import { historicalBonus, ucbCon } from "rlexplore";
  export default {
    name: "shy",
    readsHistory: true,
    parameters: { halfLife: { default: 4, min: 1, max: 9, help: "Sightings after which half is left." } },
    signal: (group, { halfLife }) => ucbCon.signal(group, { b0: 0 }).map((b, i) =>
      b * 2 ** (-group.counts[i] / halfLife)),
  };`);

describe("a bonus in a file", () => {
  test("is an object as the built-in ones are; its parameters are flags", async () => {
    const s = await settingsOf(["d", "--explore", `batch,${SHY}`, "--half-life=2"]);
    expect(s).toMatchObject({ explore: `batch,${SHY}`, halfLife: 2 });
    const own = await loadMethods(s);
    const [, { method, parameters }] = parseExploration(s.explore, s.exploreCoef, { ...s }, own);
    expect({ name: method.name, parameters }).toEqual({ name: "shy", parameters: { halfLife: 2 } });
    const bonus = [1, Math.SQRT1_2, Math.SQRT1_2, 1 / 2, 1, 1 / Math.sqrt(3)];
    expect([...method.signal(EXAMPLE, parameters)]).toEqual(
      bonus.map((b, i) => expect.closeTo(b * 2 ** (-EXAMPLE.counts[i] / 2), 12)),
    );
    expect(await settingsOf(["d", "--explore", SHY])).toMatchObject({ halfLife: 4 });
  });

  test("a run that goes on has the flags of the methods it was begun with", async () => {
    const begun = await settingsOf(["d", "--explore", SHY, "--half-life", "3"]);
    const goneOn = await settingsOf(["--resume", "r"], () => begun);
    expect(goneOn).toMatchObject({ explore: SHY, halfLife: 3 });
    await expect(settingsOf(["--resume", "r", "--half-life", "4"], () => begun)).rejects.toThrow(
      "--half-life cannot change when a run is continued",
    );
  });

  test("cannot change what it is shown", async () => {
    const path = files.write(`export default { name: "rude", signal(group) {
      group.logprobs[0][0] = 7;
      group.outcomes.sort();
      group.history.clear();
      return group.outcomes.map(() => 0);
    } };`);
    const before = structuredClone(EXAMPLE);
    (await loadMethod("--explore", path)).signal(EXAMPLE, {});
    expect(EXAMPLE).toEqual(before);
  });
});

test("an advantage in a file takes the place of the built-in one", async () => {
  const path = files.write(`
    import { grpo } from "rlexplore";
    export default {
      name: "double",
      parameters: { gain: { default: 2, help: "How much more." } },
      signal: (group, { gain }) => grpo.signal(group, {}).map((a) => gain * a),
    };`);
  const s = await settingsOf(["d", "--advantage", path]);
  const { method, parameters } = parseAdvantage(s.advantage, { ...s }, await loadMethods(s));
  const signal = method.signal({ ...EXAMPLE, rewards: [1, 0, 0, 0, 0, 0] }, parameters);
  expect([...signal]).toEqual([5, -1, -1, -1, -1, -1].map((a) => expect.closeTo(a / 3, 12)));
  await expect(settingsOf(["d", "--advantage", "grop"])).rejects.toThrow(
    '--advantage: unknown advantage "grop": choose from grpo',
  );
});

describe("a file that is no method is refused before anything is computed", () => {
  const shape = "({ ...{ name: 'a', signal: () => [] }, ";
  test.each([
    ["export default () => 1;", "must export an object: export default { name:"],
    ["export const bonus = { name: 'a' };", "must export an object"],
    [`export default ${shape} name: 5 });`, ": name expected string, received number"],
    [`export default ${shape} name: "a b" });`, ": name is letters, digits, - and _"],
    [
      `export default ${shape} signal: 3 });`,
      "signal must be a function: signal: (group, parameters)",
    ],
    ["export default { name: 'a' };", "signal must be a function"],
    [`export default ${shape} reads: true });`, "its object Unrecognized key"],
    [`export default ${shape} parameters: { tau: 1 } });`, ": parameters.tau expected object"],
    [
      `export default ${shape} parameters: { tau: { default: 9, max: 1, help: "" } } });`,
      ": parameters.tau has a default that is not between min and max",
    ],
    [
      `export default ${shape} parameters: { "half-life": { default: 1, help: "" } } });`,
      "parameters.half-life is a name such as tau or halfLife",
    ],
    [
      `export default ${shape} parameters: { beta: { default: 1, help: "" } } });`,
      /own\d+\.ts: --beta is a flag already: call that parameter of your own method otherwise/,
    ],
    ...["help", "version"].map((name): [string, RegExp] => [
      `export default ${shape} parameters: { ${name}: { default: 1, help: "" } } });`,
      /own\d+\.ts: --\w+ is a flag already/,
    ]),
    ...["constructor", "toString", "noTau"].map((name): [string, RegExp] => [
      `export default ${shape} parameters: { ${name}: { default: 1, help: "" } } });`,
      /own\d+\.ts: parameters.\w+ is a name that no flag can have/,
    ]),
    ["export default { get name() { throw new Error('mine') } };", /own\d+\.ts:1:\d+: mine$/],
    ["export default { name: 'a', signal: () => [ };", /:1:\d+: (Expected|Unexpected)/],
    [
      "const a = 1;\nundefined.x;\nexport default a;",
      /own\d+\.ts:2:\d+: undefined is not an object/,
    ],
  ])("%p", async (code, message) => {
    const settings = settingsOf(["d", "--explore", files.write(code)]);
    await expect(settings).rejects.toBeInstanceOf(UserError);
    await expect(settings).rejects.toThrow(message);
  });

  test("parameters of two files that have one name", async () => {
    const other = files.write("export { default } from './own0.ts';");
    const twice = await settingsOf(["d", "--explore", SHY, "--advantage", other]).catch(
      (error) => error.message,
    );
    expect(twice).toBe(
      `--half-life is a parameter of both ${SHY} and ${other}: call it otherwise in one of them`,
    );
  });

  test("a file under two paths is one: given twice in a sum, and one method elsewhere", async () => {
    const other = SHY.replace("/own0", "/./own0");
    await expect(settingsOf(["d", "--explore", `${SHY},${other}`])).rejects.toThrow(
      `exploration method ${other} is given twice`,
    );
    const both = await settingsOf(["d", "--explore", SHY, "--advantage", other, "--half-life=2"]);
    expect(both).toMatchObject({ halfLife: 2, advantage: other });
  });
});

describe("a signal that cannot be used ends the run, and names file, line and question", () => {
  test.each([
    ["counts.map(() => Number.NaN)", "signal returned NaN for completion 1, which is no finite"],
    ["counts.map((n) => 1 / 0 ** n)", "signal returned Infinity for completion 1"],
    ["[1, 2]", "signal must return a number for each of 6 completions, and returned 2"],
    ["counts.map(String)", "signal returned 1 for completion 1, which is no finite number"],
    ["1", "signal must return a number for each of 6 completions, and returned number"],
    ["Promise.resolve(counts)", "returned object; it cannot wait for anything"],
    ["counts.missing.length", /own\d+\.ts:1:\d+: undefined is not an object/],
  ])("%s", async (code, message) => {
    const path = files.write(`export default { name: "bad", signal: ({ counts }) => ${code} };`);
    const method = await loadMethod("--explore", path);
    const call = () => method.signal(EXAMPLE, {});
    expect(call).toThrow(OwnCodeError);
    expect(call).toThrow(message);
    expect(call).toThrow(`--explore ${path}, step 3, question "2+3=": `);
  });
});

test("a bonus may tell tokens apart", async () => {
  const bonus = (tokens: string) =>
    loadMethod(
      "--explore",
      files.write(
        `export default { name: "wild", signal: ({ outcomes }) => outcomes.map(() => 0), tokens: ({ entropies }) => ${tokens} };`,
      ),
    );
  const method = await bonus("entropies.map((of) => Array.from(of, (h) => h - 1))");
  const term = { method, coefficient: 0.5, parameters: {} };
  const [first, ...others] = tokenSignal([term], EXAMPLE) ?? [];
  expect([...first]).toEqual([0, -0.25]);
  expect(others.map(({ length }) => length)).toEqual([2, 2, 2, 2, 1]);
  expect(tokenSignal([{ ...term, coefficient: 0 }], EXAMPLE)).toBeUndefined();
  const solved = { ...EXAMPLE, correct: EXAMPLE.correct.map(() => true) };
  expect(tokenSignal([term], solved)).toBeUndefined();
  const failing = async (tokens: string) => {
    const { tokens: call } = await bonus(tokens);
    return () => call?.(EXAMPLE, {});
  };
  expect(await failing("[[1]]")).toThrow(
    "tokens must return a list of numbers for each of 6 completions, and returned 1",
  );
  expect(await failing("entropies.map(() => [1, 2])")).toThrow(
    "tokens must return a number for each of 1 tokens of completion 6, and returned 2",
  );
  expect(await failing("entropies.map((of) => Array.from(of, (h) => 1 / (h - 0.5)))")).toThrow(
    "tokens returned Infinity for token 2 of completion 1, which is no finite number",
  );
});

describe("the checks", () => {
  const problems = (method: Parameters<typeof checkMethod>[0]) =>
    checkMethod(method).flatMap(({ problem }) => problem ?? []);

  test.each(
    [...methods, ...advantages, ...paperBonuses, ...paperAdvantages].map(
      (method) => [method.name, method] as const,
    ),
  )("hold for %s, which is built in", (_, method) => expect(problems(method)).toEqual([]));

  test.each(["bonus", "advantage"] as const)("hold for the %s that new begins", async (kind) => {
    const method = await loadMethod("--explore", files.write(STARTS[kind]));
    expect(problems(method)).toEqual([]);
    expect(Object.keys(defaultsOf(method.parameters)).length).toBe(1);
  });

  test.each([
    ["({ counts }) => counts.map((n, i) => i)", /^completion 6 has 5 in the order of the example/],
    ["({ counts }) => counts.map((n) => n)", /it needs readsHistory: true/],
    ["({ rewards }) => rewards.map((r) => 1 / (r - rewards[0]))", /^the example: .*Infinity/],
    ["({ rewards }) => rewards.map((r, i) => r / (rewards[1] + 1))", /^negative rewards: .*/],
    ["({ rewards }) => rewards.map(() => Math.random())", /^it gave others when asked again/],
    ["({ rewards }, { tau }) => rewards.map((r) => r / tau)", /^the example: /],
  ])("%s does not hold", async (signal, problem) => {
    const tau = '{ tau: { default: 1, min: 0, max: 1, help: "" } }';
    const path = files.write(
      `export default { name: "bad", parameters: ${tau}, signal: ${signal} };`,
    );
    const found = problems(await loadMethod("--explore", path));
    expect(found.some((one) => problem.test(one.replace(/--explore .*: (?=signal)/, "")))).toBe(
      true,
    );
  });
});

describe("methods of papers", () => {
  test("are chosen by name, with their parameters as flags", async () => {
    const s = await settingsOf(["d", "--advantage", "leave-one-out-k", "--at-k=6"]);
    expect(s).toMatchObject({ advantage: "leave-one-out-k", atK: 6 });
    const { method, parameters } = parseAdvantage(s.advantage, { ...s });
    expect({ name: method.name, parameters }).toEqual({
      name: "leave-one-out-k",
      parameters: { atK: 6 },
    });
  });

  test.each([
    [["--advantage", "maxrl", "--at-k", "2"], "--at-k is a parameter of pass-at-k and max-at-k"],
    [["--advantage", "pass-at-k", "--at-k", "2.5"], "--at-k must be a whole number"],
    [
      ["--advantage", "pass-at-k", "--at-k", "8"],
      "--at-k 8 must be below --num-generations 8: a subset of all tells none apart",
    ],
  ])("%p", async (args, message) => {
    await expect(settingsOf(["d", ...args])).rejects.toThrow(message);
  });
});

test("where own code failed is found in the stacks of Bun and of Deno", () => {
  const file = files.write("");
  const url = pathToFileURL(file).href;
  for (const at of [`f (${file}:3:7)`, `${file}:3:7`, `f (${url}:3:7)`, `${url}:3:7`]) {
    const stack = `Error: boom\n    at ${at}\n    at main (file:///elsewhere/main.ts:1:1)`;
    expect(placeIn(stack, file)).toBe(`${file}:3:7`);
  }
});
