import { expect, test } from "bun:test";
import { Origins, requireSameOrigins } from "../../beyond/runs/origins.ts";

const begun = Origins.parse({ data: "d", rows: 1, model: "m", own: { "/a/one.ts": "1" } });

/** What is said where a run goes on with this code. */
function saidOf(own: Record<string, string>): string[] {
  const said: string[] = [];
  const named = { data: "data.jsonl", model: "model" };
  requireSameOrigins(begun, { ...begun, own }, named, (text) => said.push(text));
  return said;
}

test("own code is the same wherever it lies and whatever its file is called", () => {
  expect(saidOf({ "/a/one.ts": "1" })).toEqual([]);
  expect(saidOf({ "/b/two.ts": "1" })).toEqual([]);
  expect(saidOf({ "/b/one.ts": "2" })).toEqual([
    expect.stringContaining("/b/one.ts was changed since this run began"),
  ]);
  expect(saidOf({ "/b/two.ts": "2" })).toEqual([
    expect.stringContaining("/b/two.ts may have changed"),
  ]);
});
