// Writes examples/arithmetic.jsonl and examples/arithmetic-test.jsonl anew from the task's seed.
import { writeFileSync } from "node:fs";
import { exampleQuestions, toJsonLines } from "../lib/data/arithmetic.ts";

const { train, test } = exampleQuestions();
writeFileSync("examples/arithmetic.jsonl", toJsonLines(train));
writeFileSync("examples/arithmetic-test.jsonl", toJsonLines(test));
