import type { Method } from "./methods.ts";
import type { ReportedRun } from "./runs.ts";
import type { Ink } from "./theme.ts";

export interface ReportOptions {
  /** Questions to map, instead of those that tell most. */
  questions: readonly string[] | null;
  /** The right answers by question, where they are known. */
  gold: ReadonlyMap<string, string>;
  /** Is given every chart: its name and SVG. */
  onChart?: (id: string, svg: string) => void;
}

/** What a section is made from. */
export interface Material {
  runs: readonly ReportedRun[];
  methods: readonly Method[];
  inks: ReadonlyMap<string, Ink>;
  options: ReportOptions;
}
