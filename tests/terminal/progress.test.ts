import { describe, expect, test } from "bun:test";
import { duration, Progress, passTable, type StepMetrics } from "../../beyond/terminal/progress.ts";

const metrics: StepMetrics = {
  reward: 0.3125,
  passAt1: 0.3125,
  distinct: 4.125,
  solved: 0.375,
  entropy: 0.41234,
  kl: null,
  gradNorm: 0.8312,
  learningRate: 0.0001,
  samplingTokensPerSecond: 5234,
  learningTokensPerSecond: 912.4,
};

function listen(options: { quiet?: boolean; json?: boolean; isTTY?: boolean; columns?: number }) {
  let time = 0;
  const written: string[] = [];
  const output = { ...options, write: (text: string) => written.push(text) };
  const progress = new Progress({
    total: 40,
    quiet: false,
    json: false,
    ...options,
    output,
    now: () => time,
  });
  const pass = (seconds: number) => {
    time += seconds * 1000;
  };
  return { progress, written, output, pass };
}

/** What a terminal shows after these writes: just the two control sequences the display uses. */
function screen(writes: string[]): string[] {
  const lines = [""];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal control sequences
  for (const [piece, up] of writes.join("").matchAll(/\r\x1b\[(\d+)A\x1b\[J|[^\r]+/g)) {
    if (up) lines.splice(lines.length - 1 - Number(up), Number(up));
    else {
      const [first, ...rest] = piece.split("\n");
      lines[lines.length - 1] += first;
      lines.push(...rest);
    }
  }
  return lines;
}

describe("Progress", () => {
  test("elsewhere than on a terminal: a line a step", () => {
    const { progress, written, pass } = listen({});
    progress.note("SwiftShader: no GPU found");
    progress.activity("sampling");
    pass(2);
    progress.step(10, metrics);
    expect(written.join("")).toBe(
      "SwiftShader: no GPU found\n" +
        "step 10/40  reward 0.313  pass@1 0.313  distinct 4.13  solved 37.5%  entropy 0.412  " +
        "grad norm 0.831  lr 0.0001  sampling 5.2k tokens/s  learning 912 tokens/s  ETA 1m 0s\n",
    );
  });

  test("on a terminal: one block, redrawn, with notes above it", () => {
    const { progress, written, pass } = listen({ isTTY: true, columns: 60 });
    progress.note("adapter");
    progress.activity("sampling 12 of 128");
    pass(1);
    progress.step(1, metrics);
    progress.note("checkpoint saved");
    pass(1);
    progress.step(20, { ...metrics, kl: 0.00123 });
    progress.end();
    progress.result("table", {}, "table");
    const shown = screen(written);
    expect(shown).toEqual([
      "adapter",
      "checkpoint saved",
      "step 20/40  ███████████████░░░░░░░░░░░░░░░  ETA 20s",
      "reward 0.313  pass@1 0.313  distinct 4.13  solved 37.5%",
      "entropy 0.412  KL 0.00123  grad norm 0.831  lr 0.0001",
      "sampling 5.2k tokens/s  learning 912 tokens/s",
      "table",
      "",
    ]);
  });

  test("a narrow terminal: nothing is cut and no line wraps, so the block stays in place", () => {
    const { progress, written, pass } = listen({ isTTY: true, columns: 34 });
    progress.start();
    progress.note("memory 84 MiB: weights 598 KiB, gradients 598 KiB");
    pass(1);
    progress.step(1, metrics);
    pass(1);
    progress.step(20, metrics);
    expect(screen(written)).toEqual([
      "memory 84 MiB: weights 598 KiB,",
      "gradients 598 KiB",
      "step 20/40  ██████░░░░░░  ETA 20s",
      "reward 0.313  pass@1 0.313",
      "distinct 4.13  solved 37.5%",
      "entropy 0.412  grad norm 0.831",
      "lr 0.0001",
      "sampling 5.2k tokens/s",
      "learning 912 tokens/s",
      "",
    ]);
  });

  test("a terminal made narrower cuts the lines of the block", () => {
    const { progress, written, output } = listen({ isTTY: true, columns: 80 });
    progress.step(1, metrics);
    output.columns = 20;
    progress.activity("sampling");
    const shown = screen(written);
    expect(shown.length).toBe(6);
    for (const line of shown) expect(line.length).toBeLessThan(20);
  });

  test("--quiet: results only", () => {
    const { progress, written } = listen({ quiet: true, isTTY: true });
    progress.note("x");
    progress.activity("x");
    progress.step(1, metrics);
    progress.result("table", {}, "table");
    progress.end();
    expect(written.join("")).toBe("table\n");
  });

  test("--json: one object a line, even on a terminal", () => {
    const { progress, written, pass } = listen({ json: true, isTTY: true });
    progress.note("x");
    pass(3);
    progress.step(39, metrics);
    progress.result("evaluation", { passAt1: 0.5 }, "table");
    progress.end();
    const lines = written.join("").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { type: "note", text: "x" },
      { type: "step", step: 39, total: 40, eta: 3, ...metrics },
      { type: "evaluation", passAt1: 0.5 },
    ]);
  });

  test("the time left follows the last steps, not the slow first one", () => {
    const { progress, written, pass } = listen({ json: true });
    pass(100);
    progress.step(1, {});
    for (let step = 2; step <= 30; step++) {
      pass(1);
      progress.step(step, {});
    }
    expect(JSON.parse(written.at(-1) ?? "").eta).toBe(10);
  });
});

test("duration", () => {
  expect([0.4, 59.4, 60, 3599, 3600, 90000].map(duration)).toEqual([
    "0s",
    "59s",
    "1m 0s",
    "59m 59s",
    "1h 0m",
    "25h 0m",
  ]);
});

test("passTable: models below each other, and what changed", () => {
  const base = {
    name: "base",
    passAtK: [
      [1, 0.21],
      [32, 0.85],
    ],
    distinct: 9.5,
  } as const;
  const trained = {
    name: "trained",
    passAtK: [
      [1, 0.354],
      [32, 0.72],
    ],
    distinct: 5.25,
  } as const;
  expect(passTable("128 questions, 32 samples each", [base, trained])).toBe(
    [
      "128 questions, 32 samples each",
      "         pass@1  pass@32  distinct",
      "base      0.210    0.850      9.50",
      "trained   0.354    0.720      5.25",
      "change   +0.144   -0.130     -4.25",
    ].join("\n"),
  );
  expect(passTable("one", [base]).split("\n").length).toBe(3);
});
