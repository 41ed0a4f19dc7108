import { expect, test } from "bun:test";
import { adapterNotes, areMixed } from "../../beyond/cluster/adapters.ts";

const at = (node: string, name: string, { driver = "1", kind = "hardware" } = {}) => ({
  node,
  adapter: { name, driver, kind },
});

test("adapters of other names or drivers may round differently", () => {
  expect(areMixed([at("a", "one"), at("b", "one")])).toBe(false);
  expect(areMixed([at("a", "one"), at("b", "other")])).toBe(true);
  const newer = [at("a", "one"), at("b", "one", { driver: "2" })];
  expect(areMixed(newer)).toBe(true);
  expect(adapterNotes(newer)).toEqual([expect.stringContaining("may round differently")]);
});

test("workers of a machine whose GPUs have one name may share one; software is shared knowingly", () => {
  const [note, ...others] = adapterNotes([at("a", "one"), at("a", "one"), at("b", "one")]);
  expect(note).toContain("several workers have one on node a");
  expect(others).toEqual([]);
  const software = { kind: "software" };
  expect(adapterNotes([at("a", "one", software), at("a", "one", software)])).toEqual([]);
});
