import { expect, test } from "bun:test";
import { TokenTree } from "../../beyond/speculation/token-tree.ts";

/** What a tree has behind a node, as texts of tokens. */
function textsIn(tree: TokenTree, node: number): string[] {
  const texts: string[] = [];
  for (let child = tree.first(node); child !== 0; child = tree.next(child)) {
    const rest = textsIn(tree, child);
    const token = `${tree.token(child)}`;
    texts.push(...(rest.length > 0 ? rest.map((text) => `${token} ${text}`) : [token]));
  }
  return texts;
}

function add(tree: TokenTree, root: number, tokens: readonly number[], logprob = -1): void {
  let node = root;
  for (const token of tokens) node = tree.grow(node, token, logprob);
}

test("beginnings are kept once, and the newest way on comes first", () => {
  const tree = new TokenTree();
  const [one, other] = [tree.root(), tree.root()];
  for (const tokens of [[5, 6, 7], [5, 6, 8], [5, 6, 7], [9]]) add(tree, one, tokens);
  add(tree, other, [5]);
  expect(textsIn(tree, one)).toEqual(["9", "5 6 8", "5 6 7"]);
  expect(textsIn(tree, other)).toEqual(["5"]);
  expect(tree.size).toBe(1 + 2 + 5 + 1);
  expect(tree.step(one, 6)).toBe(0);
});

test("a token is as likely as it was said to be last", () => {
  const tree = new TokenTree();
  const root = tree.root();
  add(tree, root, [0], -2);
  add(tree, root, [0], -3);
  expect(tree.logprob(tree.step(root, 0))).toBe(-3);
});

test("it grows as it has to, and a part of it can be taken: the shortest texts, then the newest", () => {
  const tree = new TokenTree();
  const root = tree.root();
  for (let i = 0; i < 5000; i++) add(tree, root, [i % 10, i]);
  expect(tree.size).toBe(1 + 1 + 10 + 5000);
  const kept = new TokenTree();
  const all = kept.take(tree, root, 1e9);
  expect(textsIn(kept, all)).toEqual(textsIn(tree, root));
  const few = new TokenTree();
  const part = few.take(tree, root, 13);
  expect(few.size).toBe(1 + 13);
  expect(textsIn(few, part)).toEqual([..."9 4999, 9 4989, 8, 7, 6, 5, 4, 3, 2, 1, 0".split(", ")]);
});
