import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { train } from "../../beyond/commands/train.ts";
import { openEmbeddedModel } from "../../beyond/models/embedded.ts";
import { descriptionFiles } from "../../beyond/models/folder.ts";
import { encodeSafetensors, readTensor } from "../../beyond/models/safetensors.ts";
import { hashOf } from "../../beyond/own/code.ts";
import { loadMethods } from "../../beyond/own/methods.ts";
import { RunFolder } from "../../beyond/runs/folder.ts";
import { LedgerReader } from "../../beyond/runs/ledger.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import type { TrainSettings } from "../../beyond/settings/training.ts";
import { shareGpu } from "../kernels.ts";
import { layOutAsBefore } from "../runs/old-checkpoint.ts";

shareGpu();
const folder = mkdtempSync(join(tmpdir(), "rlexplore-resume-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = join(folder, "data.jsonl");
const rows = ["10+1=", "11+2=", "12-1=", "13+1="];
const writeData = (count = 4, answer = "11") =>
  writeFileSync(
    data,
    rows
      .slice(0, count)
      .map((question) => `${JSON.stringify({ question, answer })}\n`)
      .join(""),
  );

const readStored = (run: string) => RunFolder.open(run).readConfig<TrainSettings>().settings;
const size =
  "--max-steps 2 --prompts-per-step 2 --num-generations 2 --max-completion-length 8 --quiet --outcome number";
const begin = (path: string, ...flags: string[]) =>
  train(trainSettings([data, ...size.split(" "), "--output-dir", path, ...flags], readStored));
const resume = async (path: string, ...flags: string[]) =>
  train(trainSettings(["--resume", path, "--max-steps", "3", "--quiet", ...flags], readStored));

/** The embedded model as a folder, whose final norm is `norm` times what it was. */
async function writeModel(path: string, norm: number) {
  const model = await openEmbeddedModel();
  for (const [file, text] of Object.entries(descriptionFiles(model))) {
    await Bun.write(join(path, file), text);
  }
  const sources = [...model.tensors].map(([name, { shape }]) => ({
    name,
    shape,
    async data() {
      const values = await readTensor(model.tensors, name);
      return name === "model.norm.weight" ? values.map((x) => norm * x) : values;
    },
  }));
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSafetensors(sources)) pieces.push(piece.slice());
  writeFileSync(join(path, "model.safetensors"), Buffer.concat(pieces));
}

const base = join(folder, "base");
let runs = 0;
beforeAll(async () => {
  writeData();
  await writeModel(base, 1);
  await begin(join(folder, "whole"));
  await begin(join(folder, "lora"), "--model", base, "--lora-rank", "4");
});

function copyOf(name: string): string {
  const path = join(folder, `${name}-${++runs}`);
  cpSync(join(folder, name), path, { recursive: true });
  return path;
}

function edit(file: string, change: (content: Record<string, never> & { check?: number }) => void) {
  const content = JSON.parse(readFileSync(file, "utf8"));
  change(content);
  writeFileSync(file, JSON.stringify(content));
}

describe("a run that goes on refuses", () => {
  const sql = (path: string, statement: string) => {
    const ledger = new Database(join(path, "ledger.sqlite"));
    ledger.run(statement);
    ledger.close();
  };
  test.each([
    ["deleted", "DELETE FROM rollouts WHERE step = 1 AND slot = 0", 1],
    [
      "doubled",
      "INSERT INTO rollouts SELECT id + 100, step, slot + 9, sample, question, completion, outcome, correct, reward, exploration, advantage, tokens, truncated, logprob, entropy, parts FROM rollouts WHERE id = 1",
      1,
    ],
    ["edited", "UPDATE rollouts SET outcome = '7' WHERE step = 2 AND slot = 1 AND sample = 0", 2],
    ["renamed", "UPDATE questions SET text = 'x' WHERE id = 1", 1],
  ])("a ledger of which rows were %s", async (_, statement, step) => {
    const path = copyOf("whole");
    sql(path, statement);
    await expect(resume(path)).rejects.toThrow(
      /ledger.sqlite has other rollouts of step [12] than the run wrote, .*restore it/,
    );
    expect(step).toBeGreaterThan(0);
  });

  test("a state that no run writes", async () => {
    for (const [key, value] of Object.entries({ updates: -5, drawn: null, best: 3 })) {
      const path = copyOf("whole");
      edit(join(path, "checkpoint-2", "trainer", "trainer_state.json"), (file) => {
        delete file.check;
        Object.assign(file.state, { [key]: value });
      });
      await expect(resume(path)).rejects.toThrow(
        /trainer_state.json is corrupt or truncated; delete/,
      );
    }
  });

  test("a checkpoint under another name", async () => {
    const path = copyOf("whole");
    renameSync(join(path, "checkpoint-2"), join(path, "checkpoint-3"));
    await expect(resume(path)).rejects.toThrow(/is the checkpoint of step 2 under another name/);
  });

  test("checkpoints that are gone", async () => {
    const path = copyOf("whole");
    rmSync(join(path, "checkpoint-2"), { recursive: true });
    await expect(resume(path)).rejects.toThrow(
      /has saved checkpoint-2, and has no checkpoint now: put it back/,
    );
    const ledger = new LedgerReader(join(path, "ledger.sqlite"));
    expect(ledger.lastStep()).toBe(2);
    ledger.close();
  });

  test("data that were cut or changed", async () => {
    writeData(3);
    await expect(resume(copyOf("whole"))).rejects.toThrow(
      /data.jsonl \(3 rows, 4 then\) is not what/,
    );
    writeData(4, "12");
    await expect(resume(copyOf("whole"))).rejects.toThrow(
      /data.jsonl \(4 rows, 4 then\) is not what/,
    );
    writeData();
  });

  test("another base under an adapter", async () => {
    await writeModel(base, 1.5);
    await expect(resume(copyOf("lora"))).rejects.toThrow(
      /the model .*base is not what this run was begun with/,
    );
    await writeModel(base, 1);
    await resume(copyOf("lora"));
  });
});

describe("config.json edited by hand", () => {
  test("is refused, unless it is to be taken as it is", async () => {
    const path = copyOf("whole");
    const file = join(path, "config.json");
    edit(file, ({ settings }) => Object.assign(settings, { learningRate: 1e-3 }));
    await expect(resume(path)).rejects.toThrow(
      /config.json was changed since the run wrote it; put it back/,
    );
    edit(file, (config) => delete config.check);
    await resume(path);
  });

  test.each(
    Object.entries({
      explore: 3,
      learningRate: "1e-3",
      learningRat: 1e-3,
      temperature: 0,
      seed: -1,
      exploreCoef: ["a"],
      stop: "x",
      quiet: "yes",
      numGenerations: null,
      lossType: "ppo",
      loraTargets: 7,
      chatTemplateKwargs: [1],
      data: 5,
    }),
  )("is held to what could be typed: %s %p", async (key, value) => {
    const path = copyOf("whole");
    edit(join(path, "config.json"), (config) => {
      delete config.check;
      Object.assign(config.settings, { [key]: value });
    });
    await expect(resume(path)).rejects.toThrow(
      new RegExp(`config.json: (there is no setting ${key}|${key} cannot be )`),
    );
  });
});

test("a run that version 0.1.0 began goes on, and it is said once what is not known of it", async () => {
  const path = copyOf("whole");
  edit(join(path, "config.json"), (config) => {
    delete config.check;
    delete config.origins;
  });
  layOutAsBefore(join(path, "checkpoint-2"));
  edit(join(path, "checkpoint-2", "trainer_state.json"), (file) => {
    const { ledger: _, heldOut: __, ...state } = file.state as Record<string, unknown>;
    Object.assign(file, { state });
  });
  const lines: string[] = [];
  const said = spyOn(process.stdout, "write").mockImplementation(
    (text) => lines.push(String(text)) > 0,
  );
  try {
    for (const steps of ["3", "4"]) {
      await train(trainSettings(["--resume", path, "--max-steps", steps], readStored));
    }
  } finally {
    said.mockRestore();
  }
  const told = lines.filter((line) => line.includes("an older version began this run"));
  expect(told).toHaveLength(1);
});

test("own code that was changed is said at every resume, and both versions are kept", async () => {
  const own = join(folder, "mine.ts");
  const write = (weight: number) =>
    writeFileSync(
      own,
      `export default { name: "mine", signal: ({ counts }) => Array.from(counts, (n) => ${weight} / (1 + n)) };`,
    );
  write(1);
  const path = join(folder, "own-code");
  const go = async (...args: string[]) =>
    train(trainSettings(args, readStored, undefined, await loadMethods({ explore: own })));
  await go(data, ...size.split(" "), "--output-dir", path, "--explore", own);
  const origins = () => RunFolder.open(path).readConfig().origins;
  const [first] = Object.values(origins()?.own ?? {});
  write(2);
  const lines: string[] = [];
  const said = spyOn(process.stdout, "write").mockImplementation(
    (text) => lines.push(String(text)) > 0,
  );
  try {
    await go("--resume", path, "--max-steps", "3", "--quiet");
    await go("--resume", path, "--max-steps", "4");
  } finally {
    said.mockRestore();
  }
  expect(lines.join("")).toContain(`${own} was changed since this run began`);
  expect(origins()?.own).toEqual({ [own]: first });
  expect(origins()?.ownLater).toEqual([{ after: 2, own: { [own]: hashOf(own) } }]);
  expect(hashOf(own)).not.toBe(first);
});
