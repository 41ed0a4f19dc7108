/** The program under Deno: it does what it does under Bun, to the same bits. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Program, QUESTIONS } from "./program.ts";

const SMALL =
  "--prompts-per-step 4 --num-generations 4 --learning-rate 1e-3 --outcome math --quiet";

let bun: Program;
let deno: Program;
beforeAll(async () => {
  bun = await Program.build("bun");
  deno = bun.underDeno();
  bun.write("data.jsonl", QUESTIONS);
  await bun.succeed(`train data.jsonl ${SMALL} --max-steps 4 --output-dir whole`);
});
afterAll(() => bun?.remove());

/** All that a run ends with. */
const endOf = (run: string, step = 4) =>
  ["model.safetensors", "trainer/optimizer.safetensors"].map((name) =>
    Bun.hash(bun.read(run, `checkpoint-${step}`, name)).toString(16),
  );

test("a run begun under one runtime goes on under the other, with the bits of one that was never stopped", async () => {
  const two = `train data.jsonl ${SMALL} --max-steps 2 --output-dir`;
  await deno.succeed(`${two} from-deno`);
  await bun.succeed("train --resume from-deno --max-steps 4 --quiet");
  await bun.succeed(`${two} from-bun`);
  await deno.succeed("train --resume from-bun --max-steps 4 --quiet");
  expect(endOf("from-deno")).toEqual(endOf("whole"));
  expect(endOf("from-bun")).toEqual(endOf("whole"));
  const steps = (run: string) => bun.steps(run).map(({ loss, reward }) => [loss, reward]);
  expect(steps("from-deno")).toEqual(steps("whole"));
  expect(steps("from-bun")).toEqual(steps("whole"));
});

describe("Deno", () => {
  test("trains on its own WebGPU, to the bits of Dawn on the same adapter", async () => {
    const small = `train data.jsonl ${SMALL} --max-steps 2 --no-tune --output-dir`;
    const { code, stderr } = await deno.run(`${small} native --gpu-backend native`);
    if (stderr.includes("navigator.gpu offers no adapter")) {
      return console.log("skipping Deno's own WebGPU: it finds no adapter here");
    }
    expect([code, stderr]).toEqual([0, ""]);
    const { adapter } = JSON.parse(bun.read("native", "config.json").toString());
    await bun.succeed([...`${small} dawn --gpu`.split(" "), adapter.name]);
    expect(endOf("native", 2)).toEqual(endOf("dawn", 2));
  });

  test("runs code of the user's, which may build on what is built in", async () => {
    deno.write(
      "own.ts",
      `import * as built from "rlexplore";
       export default (completion: string) =>
         ({ outcome: String(Object.keys(built).length > 0 && completion.length), reward: 0 });`,
    );
    const printed = await deno.succeed("sample 12+3+1-1= -n 2 --outcome ./own.ts".split(" "));
    expect(printed).toMatch(/\d/);
  });

  test("says what is wrong in one line, and how it is called", async () => {
    const { code, stderr } = await deno.run("train nothing.jsonl");
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^rlexplore: nothing.jsonl: no such file; .*\n$/),
    ]);
    const unknown = await deno.run("trian");
    expect(unknown.stderr).toMatch(/did you mean train\?/);
  });

  test("names the permission that is missing", async () => {
    const all = ["read", "write", "env", "sys", "ffi"];
    for (const missing of ["read", "ffi"]) {
      const others = all.filter((name) => name !== missing).map((name) => `--allow-${name}`);
      const { code, stderr } = await bun.underDeno(others).run("sample 1+1= -n 1");
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(
          new RegExp(`^rlexplore: .*add --allow-${missing} after deno run.*\\n$`),
        ),
      ]);
    }
    const given = all.map((name) => `--allow-${name}`);
    expect((await bun.underDeno(given).run("sample 12+3+1-1= -n 1")).code).toBe(0);
  });

  test("watch shows a run, and ends with Ctrl-C", async () => {
    const running = deno.start("watch whole");
    const reader = running.stdout.getReader();
    const said = new TextDecoder().decode((await reader.read()).value);
    const [url] = /http:\S+/.exec(said) ?? [""];
    const page = await (await fetch(url)).text();
    expect(page).toContain("whole");
    const events = (await fetch(`${url}events`)).body?.getReader();
    expect(new TextDecoder().decode((await events?.read())?.value)).toContain("event:");
    await events?.cancel();
    running.kill("SIGINT");
    expect([await running.exited, await new Response(running.stderr).text()]).toEqual([130, ""]);
  });
});
