const FIRST_NODES = 1 << 12;

/**
 * Sequences of tokens that begin alike, each beginning kept once. A node is a number and stands for all tokens on the
 * way to it from its root; 0 is none. Each knows how likely its token last was after those.
 */
export class TokenTree {
  private tokens = new Int32Array(FIRST_NODES);
  private logprobs = new Float32Array(FIRST_NODES);
  private firstChild = new Int32Array(FIRST_NODES);
  private nextSibling = new Int32Array(FIRST_NODES);
  /** Nodes, with the one that is none. */
  size = 1;

  /** A node that no other leads to. */
  root(): number {
    return this.make(-1, 0);
  }

  /** Where `token` leads from a node; 0 if it never came. */
  step(node: number, token: number): number {
    let child = this.firstChild[node];
    while (child !== 0 && this.tokens[child] !== token) child = this.nextSibling[child];
    return child;
  }

  /** The same, made if it never came. From now on the token is as likely there as it is said to be. */
  grow(node: number, token: number, logprob: number): number {
    let child = this.step(node, token);
    if (child === 0) {
      child = this.make(token, logprob);
      this.nextSibling[child] = this.firstChild[node];
      this.firstChild[node] = child;
    }
    this.logprobs[child] = logprob;
    return child;
  }

  /** The node of a token that came after `node`, the newest first, and with `next` the others; 0 after the last. */
  first = (node: number): number => this.firstChild[node];
  next = (child: number): number => this.nextSibling[child];
  token = (node: number): number => this.tokens[node];
  logprob = (node: number): number => this.logprobs[node];

  /** Puts what begins with a node of another tree into this one, `most` nodes of it, the shortest first. @returns its root */
  take(other: TokenTree, root: number, most: number): number {
    const copies: [from: number, to: number][] = [[root, this.root()]];
    for (const [from, to] of copies) {
      const children: number[] = [];
      for (let child = other.first(from); child !== 0; child = other.next(child))
        children.push(child);
      // what is added last comes first
      const taken = children.slice(0, Math.max(0, most - copies.length)).reverse();
      const made = taken.map((child): [number, number] => {
        return [child, this.grow(to, other.token(child), other.logprob(child))];
      });
      copies.push(...made.reverse());
    }
    return copies[0][1];
  }

  private make(token: number, logprob: number): number {
    if (this.size === this.tokens.length) {
      this.tokens = larger(this.tokens, Int32Array);
      this.logprobs = larger(this.logprobs, Float32Array);
      this.firstChild = larger(this.firstChild, Int32Array);
      this.nextSibling = larger(this.nextSibling, Int32Array);
    }
    this.tokens[this.size] = token;
    this.logprobs[this.size] = logprob;
    return this.size++;
  }
}

function larger<T extends Int32Array | Float32Array>(array: T, Kind: new (length: number) => T): T {
  const twice = new Kind(2 * array.length);
  twice.set(array);
  return twice;
}
