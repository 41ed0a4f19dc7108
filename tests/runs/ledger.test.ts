import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger, type Rollout } from "../../beyond/runs/ledger.ts";
import { UserError } from "../../lib/errors.ts";
import { OutcomeCounter } from "../../lib/explore/counter.ts";

const folder = mkdtempSync(join(tmpdir(), "ledger-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${files++}.sqlite`);

/** A group of completions of one question with these outcomes. */
function group(question: string, outcomes: (string | null)[], slot = 0): Rollout[] {
  return outcomes.map((outcome, sample) => ({
    question,
    slot,
    sample,
    completion: `so #${outcome}`,
    outcome,
    correct: outcome === "right",
    reward: outcome === "right" ? 0.5 : 1.5,
    exploration: -0.1,
    advantage: 0.25,
    tokens: 3,
    truncated: outcome === null,
    logprob: -0.5,
    entropy: 0.3,
    parts: { correct: outcome === "right" ? 1 : 0 },
    tokenIds: [7, 8, 9],
    logprobs: [-0.5, -0.25, -0.75],
  }));
}

describe("Ledger", () => {
  test("rebuilds the counter; null is no text", () => {
    const path = newPath();
    const ledger = new Ledger(path);
    ledger.append(1, [...group("q", ["4", "4", null]), ...group("p", ["null", ""], 1)]);
    ledger.append(2, group("q", [null, "4", "5"]));
    ledger.close();
    const again = new Ledger(path);
    expect(again.counts()).toEqual([
      ["q", "4", 3],
      ["q", null, 2],
      ["p", "null", 1],
      ["p", "", 1],
      ["q", "5", 1],
    ]);
    const counter = new OutcomeCounter();
    for (const entry of again.counts()) counter.addCount(...entry);
    expect(counter.count("q", null)).toBe(2);
    expect(counter.count("p", null)).toBe(0);
    again.close();
  });

  test("removes what came after a checkpoint, so that nothing is counted twice", () => {
    const ledger = new Ledger(newPath());
    expect(ledger.lastStep()).toBe(0);
    for (const step of [1, 2, 3]) ledger.append(step, group("q", ["4", "5"]));
    expect(ledger.lastStep()).toBe(3);
    ledger.removeAfter(1);
    expect(ledger.lastStep()).toBe(1);
    expect(ledger.counts()).toEqual([
      ["q", "4", 1],
      ["q", "5", 1],
    ]);
    ledger.append(2, group("q", ["4"]));
    expect(ledger.counts()[0]).toEqual(["q", "4", 2]);
    ledger.close();
  });

  test("a step is written whole or not at all", () => {
    const ledger = new Ledger(newPath());
    const twice = [...group("q", ["4"]), ...group("q", ["5"])];
    expect(() => ledger.append(1, twice)).toThrow(/UNIQUE/);
    expect(ledger.counts()).toEqual([]);
    ledger.close();
  });

  test("takes up the ledger of version 0.1.0, in which a reward of 1 meant right", () => {
    const path = newPath();
    const ledger = new Ledger(path);
    ledger.append(1, [...group("a", ["5"]), ...group("b", ["right"], 1)]);
    ledger.close();
    const old = new Database(path);
    for (const column of ["correct", "parts"])
      old.run(`ALTER TABLE rollouts DROP COLUMN ${column}`);
    old.close();
    const again = new Ledger(path);
    expect(again.solvedQuestions()).toEqual(["a"]);
    again.append(2, group("b", ["right"]));
    expect(again.solvedQuestions()).toEqual(["a", "b"]);
    again.close();
  });

  test("knows the questions solved so far, whatever they earned", () => {
    const ledger = new Ledger(newPath());
    ledger.append(1, [...group("a", ["right", "4"]), ...group("b", ["4", "5"], 1)]);
    ledger.append(2, group("c", ["right"]));
    expect(ledger.solvedQuestions()).toEqual(["a", "c"]);
    ledger.close();
  });

  test("keeps every field, odd text and not-a-number included", () => {
    const path = newPath();
    const ledger = new Ledger(path);
    const [rollout] = group('"; DROP TABLE rollouts; --', ["½\u0000\n💡"]);
    ledger.append(7, [{ ...rollout, entropy: Number.NaN, truncated: true }]);
    ledger.close();
    const row = new Database(path, { readonly: true })
      .query("SELECT rollouts.*, text FROM rollouts JOIN questions ON questions.id = question")
      .get();
    expect(row).toEqual({
      id: 1,
      step: 7,
      slot: 0,
      sample: 0,
      question: 1,
      text: '"; DROP TABLE rollouts; --',
      completion: rollout.completion,
      outcome: rollout.outcome,
      correct: 0,
      reward: 1.5,
      exploration: -0.1,
      advantage: 0.25,
      tokens: 3,
      truncated: 1,
      logprob: -0.5,
      entropy: null,
      parts: '{"correct":0}',
    });
  });

  test("can be read by others while it is written to", () => {
    const path = newPath();
    const ledger = new Ledger(path);
    ledger.append(1, group("q", ["4"]));
    const reader = new Database(path, { readonly: true });
    const count = () => reader.query("SELECT COUNT(*) AS n FROM rollouts").get();
    expect(count()).toEqual({ n: 1 });
    ledger.append(2, group("q", ["4", "5"]));
    expect(count()).toEqual({ n: 3 });
    reader.close();
    ledger.close();
  });

  test("has one writer, and is free again when that one is killed", async () => {
    const path = newPath();
    const script = `import { Ledger } from "./beyond/runs/ledger.ts";
      globalThis.held = new Ledger(process.argv[1]); // or it is collected, and its lock with it
      console.log("open"); setInterval(() => {}, 1000);`;
    const other = Bun.spawn([process.execPath, "-e", script, path], { stdout: "pipe" });
    try {
      await other.stdout.getReader().read();
      expect(() => new Ledger(path)).toThrow(UserError);
      expect(() => new Ledger(path)).toThrow(/in use: another rlexplore writes this run/);
    } finally {
      other.kill("SIGKILL");
      await other.exited;
    }
    new Ledger(path).close();
  });

  test("what cannot be opened is one clear error", () => {
    const path = newPath();
    writeFileSync(path, "this is not a database, but long enough to look at ".repeat(40));
    expect(() => new Ledger(path)).toThrow(/is corrupt; restore it/);
    expect(() => new Ledger(join(folder, "none", "x.sqlite"))).toThrow(UserError);
  });
});
