import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Program, QUESTIONS } from "./program.ts";

const TINY = "--prompts-per-step 2 --num-generations 2 --learning-rate 1e-3 --save-steps 1";
const SHAPE =
  'every line must be {"question": "...", "answer": "..."} (--skip-bad leaves out others)';

let program: Program;
beforeAll(async () => {
  program = await Program.build();
  const { question, answer } = QUESTIONS[0];
  program.write("data.jsonl", QUESTIONS);
  program.write("empty.jsonl", "\n");
  program.write("not-json.jsonl", `${JSON.stringify(QUESTIONS[0])}\n{question: 1}\n`);
  program.write("no-question.jsonl", [{ answer }]);
  program.write("no-answer.jsonl", [QUESTIONS[0], QUESTIONS[1], { question }]);
  program.write("long.jsonl", [{ question: `${"1+".repeat(40)}1=`, answer: "41" }]);
  program.write("words.jsonl", [QUESTIONS[0], { question: "How?", answer: "2" }]);
  program.write("texts.jsonl", [{ prompt: "How?", completion: "#2" }]);
  program.write("long-text.jsonl", [{ prompt: `${"1+".repeat(40)}1=`, completion: "#" }]);
  program.write("row-3.jsonl", [...QUESTIONS.slice(0, 2), { id: 3 }]);
  program.write("nan.jsonl", '{"question": "1+1=", "answer": NaN}\n');
  program.write("page.jsonl", "<!doctype html>\n<html></html>\n");
  program.write("lines.csv", "question,answer\n10+1-1+1=\n");
  const text = QUESTIONS.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(program.path("utf16.jsonl"), Buffer.from(`\uFEFF${text}`, "utf16le"));
  writeFileSync(program.path("cut.jsonl.gz"), Bun.gzipSync(text).slice(0, 60));
  writeFileSync(program.path("weights.bin"), Buffer.from([7, 0, 0, 1]));
  mkdirSync(program.path("no-model"));
  await program.succeed(`train data.jsonl ${TINY} --max-steps 2 --output-dir run --quiet`);
});
afterAll(() => program?.remove());

/** Runs it, and expects one line that says what to do, exit code 2, and no result. */
async function expectMistake(
  args: string | string[],
  message: string | RegExp,
  within?: readonly string[],
) {
  const { code, stdout, stderr } = await program.run(args, { within });
  const said = /^rlexplore: (.*)\n$/.exec(stderr)?.[1] ?? `not one line: ${stderr}`;
  const line = program.plain(said);
  if (typeof message === "string") expect(line).toBe(message);
  else expect(line).toMatch(message);
  expect(code).toBe(2);
  expect(stdout).not.toMatch(/^the model is in/m);
}

