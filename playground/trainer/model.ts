import { findAnswer } from "../../beyond/answers/extract.ts";
import { numberJudge } from "../../beyond/answers/simple.ts";
import { USUAL } from "../../beyond/answers/thinking.ts";
import { parseModelConfig } from "../../beyond/models/config.ts";
import {
  openSafetensors,
  requireTensors,
  type StoredTensor,
} from "../../beyond/models/safetensors.ts";
import { Tokenizer } from "../../beyond/models/tokenizer.ts";
import rows from "../../examples/arithmetic.jsonl" with { type: "text" };
import heldOutRows from "../../examples/arithmetic-test.jsonl" with { type: "text" };
import type { Row } from "../../lib/data/judge.ts";
import { prepareQuestions, type Question } from "../../lib/data/questions.ts";
import type { ModelConfig } from "../../lib/model/config.ts";
import { tensorShapes } from "../../lib/model/parameters.ts";
import { type ModelFiles, WEIGHTS } from "../model-files.ts";

const SOURCE = "the embedded model";

/** The embedded model, and the questions that it can read. */
export interface EmbeddedModel {
  config: ModelConfig;
  tokenizer: Tokenizer;
  tensors: Map<string, StoredTensor>;
  /** All that can be trained on, in the order of their file. */
  questions: Question[];
  heldOut: Question[];
}

export async function openEmbedded({ weights, texts }: ModelFiles): Promise<EmbeddedModel> {
  const config = parseModelConfig(texts["config.json"], SOURCE, () => {});
  const tensors = await openSafetensors(weights, `${SOURCE}/${WEIGHTS}`);
  requireTensors(tensors, tensorShapes(config), SOURCE);
  const files = texts as unknown as ConstructorParameters<typeof Tokenizer>[0];
  const tokenizer = new Tokenizer(files, SOURCE, config.vocabSize);
  return {
    config,
    tokenizer,
    tensors,
    questions: questionsOf(tokenizer, readRows(String(rows)), "arithmetic.jsonl"),
    heldOut: questionsOf(tokenizer, readRows(String(heldOutRows)), "arithmetic-test.jsonl"),
  };
}

/** Rows as questions that the model can read. @throws UserError for characters that it cannot */
export function questionsOf(
  tokenizer: Tokenizer,
  asked: readonly Row[],
  source: string,
): Question[] {
  const prompter = {
    encodePrompt: ({ question }: Pick<Row, "question">, where: string) =>
      tokenizer.encodePrompt(question, where),
  };
  return prepareQuestions(prompter, asked, source, numberJudge(findAnswer, USUAL));
}

const readRows = (text: string): Row[] =>
  text
    .trim()
    .split("\n")
    .map((line, i) => ({ ...JSON.parse(line), line: i + 1 }));
