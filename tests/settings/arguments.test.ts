import { describe, expect, test } from "bun:test";
import {
  evalSettings,
  gpuSettings,
  sampleSettings,
  sftSettings,
  trainSettings,
} from "../../beyond/settings/arguments.ts";
import { optionName } from "../../beyond/settings/flags.ts";
import { helpSections } from "../../beyond/settings/help.ts";
import { nearest } from "../../beyond/settings/nearest.ts";
import { storedSettings } from "../../beyond/settings/stored.ts";
import { trainGroups } from "../../beyond/settings/training.ts";
import { UserError } from "../../lib/errors.ts";

const noRun = () => {
  throw new Error("no run is read");
};
const train = (line: string) => trainSettings(line.split(" ").filter(Boolean), noRun);

describe("defaults", () => {
  test("are the method's, and differ for the embedded model", () => {
    const small = train("data.jsonl");
    expect(small).toMatchObject({
      data: "data.jsonl",
      model: "embedded",
      explore: "ucb-con",
      exploreCoef: [0.2],
      b0: 0.5,
      scaleRewards: "none",
      beta: 0,
      epsilon: 0.2,
      epsilonHigh: null,
      numGenerations: 8,
      learningRate: 1e-4,
      outputDir: null,
      resume: null,
      quiet: false,
      stop: [],
    });
    const large = train("data.jsonl --model llama");
    expect(large.learningRate).toBe(1e-6);
    expect(train("d --model llama --learning-rate 3e-5").learningRate).toBe(3e-5);
  });

  test("every flag but a switch explains its default", () => {
    for (const flags of Object.values(trainGroups)) {
      for (const [key, flag] of Object.entries(flags)) {
        expect({ key, ends: flag.help.endsWith(".") }).toEqual({ key, ends: true });
        expect({ key, source: flag.source !== "" }).toEqual({ key, source: "value" in flag });
      }
    }
  });

  test("help lists every flag once, with its default and source, in lines of a terminal", () => {
    const sections = helpSections(trainGroups, ["model", "explore"]);
    expect(sections[0].title).toBe("What most people need");
    const help = sections.map(({ title, body }) => `${title}:\n${body}`).join("\n\n");
    for (const flags of Object.values(trainGroups)) {
      for (const key of Object.keys(flags)) {
        expect(help.split(new RegExp(`^  (?:-., )?--${optionName(key)}(?: |$)`, "m")).length).toBe(
          2,
        );
      }
    }
    expect(help.replace(/\s+/g, " ")).toContain(
      "Default 1e-6 (TRL, for full fine-tuning); 1e-5 with LoRA; 1e-4 for the embedded model.",
    );
    expect(help).toContain("Exploration:\n");
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe("prompts", () => {
  const sample = (...args: string[]) => sampleSettings(["q", ...args]);
  test("are described by the same flags in every command", () => {
    const args = ["--system-prompt", "s", "--chat-template-kwargs", '{"enable_thinking": false}'];
    const expected = {
      systemPrompt: "s",
      promptTemplate: "{question}",
      chatTemplateKwargs: { enable_thinking: false },
    };
    expect(sample(...args)).toMatchObject(expected);
    expect(trainSettings(["d", ...args], noRun)).toMatchObject(expected);
    expect(sftSettings(["d", ...args])).toMatchObject(expected);
    expect(evalSettings(["d", ...args])).toMatchObject(expected);
  });
  test("that would lose the question, or variables that are none, are refused", () => {
    expect(() => sample("--prompt-template", "Q:")).toThrow(
      '--prompt-template must have {question} in it, not "Q:"',
    );
    for (const text of ["enable_thinking=false", "[1]", "null", "7"]) {
      expect(() => sample("--chat-template-kwargs", text)).toThrow(
        /^--chat-template-kwargs must be a JSON object, such as/,
      );
    }
  });
});

describe("values", () => {
  test("are read as typed, in either spelling, negative ones included in the check", () => {
    const s = train(
      "d.jsonl --max-steps=7 --seed 007 --stop 1.0 --stop ; --explore-coef .3 --quiet",
    );
    expect(s.maxSteps).toBe(7);
    expect(s.seed).toBe(7);
    expect(s.stop).toEqual(["1.0", ";"]);
    expect(s.exploreCoef).toEqual([0.3]);
    expect(s.quiet).toBe(true);
    expect(train("d --explore ucb-con,batch --explore-coef 0.2,0.1").exploreCoef).toEqual([
      0.2, 0.1,
    ]);
  });

  const wrong: [string, RegExp][] = [
    ["", /train needs a data file: rlexplore train data.jsonl/],
    ["a.jsonl b.jsonl", /"b.jsonl" is one too many/],
    ["d --explor ucb", /unknown flag --explor; did you mean --explore\?/],
    ["d --lerning-rate 1", /did you mean --learning-rate\?/],
    ["d --lr 1", /did you mean --learning-rate\?/],
    ["d --report-to wandb", /did you mean --tensorboard\?/],
    ["d --per-device-train-batch-size 8", /did you mean --prompts-per-step\?/],
    ["d --epochs 3", /did you mean --num-epochs\?/],
    ["d --reward-funcs f", /did you mean --outcome\?/],
    ["d --bf16", /did you mean --dtype\?/],
    ["d --lora-r 8", /did you mean --lora-rank\?/],
    ["d --max-new-tokens 9", /did you mean --max-completion-length\?/],
    ["d --zzzzzzzzzz", /unknown flag --zzzzzzzzzz; see --help/],
    ["d -x", /unknown flag -x/],
    ["d --max-steps", /--max-steps needs a value: <n>/],
    ["d --model --quiet", /--model needs a value: <model>/],
    ["d --quiet=yes", /--quiet takes no value/],
    ["d --model=", /--model must not be empty/],
    ["d --max-steps 1 --max-steps 2", /--max-steps is given more than once/],
    ["d --max-steps 1.5", /--max-steps must be a whole number at least 1, not "1.5"/],
    ["d --max-steps 0x10", /--max-steps must be a whole number/],
    ["d --learning-rate 1e400", /--learning-rate must be a number at least 0/],
    ["d --learning-rate fast", /not "fast"/],
    ["d --epsilon -0.1", /--epsilon must be a number at least 0 and below 1, not "-0.1"/],
    ["d --num-generations 1", /--num-generations must be a whole number at least 2/],
    ["d --temperature 0", /--temperature must be a number at least 0.0001/],
    ["d --top-p 1.01", /--top-p .*at most 1/],
    ["d --loss-type ppo", /--loss-type must be grpo or dr_grpo or dapo or bnpo, not "ppo"/],
    ["d --explore ucb-max", /--explore: .*ucb-max.*ucb-mean/],
    ["d --explore ucb,batch --explore-coef 1,2,3", /--explore: .*3 .*coefficients/],
    ["d --explore-coef -1", /--explore-coef must be a number at least 0/],
    ["d --explore batch --b0 0.3", /--b0 is a parameter of ucb-con/],
    ["d --explore none --explore-coef 1", /--explore none has no use/],
    ["d --kl-bias-correction", /--kl-bias-correction needs a KL penalty, such as --beta 0.04/],
    ["d --steps-per-generation 3", /--steps-per-generation 3 must divide --prompts-per-step 16/],
    [
      "d --micro-batch-tokens 24 --max-completion-length 30",
      /--max-completion-length 30 must be below --micro-batch-tokens 24/,
    ],
    ["d --eval-steps 5", /--eval-steps needs --eval-file/],
    ["d --eval-samples 5", /--eval-samples needs --eval-file/],
    ["d --eval-fraction 0.1 --eval-file e", /--eval-fraction excludes --eval-file/],
    ["d --eval-fraction 1", /--eval-fraction must be a number at least 0 and below 1/],
    ["d --question-field q --answer-field q", /--question-field and --answer-field are both q/],
    ["d --data e", /train takes one data file; "d" is one too many/],
    ["d --config main", /unknown flag --config; did you mean --subset\?/],
    ["d --save-best --eval-file e", /--save-best needs --eval-file and --eval-steps/],
    ["d --max-steps 40 --warmup-steps 41", /--warmup-steps 41 must not exceed --max-steps 40/],
    ["d --quiet --json", /exclude each other/],
    ["d --kernels plain --kv-cache-tokens 500", /--kernels plain has no use for --kv-cache-tokens/],
    ["d --resume run --output-dir x", /--resume and --output-dir exclude each other/],
  ];
  test.each(wrong)("refuses %s", (line, message) => {
    expect(() => train(line)).toThrow(UserError);
    expect(() => train(line)).toThrow(message);
  });

  test("nearest finds slips, swaps and other tools' names, and nothing far", () => {
    const names = ["explore", "explore-coef", "epsilon", "epsilon-high", "max-steps"];
    expect(nearest("explroe", names)).toBe("explore");
    expect(nearest("epsilon-hihg", names)).toBe("epsilon-high");
    expect(nearest("steps", names)).toBe("max-steps");
    expect(nearest("gpu", names)).toBe(null);
    expect(nearest("epochs", ["num-train-epochs"])).toBe("num-train-epochs");
    expect(nearest("num-epochs", ["num-train-epochs"])).toBe("num-train-epochs");
  });
});

describe("--resume", () => {
  const stored = storedSettings(
    train("package.json --max-steps 9 --beta 0.1 --model llama --json"),
  );
  const resume = (line: string) =>
    trainSettings(`--resume run ${line}`.trim().split(" "), (run) => {
      expect(run).toBe("run");
      return stored;
    });

  test("takes the run's settings, but shows as asked now", () => {
    const s = resume("--quiet");
    expect(s).toEqual({ ...stored, resume: "run", outputDir: "run", json: false, quiet: true });
    expect(s.data).toBe(`${process.cwd()}/package.json`);
    expect(s.learningRate).toBe(1e-6);
  });

  test("allows what cannot change the past, and repeated flags", () => {
    expect(resume("./package.json --beta 0.1 --max-steps 12").maxSteps).toBe(12);
  });

  test("refuses what would", () => {
    expect(() => resume("--beta 0.2")).toThrow(/--beta cannot change .* \(it was 0.1\)/);
    expect(() => resume("tsconfig.json")).toThrow(/the data cannot change/);
  });

  test("fills in a flag that the run's version did not know", () => {
    const { minP: _, ...older } = stored;
    expect(trainSettings(["--resume", "run"], () => older).minP).toBe(0);
  });
});

describe("other commands", () => {
  test("sft", () => {
    expect(sftSettings(["d"])).toMatchObject({ maxSteps: null, numTrainEpochs: 3 });
    expect(sftSettings(["d", "--from-scratch", "--max-steps", "5"])).toMatchObject({
      fromScratch: true,
      maxSteps: 5,
    });
    expect(() => sftSettings([])).toThrow(/sft needs a data file/);
    expect(() => sftSettings(["d", "--max-steps", "5", "--num-train-epochs", "1"])).toThrow(
      /exclude each other/,
    );
  });

  test("sample: short flag, questions that begin with a dash", () => {
    const s = sampleSettings(["-n", "8", "--", "-3+5=", "1+1="]);
    expect(s.numGenerations).toBe(8);
    expect(s.questions).toEqual(["-3+5=", "1+1="]);
    expect(() => sampleSettings([])).toThrow(/sample needs a question/);
  });

  test("eval: k up to the samples there are", () => {
    expect(evalSettings(["d"]).k).toEqual([1, 2, 4, 8, 16, 32, 64]);
    expect(evalSettings(["d", "--num-samples", "5"]).k).toEqual([1, 2, 4]);
    expect(evalSettings(["d", "--k", "8,1,8"]).k).toEqual([1, 8]);
    expect(() => evalSettings(["d", "--num-samples", "4", "--k", "1,8"])).toThrow(
      /--k 8 needs --num-samples 8 or more, not 4/,
    );
  });

  test("gpu", () => {
    const plain = {
      gpu: "llvm",
      gpuBackend: "dawn",
      kernels: "auto",
      tune: false,
      model: "embedded",
      dtype: "f32",
    } as const;
    expect(gpuSettings(["--gpu", "llvm"])).toEqual(plain);
    expect(gpuSettings(["--tune", "--model", "m"])).toMatchObject({ tune: true, model: "m" });
    expect(() => gpuSettings(["--model", "m"])).toThrow(/--model is for --tune/);
    expect(() => gpuSettings(["--tune=1"])).toThrow(/--tune takes no value/);
    expect(() => gpuSettings(["--no-tune"])).toThrow(/unknown flag --no-tune/);
    expect(() => gpuSettings(["llvm"])).toThrow(/did you mean --gpu llvm\?/);
  });
});

describe("what cac would take for something else", () => {
  test("is what was typed", () => {
    const sample = (...args: string[]) => sampleSettings(args);
    expect(sample("007", "--model", "007").questions).toEqual(["007"]);
    expect(sample("007", "--model", "007").model).toBe("007");
    expect(sample("1e3", "--stop", "1", "--stop=2.50", "--stop", "-").stop).toEqual([
      "1",
      "2.50",
      "-",
    ]);
    expect(sample("-n8", "true").numGenerations).toBe(8);
    expect(sample("--json", "true", "--no-tune", "q")).toMatchObject({
      questions: ["true", "q"],
      json: true,
      noTune: true,
    });
    expect(sample("q").noTune).toBe(false);
    expect(() => sample("q", "--temperature", "-1")).toThrow("--temperature must be");
    expect(() => sample("q", "--no-json")).toThrow("unknown flag --no-json");
    expect(() => sample("q", "--tune")).toThrow("unknown flag --tune");
    expect(() => sample("q", "--n", "8")).toThrow("unknown flag --n");
    expect(() => sample("q", "--seed", "1", "--seed", "2")).toThrow("is given more than once");
    expect(sample("--", "--help", "-n").questions).toEqual(["--help", "-n"]);
    expect(() => sample("")).toThrow("must not be empty");
  });
});
