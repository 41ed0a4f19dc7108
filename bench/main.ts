// Measures rlexplore on this machine. Nothing here is a test: figures depend on the machine.
//   npm run bench                       the quick parts: about two minutes on lavapipe
//   npm run bench -- kernels peers      these parts; "peers" is all of peers-matmul, peers-attention, ...
//   npm run bench -- all                every part
//   npm run bench -- --json             and bench/results/<date>-<adapter>.json
//   npm run bench -- --gpu <name>       on this adapter
//   npm run bench -- step --model <m>   with this model beside the embedded one, as --model of train names it
import { parseArgs } from "node:util";
import { EMBEDDED } from "../beyond/settings/shared.ts";
import { UserError } from "../lib/errors.ts";
import { ceilingPart } from "./ceilings.ts";
import { clusterPart } from "./cluster.ts";
import { Bench, type Part } from "./harness.ts";
import { cubePart } from "./kernels/cubes.ts";
import { kernelPart } from "./kernels/part.ts";
import { learningPart } from "./learning.ts";
import { longAnswersPart } from "./long-answers.ts";
import { longRunPart } from "./long-run.ts";
import { matmulPart } from "./matmul.ts";
import { memoryPart } from "./memory.ts";
import { peerAttentionPart, peerLayerPart, peerMatmulPart } from "./peers/peers.ts";
import { playgroundPart } from "./playground.ts";
import { playgroundLongPart } from "./playground-long.ts";
import { prefixPart } from "./prefix.ts";
import { programPart } from "./program.ts";
import { runtimesPart } from "./runtimes.ts";
import { samplingPart } from "./sampling.ts";
import { EMBEDDED_SHAPE, LLAMA_SHAPE, QWEN_SHAPE, SMOLLM2_SHAPE } from "./shapes.ts";
import { sizesPart } from "./sizes.ts";
import { speculativePart, speculativeRunPart } from "./speculative.ts";
import { streamPart } from "./stream.ts";
import { stepPart } from "./training.ts";
import { trlPart } from "./trl.ts";

const PARTS: Readonly<Record<string, Part>> = {
  ceilings: ceilingPart,
  "kernels-cubes": cubePart,
  "kernels-embedded": kernelPart(EMBEDDED_SHAPE, true),
  "kernels-smollm2": kernelPart(SMOLLM2_SHAPE),
  "kernels-qwen": kernelPart(QWEN_SHAPE),
  "kernels-llama": kernelPart(LLAMA_SHAPE),
  matmul: matmulPart,
  "peers-matmul": peerMatmulPart,
  "peers-attention": peerAttentionPart,
  "peers-layer": peerLayerPart,
  step: stepPart,
  stream: streamPart,
  sampling: samplingPart,
  "speculative-run-8": speculativeRunPart(8),
  "speculative-run-32": speculativeRunPart(32),
  "speculative-run-128": speculativeRunPart(128),
  "speculative-smollm2": speculativePart("random-135M"),
  "speculative-qwen": speculativePart("random-494M"),
  learning: learningPart,
  sizes: sizesPart,
  prefix: prefixPart,
  memory: memoryPart,
  trl: trlPart,
  long: longRunPart,
  cluster: clusterPart,
  "long-answers": longAnswersPart,
  program: programPart,
  runtimes: runtimesPart,
  "playground-race": playgroundPart,
  "playground-long": playgroundLongPart,
};

function chooseParts(names: string[]): [string, Part][] {
  const parts = Object.entries(PARTS);
  if (names.length === 0) return parts.filter(([, { quick }]) => quick);
  if (names.includes("all")) return parts;
  return names.flatMap((name) => {
    const chosen = parts.filter(([part]) => part === name || part.startsWith(`${name}-`));
    if (chosen.length > 0) return chosen;
    const list = parts.map(([part, { about }]) => `  ${part.padEnd(17)}${about}`);
    throw new UserError(`no part is called "${name}"; there are "all" and\n${list.join("\n")}`);
  });
}

try {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: "boolean" },
      gpu: { type: "string" },
      model: { type: "string", multiple: true, default: [] },
    },
    allowPositionals: true,
  });
  const parts = chooseParts(positionals);
  const bench = await Bench.open(values.gpu, [EMBEDDED, ...values.model]);
  let written = "";
  for (const [name, part] of parts) {
    await bench.runPart(name, part);
    if (values.json) written = bench.writeResults(); // a part that fails takes no other with it
  }
  if (written) console.log(`\nwrote ${written}`);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
