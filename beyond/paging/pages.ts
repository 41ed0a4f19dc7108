import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";

/**
 * Which block of a cache holds which cache rows. Rows are numbered as if each had memory of its own; those that are held
 * have it, BLOCK_ROWS at a time, wherever a block was free, and `moved` says where, as shaders/moved.wgsl reads it.
 */
export class Pages {
  readonly moved: Uint32Array;
  /** Of each block of row numbers the block of the cache, or NONE. */
  private readonly places: Int32Array;
  private readonly unused: number[] = [];
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
    this.dropAll();
  }

  get free(): number {
    return this.unused.length;
  }

  dropAll(): void {
    this.places.fill(NONE);
    this.unused.length = 0;
    for (let block = this.blocks - 1; block >= 0; block--) this.unused.push(block);
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
      const place = this.unused.pop() as number;
      this.places[block] = place;
      this.moved[block] = (place - block) * BLOCK_ROWS;
      this.first = Math.min(this.first, block);
      this.end = Math.max(this.end, block + 1);
    }
    return true;
  }

  /** Takes their blocks from these rows; of a block, all rows are one owner's. */
  drop(from: number, to: number): void {
    for (let block = blockOf(from); block < endOf(to); block++) {
      if (this.places[block] !== NONE) this.unused.push(this.places[block]);
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
