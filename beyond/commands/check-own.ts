import type { Judge, Judgement } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { termSignal } from "../../lib/explore/bonus.ts";
import type { ExplorationMethod } from "../../lib/explore/method.ts";
import { openJudge } from "../answers/outcome.ts";
import type { Tally } from "../own/calls.ts";
import { type Exports, loadOwn } from "../own/code.ts";
import { EXAMPLE } from "../own/example.ts";
import { checkMethod, defaultsOf } from "../own/method-checks.ts";
import { loadMethod } from "../own/methods.ts";
import { userJudge } from "../own/outcome.ts";
import { asOwn } from "../own/printing.ts";
import { payingJudge } from "../own/rewards.ts";
import { within } from "../own/within.ts";
import type { CheckSettings } from "../settings/files.ts";
import { optionName } from "../settings/flags.ts";
import { withOwnFlags } from "../settings/own-flags.ts";
import { trainGroups } from "../settings/training.ts";
import { table } from "../terminal/progress.ts";

/** Seconds that a call may take here. */
const TIMEOUT = 60;

/** Answers to the example's question, the last of them cut off. */
const TEXTS = ["2+3=5, so #5", "#6", "\\boxed{5}", "I do not know", "2+3 is"];
const SAID = TEXTS.map((text, i) => ({
  text,
  truncated: i === TEXTS.length - 1,
  tokens: text.length,
}));
const ROW = { question: EXAMPLE.question, answer: "5", line: 1 };

/**
 * `rlexplore check`: tries a file of own code as `train` would use it, on an example to be followed by hand.
 * @throws UserError if a check, or a call, fails
 */
export async function checkOwn({ file }: CheckSettings): Promise<void> {
  const exported = await loadOwn("check", file);
  if (typeof exported.default === "object") {
    const method = await loadMethod("check", file);
    withOwnFlags(trainGroups, new Map([[file, method]]));
    return showMethod(method);
  }
  const { maxSteps } = EXAMPLE;
  const tally = { calls: 0, failures: 0 };
  if (await isOutcome(exported)) {
    await showPaid(`${file}: an outcome`, await userJudge(file, TIMEOUT, maxSteps, tally));
    return requireNoFailure(file, tally, exported);
  }
  const plan = { terms: [], named: new Map(), user: null, files: [{ path: file, weight: 1 }] };
  const judge = await payingJudge(await openJudge("math"), plan, TIMEOUT, maxSteps, tally);
  await showPaid(`${file}: rewards, with --outcome math`, judge);
  requireNoFailure(file, tally, exported);
}

function requireNoFailure(file: string, { calls, failures }: Tally, exported: Exports): void {
  if (failures === 0) return;
  const isOne = failures === calls && typeof exported.default === "function";
  const hint = isOne
    ? "; a bonus or an advantage is no function: export default { name, signal }"
    : "";
  throw new UserError(`${failures} of ${calls} calls of ${file} failed, as told above${hint}`);
}

/** Whether the function exported by default tells outcomes; one that only pays gives a number, or numbers. */
async function isOutcome({ default: given }: Exports): Promise<boolean> {
  if (typeof given !== "function") return false;
  try {
    const about = { ...SAID[0], step: 1, maxSteps: 1, share: 0 };
    const called = asOwn(() => given(TEXTS[0], ROW, about));
    const result: unknown = await within(TIMEOUT, called, "result");
    return typeof result === "object" && result !== null && "outcome" in result;
  } catch {
    return true;
  }
}

async function showPaid(title: string, judge: Judge): Promise<void> {
  const asked = { row: ROW, gold: judge.gold(ROW) ?? ROW.answer, step: EXAMPLE.step };
  const judged = await judge.judge(SAID, asked);
  const paid = ({ paid }: Judgement) =>
    paid
      ?.map(({ part, value }) => `${part} ${value === null ? "-" : Number(value.toPrecision(6))}`)
      .join(", ");
  const lines = judged.map((one, i) => [
    JSON.stringify(TEXTS[i]) + (SAID[i].truncated ? " (cut off)" : ""),
    one.outcome ?? "none",
    one.correct ? "right" : "",
    paid(one) ?? "left out",
  ]);
  console.log(table(title, [[`answers to ${ROW.question}`, "outcome", "", "reward"], ...lines]));
}

function showMethod(method: ExplorationMethod): void {
  const { name, parameters } = method;
  const usual = Object.entries(defaultsOf(parameters)).map(([key, value]) => `${key} = ${value}`);
  const checks = checkMethod(method);
  for (const { what, problem } of checks) {
    console.log(problem === null ? `ok     ${what}` : `FAILS  ${what}: ${problem}`);
  }
  const failed = checks.filter(({ problem }) => problem !== null).length;
  if (failed > 0) {
    throw new UserError(
      `${failed} of ${checks.length} checks of ${name} fail; they are told above`,
    );
  }
  const term = { method, coefficient: 1, parameters: defaultsOf(parameters) };
  const [signal, bonus] = [method.signal(EXAMPLE, term.parameters), termSignal(term, EXAMPLE)];
  const lines = EXAMPLE.outcomes.map((outcome, i) => [
    outcome ?? "none",
    String(EXAMPLE.counts[i]),
    EXAMPLE.correct[i] ? "right" : "",
    String(EXAMPLE.rewards[i]),
    ...[signal[i], bonus[i]].map((value) => String(Number(value.toPrecision(6)))),
  ]);
  console.log();
  for (const [key, { help, min, max }] of Object.entries(parameters)) {
    const range = Number.isFinite(max - min) ? `, ${min} to ${max}` : "";
    console.log(`--${optionName(key)}${range}: ${help}`);
  }
  const title = `${name}${usual.length > 0 ? ` with ${usual.join(", ")}` : ""}, in step ${EXAMPLE.step} of ${EXAMPLE.maxSteps}:`;
  console.log(table(title, [["answer", "N(x, a)", "", "reward", "A_i", "B_i"], ...lines]));
}
