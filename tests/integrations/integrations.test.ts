import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { judge } from "../../beyond/commands/judge.ts";
import { judgeSettings } from "../../beyond/settings/arguments.ts";
import { type GoldenStep, goldenSteps } from "./golden.ts";

const python = process.env.RLEXPLORE_PYTHON ?? "python3";
const imports = (modules: string) => spawnSync(python, ["-c", `import ${modules}`]).status === 0;
const hasPython =
  imports("sys") &&
  spawnSync(python, ["-c", "assert __import__('sys').version_info >= (3, 10)"]).status === 0;
const hasTrl = hasPython && imports("trl");
const found = (modules: string[]) =>
  `from importlib.util import find_spec; assert all(map(find_spec, ${JSON.stringify(modules)}))`;
const hasVerl =
  hasPython &&
  spawnSync(python, ["-c", found(["verl", "transfer_queue", "tensordict", "ray"])]).status === 0;
const why = (there: boolean, what: string) => (there ? "" : ` (skipped: ${python} has no ${what})`);

const controller = new AbortController();
let serving: Promise<void>;
let address = "";
beforeAll(async () => {
  const { log } = console;
  const said = new Promise<string>((resolve) => {
    console.log = (text: string) => resolve(text);
  });
  serving = judge(judgeSettings(["--serve", "--port", "0"]), controller.signal);
  address = /http:\S+/.exec(await said)?.[0] ?? "";
  console.log = log;
});
afterAll(async () => {
  controller.abort();
  await serving;
});

const run = async (script: string, args: string[], env: Record<string, string> = {}) => {
  const child = Bun.spawn([python, join(import.meta.dir, script), ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
  });
  const [said, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, said: said.trim().split("\n").at(-1), complaint };
};

test("the golden numbers of the plug-ins are those of lib/explore", () => {
  const stored: GoldenStep[] = JSON.parse(
    readFileSync(join(import.meta.dir, "golden.json"), "utf8"),
  );
  expect(stored).toEqual(goldenSteps());
  expect(stored.some(({ signal }) => signal.some((value) => value < 0))).toBe(true);
});

test("the judge answers batches, and says what is none", async () => {
  const ask = (body: unknown) => fetch(address, { method: "POST", body: JSON.stringify(body) });
  const row = { question: "q", answer: "7", completion: "\\boxed{7}" };
  const cut = { ...row, completion: "\\boxed{8}", truncated: false };
  expect(await (await ask([row, cut])).json()).toEqual([
    { outcome: "7", correct: true },
    { outcome: "8", correct: false },
  ]);
  const refused = await ask([{ question: "q" }]);
  expect([refused.status, await refused.text()]).toEqual([
    400,
    "the request is not JSON with question, answer and completion in each row\n",
  ]);
  expect((await fetch(address)).status).toBe(405);
});

test.skipIf(!hasPython)(
  `the plug-ins' Python gives those numbers, and the judge's verdicts${why(hasPython, "version 3.10")}`,
  async () => {
    const { code, said, complaint } = await run("check.py", [address]);
    expect({ code, complaint }).toEqual({ code: 0, complaint: "" });
    expect(said).toBe("120 steps agree");
  },
);

test.skipIf(!hasTrl).each([1, 2])(
  `TRL's trainer adds the terms to its own advantages, and keeps the counts, in %i processes${why(hasTrl, "trl")}`,
  async (processes) => {
    const out = mkdtempSync(join(tmpdir(), "rlexplore-trl-"));
    const listener = createServer().listen(0);
    const { port } = listener.address() as AddressInfo;
    listener.close();
    const among = (rank: number) => ({
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(processes),
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: String(port),
    });
    const args = [resolve("models/base"), address, out];
    const all = await Promise.all(
      Array.from({ length: processes }, (_, rank) =>
        run("trl_run.py", args, processes > 1 ? among(rank) : {}),
      ),
    );
    rmSync(out, { recursive: true });
    for (const { code, said, complaint } of all) {
      expect(complaint).not.toContain("Error");
      const compared = processes === 1 ? 64 : 4 * (8 / processes);
      expect({ code, said }).toEqual({ code: 0, said: `${compared} advantages agree` });
    }
  },
  600_000,
);

test.skipIf(!hasVerl)(
  `verl's trainer adds the terms to its own advantages, and keeps the counts${why(hasVerl, "verl")}`,
  async () => {
    const { code, said, complaint } = await run("verl_run.py", [address]);
    expect(complaint).not.toContain("AssertionError");
    expect({ code, said }).toEqual({ code: 0, said: "20 advantages agree" });
  },
  600_000,
);
