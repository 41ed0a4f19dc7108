/** A sample of `npm run faults`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Random } from "../../lib/random.ts";
import { Program } from "../executable/program.ts";
import { fuzz } from "./fuzz.ts";
import { killed, type Reference, undisturbed } from "./kills.ts";
import { PARSERS } from "./parsers.ts";

test.each(PARSERS)(
  "$name: what is damaged is taken or refused, and nothing else",
  async ({ name }) => {
    const { wrong, taken, refused, givenUp, inputs } = await fuzz(name, 1, 30);
    expect(wrong).toEqual([]);
    expect(taken + refused + givenUp).toBe(inputs);
  },
);

let program: Program;
let reference: Reference;
beforeAll(async () => {
  program = await Program.build();
  reference = await undisturbed(program);
});
afterAll(() => program?.remove());

test.each([1, 2])("a run that is killed now and then ends as one that is not (%i)", async (n) => {
  expect(await killed(reference, new Random(n), n)).toMatchObject({ wrong: null });
});