describe("one line, exit code 2, and nothing written", () => {
  const spell = "pass --model with a model that reads it";
  const mistakes: [args: string, message: string | RegExp][] = [
    ["trian data.jsonl", "unknown command trian; did you mean train?"],
    ["train", "train needs a data file: rlexplore train data.jsonl"],
    ["train missing.jsonl", /^missing\.jsonl: no such file; give the path of /],
    ["train empty.jsonl", /^empty\.jsonl: the file is empty; it needs lines such as \{"question"/],
    ["train not-json.jsonl", `not-json.jsonl:2: not JSON; ${SHAPE}`],
    ["train no-question.jsonl", /^no-question\.jsonl:1: no "question"/],
    ["train no-model", "no-model is a folder; give the path of a JSONL file of questions in it"],
    ["train row-3.jsonl", `row-3.jsonl:3: no "question" (the row has "id"); ${SHAPE}`],
    ["train nan.jsonl", `nan.jsonl:1: not JSON: NaN is no JSON value; write null; ${SHAPE}`],
    ["train page.jsonl", "page.jsonl is a web page, not data; download the data file itself"],
    ["train lines.csv", `lines.csv:2: 1 columns instead of 2; ${SHAPE}`],
    ["train utf16.jsonl", "utf16.jsonl is UTF-16 text, not data; save it as UTF-8"],
    ["train cut.jsonl.gz", "cut.jsonl.gz: the gzipped data is cut off; fetch it again"],
    [
      "data weights.bin",
      "weights.bin is a binary file, not data; give JSON lines, a JSON array, CSV or Parquet",
    ],
    [
      "train data.jsonl --question-field answer --answer-field answer",
      "--question-field and --answer-field are both answer: give two fields",
    ],
    [
      "train data.jsonl --split test",
      /^--split, --eval-split and --subset are for data sets of the/,
    ],
    ["data nan.jsonl", /^nan\.jsonl: none of 1 rows can be used; line 1: not JSON: NaN is no JSON/],
    ["train no-answer.jsonl", /^no-answer\.jsonl:3: no "answer"/],
    ["train data.jsonl --eval-file no-answer.jsonl", /^no-answer\.jsonl:3: no "answer"/],
    [
      "train words.jsonl",
      `words.jsonl:2: this model's tokenizer cannot spell "H", "o", "w", "?"; ${spell}`,
    ],
    [
      "sft texts.jsonl",
      `texts.jsonl:1: this model's tokenizer cannot spell "H", "o", "w", "?"; ${spell}`,
    ],
    [
      "sft long-text.jsonl",
      "long-text.jsonl:1: 84 tokens exceed the model's context of 64; shorten the row",
    ],
    ["sample 2*3=", `the question: this model's tokenizer cannot spell "*"; ${spell}`],
    ["train long.jsonl", /^the prompt "1\+1.*\.\.\." has 82 tokens.*context of 64; shorten it$/],
    [
      "eval data.jsonl --max-completion-length 60",
      /has 9 tokens, and --max-completion-length 60 leaves 4 .* of 64; lower that to 55 or less$/,
    ],
    ["train data.jsonl --num-generation 4", /--num-generation; did you mean --num-generations\?$/],
    ["train data.jsonl --lr 1", "unknown flag --lr; did you mean --learning-rate?"],
    [
      "train data.jsonl --num-generations 1",
      /must be a whole number at least 2 and at most 65536, not "1"$/,
    ],
    ["train data.jsonl --epsilon -0.2", /^--epsilon must be a number at least 0 and below 1, /],
    ["train data.jsonl --explore ucb-max", /"ucb-max": choose from none, ucb, ucb-mean, ucb-con/],
    [
      "train data.jsonl --steps-per-generation 3",
      /^--steps-per-generation 3 must divide --prompts/,
    ],
    ["train data.jsonl --gpu nonesuch", /^no adapter matches "nonesuch"; there are: .*SwiftShader/],
    ["train data.jsonl --model nowhere", /^nowhere: no such model/],
    [
      "train data.jsonl --model no-model",
      /^no-model has no config\.json; give a Hugging Face model/,
    ],
    [
      "train data.jsonl --output-dir run",
      "run already exists; choose another --output-dir, or go on with that run: rlexplore train --resume run",
    ],
    [
      "train data.jsonl --output-dir data.jsonl/run",
      /^data\.jsonl\/run cannot be made: a file is /,
    ],
    [
      "train data.jsonl --output-dir /sys/run",
      /^\/sys\/run: no permission; change its permissions/,
    ],
    ["train --resume nowhere", "nowhere: no such run; check --resume"],
    ["train --resume no-model", "no-model is not a run: it has no config.json; check --resume"],
    ["train --resume run --max-steps 1", "run has done 2 steps already: raise --max-steps 1"],
    ["train --resume run --seed 1", /^--seed cannot change when a run is continued \(it was 42\)/],
    ["train data.jsonl --reward formt=1", '--reward has no part "formt"; did you mean format?'],
    ["eval data.jsonl --k 128", "--k 128 needs --num-samples 128 or more, not 64"],
  ];
  test.each(mistakes)("%s", async (args, message) => {
    const before = readdirSync(program.folder);
    await expectMistake(args, message);
    expect(readdirSync(program.folder)).toEqual(before);
  });

  test("models whose files are missing or damaged", async () => {
    const copyWithout = (name: string) => {
      rmSync(program.path("model"), { recursive: true, force: true });
      cpSync(program.path("run", "checkpoint-2"), program.path("model"), { recursive: true });
      rmSync(program.path("model", name));
    };
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
      copyWithout(name);
      await expectMistake(
        "sample 1+1= --model model",
        `model has no ${name}; give a Hugging Face model folder`,
      );
    }
    copyWithout("model.safetensors");
    program.write("model/model.safetensors", "PK");
    await expectMistake("sample 1+1= --model model", /^model\/model\.safetensors .*;/);
  });

  test("Parquet and what the executable makes itself are read by it", async () => {
    const layouts = `${import.meta.dir}/../datasets/layouts`;
    const pages = await program.succeed(`data ${layouts}/verl-gsm8k.parquet`);
    expect(pages).toContain("verl-gsm8k.parquet: 2 rows, 2 earnable, 2 different questions");
    await program.succeed("data make arithmetic --n 8 -o made.jsonl");
    const made = await program.succeed("data made.jsonl data.jsonl --model embedded");
    expect(made).toContain("no question is in both");
  });

  test("--skip-bad goes on, with a count", async () => {
    const stdout = await program.succeed(
      `train not-json.jsonl --skip-bad ${TINY} --max-steps 1 --output-dir skipped --eval-file no-answer.jsonl --eval-samples 2`,
    );
    expect(stdout).toMatch(/^left out 1 line; the first: not-json\.jsonl:2: not JSON$/m);
    expect(stdout).toMatch(
      /^left out 1 line; the first: no-answer\.jsonl:3: no "answer" \(the row has "question"\)$/m,
    );
  });
});

