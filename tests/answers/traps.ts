/**
 * Random right answers of every kind, each with the same answer as somebody else would set it, and with traps:
 * answers beside it, in value, structure or kind. All of them:
 *   npm run traps [number of each, 200,000 by default] [seed]
 */
import { mathKey } from "../../beyond/answers/math/canonical.ts";
import { join } from "../../beyond/answers/math/known.ts";
import { Random } from "../../lib/random.ts";
import type { Make } from "./trap.ts";
import { CLOSED } from "./traps-closed.ts";
import { EXPRESSIONS } from "./traps-expressions.ts";
import { LISTS } from "./traps-lists.ts";
import { NUMBERS } from "./traps-numbers.ts";
import { WORDS } from "./traps-words.ts";

const KINDS: Record<string, Make> = { ...NUMBERS, ...CLOSED, ...EXPRESSIONS, ...LISTS, ...WORDS };

export interface Rates {
  traps: number;
  paid: string[];
  same: number;
  missed: string[];
}

function isEqual(gold: string, answer: string): boolean {
  const [key, other] = [mathKey(gold), mathKey(answer)];
  return key !== null && other !== null && join(other, [key]) === key;
}

/** Judges that many traps, and as many right answers; both by kind. */
export function tryTraps(count: number, seed: number): Map<string, Rates> {
  const random = new Random(seed);
  const rates = new Map<string, Rates>();
  const kinds = Object.entries(KINDS);
  const each = Math.ceil(count / kinds.length);
  for (const [kind, make] of kinds) {
    const rate: Rates = { traps: 0, paid: [], same: 0, missed: [] };
    rates.set(kind, rate);
    while (rate.traps < each || rate.same < each) {
      const { gold, equal, different } = make(random);
      if (rate.same < each) {
        const answer = random.chance(0.3)
          ? dressed(random, random.pick(equal))
          : random.pick(equal);
        rate.same++;
        if (!isEqual(gold, answer)) rate.missed.push(`${gold}  |  ${answer}`);
      }
      if (rate.traps < each) {
        const trap = random.pick(different);
        const answer = random.chance(0.3) ? dressed(random, trap) : trap;
        rate.traps++;
        if (isEqual(gold, answer)) rate.paid.push(`${gold}  |  ${answer}`);
      }
    }
  }
  return rates;
}

/** What is set around an answer does not change it. */
function dressed(random: Random, text: string): string {
  const dresses = [
    (t: string) => `$${t}$`,
    (t: string) => `\\(${t}\\)`,
    (t: string) => (t.endsWith(".") ? t : `${t}.`),
    (t: string) => ` ${t} `,
    (t: string) => `**${t}**`,
    (t: string) => `\\boxed{${t}}`,
  ];
  return random.pick(dresses)(text);
}

if (import.meta.main) {
  const [count = "200000", seed = "1"] = process.argv.slice(2);
  let [traps, paid, same, missed] = [0, 0, 0, 0];
  for (const [kind, rate] of tryTraps(Number(count), Number(seed))) {
    traps += rate.traps;
    paid += rate.paid.length;
    same += rate.same;
    missed += rate.missed.length;
    const share = (100 * (1 - rate.missed.length / rate.same)).toFixed(2);
    console.log(
      `${kind}: ${rate.paid.length} of ${rate.traps} traps paid, ${share} % of ${rate.same} found equal`,
    );
    for (const one of rate.paid.slice(0, 5)) console.log(`  paid: ${one}`);
    for (const one of rate.missed.slice(0, 5)) console.log(`  missed: ${one}`);
  }
  console.log(`${traps} traps: ${paid} paid`);
  console.log(`${same} re-typesettings: ${((100 * (same - missed)) / same).toFixed(2)} % equal`);
}
