import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";

/**
 * Which block of a cache holds which cache rows. Rows are numbered as if each had memory of its own; those that are held
 * have it, BLOCK_ROWS at a time, wherever a block was free, and `moved` says where, as shaders/moved.wgsl reads it.
 */
export class Pages {
  readonly moved: Uint32Array;
  /** Of each block of row numbers the block of the cache, or NONE. */
  private readonly places: Int32Array;
  private readonly isTaken: Uint8Array;
  private unused = 0;
  /** The blocks between which `moved` has changed since that was asked for. */
  private first = Number.POSITIVE_INFINITY;
  private end = 0;

  /**
   * @param numbered blocks of row numbers
   * @param blocks those that the cache has
   */
  constructor(
    numbered: number,
    readonly blocks: number,
  ) {
    this.moved = new Uint32Array(numbered);
    this.places = new Int32Array(numbered);
    this.isTaken = new Uint8Array(blocks);
    this.dropAll();
  }

  get free(): number {
    return this.unused;
  }

  dropAll(): void {
    this.places.fill(NONE);
    this.isTaken.fill(0);
    this.unused = this.blocks;
  }

  /** How many blocks rows `from` to before `to` lack. */
  lacking(from: number, to: number): number {
    let count = 0;
    for (let block = blockOf(from); block < endOf(to); block++) {
      if (this.places[block] === NONE) count++;
    }
    return count;
  }

  /**
   * Gives these rows the blocks that they lack.
   * @param spare blocks that are left free
   * @returns whether there were enough; if not, none is given
   */
  hold(from: number, to: number, spare = 0): boolean {
    const lacking = this.lacking(from, to);
    if (lacking === 0) return true;
    if (lacking + spare > this.free) return false;
    for (let block = blockOf(from); block < endOf(to); block++) {
      if (this.places[block] !== NONE) continue;
      const place = this.take(block);
      this.places[block] = place;
      this.moved[block] = (place - block) * BLOCK_ROWS;
      this.first = Math.min(this.first, block);
      this.end = Math.max(this.end, block + 1);
    }
    return true;
  }

  /** Behind the block before it if that is free, since caches of processors like it so; first ones are spread out. */
  private take(block: number): number {
    const before = this.places[block - 1] ?? NONE;
    let place =
      before === NONE ? Math.floor((block / this.places.length) * this.blocks) : before + 1;
    while (this.isTaken[place % this.blocks]) place++;
    place %= this.blocks;
    this.isTaken[place] = 1;
    this.unused--;
    return place;
  }

  /** Takes their blocks from these rows; of a block, all rows are one owner's. */
  drop(from: number, to: number): void {
    for (let block = blockOf(from); block < endOf(to); block++) {
      if (this.places[block] === NONE) continue;
      this.isTaken[this.places[block]] = 0;
      this.unused++;
      this.places[block] = NONE;
    }
  }

  /** Where `moved` has changed since this was called last, if it has. */
  takeChanged(): { first: number; count: number } | undefined {
    const { first, end } = this;
    this.first = Number.POSITIVE_INFINITY;
    this.end = 0;
    return end > 0 ? { first, count: end - first } : undefined;
  }
}

const NONE = -1;

const blockOf = (row: number) => Math.floor(row / BLOCK_ROWS);
const endOf = (to: number) => Math.ceil(to / BLOCK_ROWS);