describe("nothing lost", () => {
  const checkpoints = (run: string) =>
    readdirSync(program.path(run)).filter((name) => name.startsWith("checkpoint"));

  test("a gradient that is not finite stops the run and keeps the last checkpoint", async () => {
    await expectMistake(
      `train data.jsonl ${TINY.replace("1e-3", "1e30")} --max-steps 9 --output-dir burst`,
      /^(step \d: the loss or its gradient is not a finite number|after step \d: the model's logits are not finite numbers); lower --learning-rate \(checkpoint-\d is untouched\)$/,
    );
    const done = program.steps("burst").map(({ step }) => step);
    expect(done.length).toBeLessThan(9);
    expect(checkpoints("burst")).toContain(`checkpoint-${done.length}`);
  });

  test("a truncated checkpoint is named, and so is the one to go on from", async () => {
    cpSync(program.path("run"), program.path("torn"), { recursive: true });
    const weights = join("torn", "checkpoint-2", "model.safetensors");
    truncateSync(program.path(weights), 1000);
    await expectMistake(
      "train --resume torn --max-steps 3",
      `${weights} is corrupt or truncated; delete torn/checkpoint-2 to go on from step 1`,
    );
    rmSync(program.path("torn", "checkpoint-2"), { recursive: true });
    await program.succeed("train --resume torn");
    const [a, b] = ["torn", "run"].map((run) =>
      program.read(run, "checkpoint-2", "model.safetensors"),
    );
    expect(a.equals(b)).toBe(true);
  });

  test("a run without its ledger is not continued with wrong counts", async () => {
    cpSync(program.path("run"), program.path("uncounted"), { recursive: true });
    for (const name of readdirSync(program.path("uncounted"))) {
      if (name.startsWith("ledger")) rmSync(program.path("uncounted", name));
    }
    await expectMistake(
      "train --resume uncounted --max-steps 3",
      /^uncounted\/ledger\.sqlite has lost the rollouts of step 2, .*; restore it from a copy or /,
    );
    expect(program.steps("uncounted").length).toBe(2);
  });

  test.skipIf(!existsSync("/dev/full"))("an output that cannot be written", async () => {
    const toFull = ["bash", "-c", '"$0" "$@" > /dev/full'];
    const message = "the output cannot be written (ENOSPC); is the disk full?";
    await expectMistake("sample 1+2+3+4=", message, toFull);
    await expectMistake(
      `train data.jsonl ${TINY} --max-steps 1 --output-dir mute`,
      message,
      toFull,
    );
    expect(checkpoints("mute")).toEqual(["checkpoint-1"]);
  });

  const mounting = ["unshare", "--map-root-user", "--mount"];
  const canMount = Bun.spawnSync([...mounting, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).success;
  // without the right to mount there is no small disk to fill
  test.skipIf(!canMount)("a full disk costs neither the last checkpoint nor the run", async () => {
    for (const name of ["disk", "rescued"]) mkdirSync(program.path(name));
    const onSmallDisk =
      'mount -t tmpfs -o size=5m tmpfs disk; "$0" "$@"; code=$?; cp -r disk/run rescued; exit $code';
    await expectMistake(
      `train data.jsonl ${TINY} --max-steps 4 --output-dir disk/run`,
      /^disk\/run\/checkpoint-3\S*: the disk is full; free some space, then go on with --resume$/,
      [...mounting, "bash", "-c", onSmallDisk],
    );
    expect(checkpoints("rescued/run").sort()).toEqual(["checkpoint-1", "checkpoint-2"]);
    await program.succeed("train --resume rescued/run");
    await program.succeed(`train data.jsonl ${TINY} --max-steps 4 --output-dir easy --quiet`);
    const [a, b] = ["rescued/run", "easy"].map((run) =>
      program.read(run, "checkpoint-4", "model.safetensors"),
    );
    expect(a.equals(b)).toBe(true);
  });
});
