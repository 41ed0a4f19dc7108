/**
 * Random numbers for data: which question comes next, which slip a generated text makes.
 *
 * Everything is derived from a list of integers (the key), so a place in a stream can be named
 * (`new Random(seed, epoch)`) instead of remembered, and a resumed run needs no generator state.
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): 32-bit integer arithmetic only, hence
 * the same numbers on every platform.
 */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** `key`: integers below 2^53 in magnitude; different keys give unrelated streams. */
  constructor(...key: number[]) {
    let state = key.length;
    const absorb = (word: number) => {
      state = (mix(state ^ word) + 0x9e3779b9) | 0;
      this.#a = mix(this.#a ^ state);
      this.#b = mix(this.#b + Math.imul(state, 0x9e3779b1));
      this.#c = mix(this.#c ^ Math.imul(state, 0x85ebca77));
    };
    for (const k of key) {
      absorb(k | 0);
      absorb(Math.floor(k / 0x1_0000_0000) | 0);
    }
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1), a multiple of 2^-32. */
  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** An integer in [0, n), every one equally likely; n is at most 2^32. */
  int(n: number): number {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n);
    for (;;) {
      const u = this.uint32();
      if (u < limit) return u % n;
    }
  }

  /** True with probability p. */
  chance(p: number): boolean {
    return this.float() < p;
  }

  /** A number from the standard normal distribution (Box and Muller 1958). */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** One element of a non-empty array. */
  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)] as T;
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<Items extends unknown[] | Uint32Array>(items: Items): Items {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}

/** The order in which pass number `epoch` (from 0) over n questions visits them. */
export function questionOrder(seed: number, epoch: number, n: number): Uint32Array {
  return new Random(seed, epoch).shuffle(Uint32Array.from({ length: n }, (_, i) => i));
}

/** The latest order: step after step asks for the same one, and a million questions take a while to shuffle. */
let latest: { name: string; order: Uint32Array } = { name: "", order: new Uint32Array() };

/**
 * The questions of draws first, first + 1, ..., first + count - 1 of a run over n questions: one
 * shuffled pass after another. It depends on the arguments alone, so a run that resumes at draw
 * `first` continues as if it had never stopped.
 */
export function drawQuestions(seed: number, first: number, count: number, n: number): number[] {
  const drawn: number[] = [];
  for (let draw = first; draw < first + count; draw++) {
    const epoch = Math.floor(draw / n);
    const name = `${seed} ${epoch} ${n}`;
    if (latest.name !== name) latest = { name, order: questionOrder(seed, epoch, n) };
    drawn.push(latest.order[draw % n]);
  }
  return drawn;
}

/** The 32-bit finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
