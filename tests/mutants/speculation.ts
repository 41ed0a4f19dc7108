import type { Mutants } from "./mutant.ts";

/** Mistakes in what is beyond the core and yet promises its bits: guesses that are checked. */
export const speculationMutants: readonly Mutants[] = [
  {
    file: "beyond/speculation/speculative-sampler.ts",
    tests: ["tests/speculation/speculative-sampler.test.ts"],
    mistakes: [
      ["guesses are believed", "&& tokens[at] === guess.tokens[ahead]", ""],
      [
        "one token too many is accepted",
        "agrees && !row.isOver; ahead++",
        "(agrees || ahead === 1) && !row.isOver; ahead++",
      ],
      [
        "guessed tokens are drawn by another completion's noise",
        "places.push({ ...row,",
        "places.push({ ...row, sample: row.sample + ahead,",
      ],
      [
        "all guessed tokens are drawn, and stand, at the first one's place",
        "drawn: row.drawn + ahead });",
        "drawn: row.drawn + Math.min(ahead, 1) });",
      ],
      [
        "a guess is run one place late",
        "guesses[i].tokens[ahead - 1]",
        "guesses[i].tokens[ahead] ?? 0",
      ],
      ["keys of wrong guesses stay", "row.drawn += ahead;", "row.drawn += count + 1;"],
      ["a row that is over keeps its place", "if (row.isOver) this.state.giveBack(row);", ""],
    ],
  },
  {
    file: "beyond/scheduling/pipelined-sampler.ts",
    tests: ["tests/speculation/speculative-sampler.test.ts"],
    mistakes: [
      [
        "the GPU is not told what was accepted last",
        "if (rows.length > 0) this.gpu.upload(this.pipeline.lastTokens, this.lasts, 0, rows.length);",
        "",
      ],
      [
        "rows that were decoded ahead are guessed for as they were",
        "for (const looks of this.ahead.splice(0)) await this.lookAt(looks, settings);",
        "",
      ],
    ],
  },
  {
    file: "beyond/speculation/race.ts",
    tests: ["tests/speculation/race.test.ts"],
    mistakes: [
      ["the noise of another place", "[sample, position]", "[sample, position + 1]"],
      ["the noise of a token's neighbour", "[token & 1]", "[1 - (token & 1)]"],
      ["the likeliest is foreseen, whatever the noise", "greedy ? 1 :", "true ? 1 :"],
    ],
  },
];
