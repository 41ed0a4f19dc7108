// Greedy text of llama.cpp on an exported file, beside that of transformers in smollm2.json:
//   rlexplore export $RLEXPLORE_SMOLLM2 --gguf /tmp/smollm2-f16.gguf
//   npm install --prefix /tmp/llama-cpp --ignore-scripts node-llama-cpp@3
//   cp tests/real/llama-cpp.mjs tests/real/smollm2.json /tmp/llama-cpp
//   node /tmp/llama-cpp/llama-cpp.mjs /tmp/smollm2-f16.gguf 10
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const [path, count] = process.argv.slice(2);
const { cases } = JSON.parse(readFileSync(new URL("smollm2.json", import.meta.url), "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 512 });
const sequence = context.getSequence();
for (const { question, prompt, completion } of cases.slice(0, Number(count))) {
  const tokens = model.tokenize(model.detokenize(prompt, true), true);
  if (String(tokens) !== String(prompt)) console.log(`${question}: the prompt has other tokens`);
  await sequence.clearHistory();
  const found = [];
  // the end token is not given
  for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
    if (found.push(token) === 24) break;
  }
  const text = model.detokenize(found);
  const expected = model.detokenize(completion.filter((token) => token !== 2));
  console.log(`${question}: ${text === expected ? "same" : JSON.stringify([text, expected])}`);
}
process.exit(0);
