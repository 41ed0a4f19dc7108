import { expect, test } from "bun:test";
import { freePlaces, leftOut, type Node } from "../../beyond/cluster/places.ts";

const node = (id: string, gpus = 0): Node => ({ id, gpus, isHere: id === "a" });
const names = (...given: Parameters<typeof freePlaces>) =>
  freePlaces(...given).map((place) => place.node);

test("one worker a GPU, on the nodes that have any, in turns", () => {
  const nodes = [node("a"), node("b", 2), node("c", 1)];
  expect(names(nodes, [], null)).toEqual(["b", "c", "b"]);
  expect(freePlaces(nodes, [], null).every(({ gpu }) => gpu)).toBe(true);
  expect(names(nodes, [], 2)).toEqual(["b", "c"]);
});

test("machines that Ray counts no GPU of are named where others have some", () => {
  expect(leftOut([node("a"), node("b")])).toBeNull();
  expect(leftOut([node("a", 1), node("b", 1)])).toBeNull();
  expect(leftOut([node("a"), node("b", 1), node("c")])).toStartWith("2 of 3 machines have no GPU");
});

test("without GPUs one a node, or as many as asked for in turns", () => {
  const nodes = [node("a"), node("b")];
  expect(names(nodes, [], null)).toEqual(["a", "b"]);
  expect(names(nodes, [], 3)).toEqual(["a", "b", "a"]);
  expect(freePlaces(nodes, [], null)[0]).toEqual({ node: "a", gpu: false, isHere: true });
});

test("more workers than GPUs are refused at the start, and waited for later", () => {
  expect(() => freePlaces([node("a", 1)], [], 2)).toThrow("--workers 2: the cluster has 1 GPUs");
  expect(names([node("a", 1)], [], 2, false)).toEqual(["a"]);
});

test("places that are taken are not free; those of a node that came later are", () => {
  const [place] = freePlaces([node("a")], [], null);
  expect(names([node("a")], [place], null, false)).toEqual([]);
  expect(names([node("a"), node("b")], [place], null, false)).toEqual(["b"]);
  // a node that has gone leaves its place to another
  expect(names([node("b")], [], 1, false)).toEqual(["b"]);
});
