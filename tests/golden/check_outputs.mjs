// Opens the GGUF files that outputs.ts exported in llama.cpp, and compares tokens and greedy continuations:
//   npm install --prefix FOLDER --ignore-scripts node-llama-cpp@3.22.1
//   node FOLDER/check_outputs.mjs FOLDER
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getLlama } from "node-llama-cpp";

const [folder] = process.argv.slice(2);
// its threads wait for each other by spinning, which takes minutes on a busy machine
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: 1 });
// it rounds activations as it does weights, so that as close a race may end otherwise
const TIES = { f16: 2e-3, q8_0: 1e-2 };
let checked = 0;
let failed = 0;
for (const name of readdirSync(folder).sort()) {
  const path = join(folder, name, "expected.json");
  if (!existsSync(path)) continue;
  const { sequences, texts, stops, greedy } = JSON.parse(readFileSync(path, "utf8"));
  // llama.cpp leaves out the normalisation that Qwen's tokenizers begin with
  const composed = texts.filter(([text]) => text === text.normalize("NFC"));
  for (const [type, { tokens, margins }] of Object.entries(greedy)) {
    const model = await llama.loadModel({ modelPath: join(folder, name, `${type}.gguf`) });
    const context = await model.createContext({ contextSize: 512 });
    const sequence = context.getSequence();
    let same = 0;
    let ties = 0;
    for (const [i, prompt] of sequences.entries()) {
      const found = [];
      await sequence.clearHistory();
      for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
        if (found.push(token) >= tokens[i].length) break;
      }
      // the end token is not given
      const at = tokens[i].findIndex(
        (token, t) => token !== (found[t] ?? stops.find((id) => id === token)),
      );
      if (at < 0) same++;
      else {
        const margin = margins[i][at];
        console.log(
          `  ${name} ${type}: differs at token ${at + 1}, margin ${margin.toExponential(1)}`,
        );
        if (margin < TIES[type]) ties++;
      }
    }
    const alike = composed.filter(
      ([text, ids]) => String(model.tokenize(text, true)) === String(ids),
    );
    console.log(
      `${name} ${type}: ${same} of ${sequences.length} continuations and the tokens of ` +
        `${alike.length} of ${composed.length} texts are the same`,
    );
    checked++;
    if (same + ties < sequences.length || alike.length < composed.length) failed++;
    await model.dispose();
  }
}
process.exit(failed > 0 || checked === 0 ? 1 : 0);
