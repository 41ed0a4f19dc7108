// Writes the questions of the built-in task, examples/arithmetic*.jsonl, anew from its seed.
import { writeFileSync } from "node:fs";
import { exampleRows, toJsonLines } from "../beyond/tasks/tasks.ts";

const { train, test, validation } = exampleRows();
writeFileSync("examples/arithmetic.jsonl", toJsonLines(train));
writeFileSync("examples/arithmetic-test.jsonl", toJsonLines(test));
writeFileSync("examples/arithmetic-validation.jsonl", toJsonLines(validation));
