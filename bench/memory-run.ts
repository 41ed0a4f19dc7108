// A training run with the arguments of `train` that follow: prints what it allocated on the device, bytes by
// part, and the largest resident memory of this process, which is why it is a process of its own.
//   node scripts/bun.js bench/memory-run.ts examples/arithmetic.jsonl --max-steps 3
import { existsSync, readFileSync } from "node:fs";
import { timedTraining } from "./stopwatch.ts";

/** Linux hands maxRSS down from the process that started this one; VmHWM, in KiB, is its own. */
function largestResident(): number {
  const status = "/proc/self/status";
  const own = existsSync(status) && /VmHWM:\s*(\d+)/.exec(readFileSync(status, "utf8"));
  return 1024 * (own ? Number(own[1]) : process.resourceUsage().maxRSS);
}

const { allocated } = await timedTraining(process.argv.slice(2));
const resident = largestResident();
console.log(JSON.stringify({ allocated: Object.fromEntries(allocated), resident }));
