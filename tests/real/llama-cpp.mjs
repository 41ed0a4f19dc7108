// Greedy text of llama.cpp on an exported file, beside that of rlexplore; TYPE is one of export's:
//   rlexplore export $RLEXPLORE_SMOLLM2 --gguf /tmp/smollm2-TYPE.gguf --type TYPE
//   rlexplore sample "What is the capital of France?" ... --model /tmp/smollm2-TYPE.gguf \
//     --top-k 1 --max-completion-length 24 --json > /tmp/TYPE.jsonl         (questions of smollm2.json)
//   npm install --prefix /tmp/llama-cpp --ignore-scripts node-llama-cpp@3.22.1
//   cp tests/real/llama-cpp.mjs tests/real/smollm2.json /tmp/llama-cpp
//   node /tmp/llama-cpp/llama-cpp.mjs /tmp/smollm2-TYPE.gguf /tmp/TYPE.jsonl
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const [path, completions] = process.argv.slice(2);
const { cases } = JSON.parse(readFileSync(new URL("smollm2.json", import.meta.url), "utf8"));
const prompts = new Map(cases.map(({ question, prompt }) => [question, prompt]));
const ours = readFileSync(completions, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
// its threads wait for each other by spinning, which takes minutes on a busy machine
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: 1 });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 512 });
const sequence = context.getSequence();
let same = 0;
let agreed = 0;
let judged = 0;
let worst = 0;
for (const { question, completion } of ours) {
  const prompt = prompts.get(question);
  const tokens = model.tokenize(model.detokenize(prompt, true), true);
  if (String(tokens) !== String(prompt)) console.log(`${question}: the prompt has other tokens`);
  await sequence.clearHistory();
  const found = [];
  // the end token is not given
  for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
    if (found.push(token) === 24) break;
  }
  const text = model.detokenize(found);
  if (text === completion) same++;
  else console.log(`${question}: ${JSON.stringify(text)} instead of ${JSON.stringify(completion)}`);
  // and token by token along our text: how far is ours behind its own choice?
  // a text that was cut off within a character cannot be read back to its end
  const wanted = model.tokenize(completion.replace(/\uFFFD.*$/s, ""));
  await sequence.clearHistory();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const inputs = [prompt.at(-1), ...wanted.slice(0, -1)].map((token, i) => {
    const filter = { tokens: [wanted[i]], includeTop: 1 };
    return [token, { generateNext: { logits: { filter } } }];
  });
  for (const [i, { next }] of (await sequence.controlledEvaluate(inputs)).entries()) {
    const gap = Math.max(...next.logits.values()) - next.logits.get(wanted[i]);
    judged++;
    if (gap === 0) agreed++;
    worst = Math.max(worst, gap);
  }
}
console.log(
  `${same} of ${ours.length} texts are the same; along our texts ${agreed} of ${judged} tokens are its choice ` +
    `too, the others at most ${worst.toFixed(2)} behind in logits`,
);
process.exit(0);
