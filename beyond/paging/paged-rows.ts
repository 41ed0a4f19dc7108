import type { Gpu } from "../../lib/gpu/device.ts";
import { view } from "../../lib/gpu/memory.ts";
import type { GenerationSettings } from "../../lib/model/completion.ts";
import { BLOCK_ROWS } from "../../lib/model/ops/heads.ts";
import {
  type CachedPrompt,
  type Entry,
  type Row,
  RowState,
  type Waiting,
} from "../../lib/model/row-state.ts";
import type { SamplerMemory } from "../../lib/model/sampler-memory.ts";
import type { TakenBack } from "./compute-again.ts";
import { Pages } from "./pages.ts";

/**
 * Rows that get memory for keys and values as they grow, out of fewer blocks than all of them need at their longest.
 * Where none is free, prompts that nobody reads at the moment lose theirs first, then the row that came last: it is put
 * aside, and what it had is computed again once there is room. Keys depend on tokens alone, so no bit does on all that;
 * and whoever came first always goes on, if there are blocks for one.
 */
export class PagedRows<R extends Row> extends RowState {
  private readonly pages = new Pages(
    this.memory.moved.length,
    this.memory.sizes.cacheBlocks as number,
  );
  /** Prompts that have blocks, and how many rows read each at the moment. */
  private readonly readers = new Map<CachedPrompt, number>();
  /** Rows that were put aside, in the order in which they came: while there are any, nobody else is let in. */
  private readonly aside: R[] = [];

  constructor(gpu: Gpu, memory: SamplerMemory) {
    super(gpu, memory);
    const { tokensPerSlot, tokensPerRow } = memory;
    if (this.pages.blocks * BLOCK_ROWS < tokensPerSlot + tokensPerRow) {
      throw new RangeError("the cache does not hold one completion");
    }
  }

  /** Blocks that nobody has. */
  get free(): number {
    return this.pages.free;
  }

  override freeAll(): void {
    super.freeAll();
    this.pages.dropAll();
    this.readers.clear();
    this.aside.length = 0;
  }

  /** Rows that run. Each may soon need another block, which whoever could do without leaves it. */
  private get running(): number {
    return this.memory.sizes.rows - this.freeCacheRows.length - this.aside.length;
  }

  override hold(from: number, to: number): boolean {
    return this.pages.hold(from, to, this.running);
  }

  override admit(waiting: Waiting[], settings: GenerationSettings): Entry {
    if (this.aside.length > 0) return { rows: [], parts: [] };
    if (waiting.length > 0 && this.freeCacheRows.length > 0) this.makeWayFor(waiting[0]);
    const entry = super.admit(waiting, settings);
    for (const { prompt } of entry.parts) this.count(prompt, 0);
    for (const { prompt } of entry.rows) this.count(prompt, 1);
    return entry;
  }

  /** Prompts that nobody reads make way for those that somebody is going to. */
  private makeWayFor({ request, group: { prompt } }: Waiting): void {
    const tokens = request.prompt.length - (prompt?.computed ?? 0);
    const needed = Math.ceil(tokens / BLOCK_ROWS) + 1 + this.running;
    while (this.free < needed && this.dropIdle(prompt));
  }

  override giveBack(row: Row): void {
    super.giveBack(row);
    this.leave(row);
    if (row.prompt.readers === 0) this.dropPrompt(row.prompt);
  }

  /** Gives rows blocks for so many tokens more, as far as there are any. @returns whether there were for all of them */
  grow(rows: readonly Row[], tokens: number): boolean {
    return rows.every(({ cacheRow, drawn }) => {
      const last = cacheRow + drawn - 1; // drawn, but not run through the model
      return this.pages.hold(last, last + tokens);
    });
  }

  /** The same, but rows are put aside until there are blocks for the others. @returns these */
  growSome(rows: readonly R[], tokens: number): R[] {
    const going = [...rows];
    while (!this.grow(going, tokens)) if (!this.dropIdle()) this.putAside(going.pop() as R);
    return going;
  }

  /** Lets the first of those come back that were put aside, if there is room for what it had. */
  takeBack(): TakenBack<R> | undefined {
    if (this.aside.length === 0) return undefined;
    const [row] = this.aside;
    const { prompt, cacheRow, drawn } = row;
    const start = this.startOf(prompt);
    const end = start + prompt.request.prompt.length;
    const needed = this.pages.lacking(start, end) + this.pages.lacking(cacheRow, cacheRow + drawn);
    while (this.free < needed + this.running) if (!this.dropIdle(prompt)) return undefined;
    this.pages.hold(start, end);
    this.pages.hold(cacheRow, cacheRow + drawn);
    const from = prompt.computed;
    prompt.computed = prompt.request.prompt.length;
    this.count(prompt, 1);
    this.aside.shift();
    return { row, from };
  }

  /** Tells the GPU where blocks lie, if that has changed. */
  uploadMoved(): void {
    const changed = this.pages.takeChanged();
    if (!changed) return;
    const { first, count } = changed;
    const part = view(this.memory.moved, "moved", first, count);
    this.gpu.upload(part, this.pages.moved, first, count);
  }

  override upload(...given: Parameters<RowState["upload"]>): void {
    this.uploadMoved();
    super.upload(...given);
  }

  private putAside(row: R): void {
    this.leave(row);
    this.aside.unshift(row);
  }

  private leave({ cacheRow, prompt }: Row): void {
    this.pages.drop(cacheRow, cacheRow + this.memory.tokensPerRow);
    this.count(prompt, -1);
  }

  private count(prompt: CachedPrompt, rows: number): void {
    this.readers.set(prompt, (this.readers.get(prompt) ?? 0) + rows);
  }

  /** Takes its blocks from a prompt, other than this one, that no row reads at the moment. @returns whether there was any */
  private dropIdle(needed?: CachedPrompt): boolean {
    for (const [prompt, rows] of this.readers) {
      if (rows > 0 || prompt === needed) continue;
      prompt.computed = 0;
      this.dropPrompt(prompt);
      return true;
    }
    return false;
  }

  private dropPrompt(prompt: CachedPrompt): void {
    const start = this.startOf(prompt);
    this.pages.drop(start, start + this.memory.tokensPerSlot);
    this.readers.delete(prompt);
  }
}
