import { NotFiniteError, UserError } from "../../lib/errors.ts";
import type { Dtype } from "../storage/precision.ts";

const F16 = "use --dtype f32: f16 ends at 65,504";

/** Where numbers stopped being finite. */
export interface Circumstances {
  dtype: Dtype;
  /** Updates of the weights before that. */
  updates?: number;
  /** When, and what of a run is left. */
  when?: string;
  kept?: string;
}

/** What the user can do about numbers that are not finite, as a `UserError`; any other error as it is. */
export function explainNotFinite(
  error: unknown,
  { dtype, updates = 0, when, kept }: Circumstances,
): unknown {
  if (!(error instanceof NotFiniteError)) return error;
  const { message, part } = error;
  const what = `${when ? `${when}: ` : ""}${message}`;
  return new UserError(`${what}; ${remedy(part, dtype, updates)}${kept ? ` (${kept})` : ""}`);
}

/** Weights are read finite, so that before the first update it is the range of f16, or what is asked of f32. */
function remedy(part: NotFiniteError["part"], dtype: Dtype, updates: number): string {
  const learned = updates > 0 ? "lower --learning-rate" : "";
  if (dtype === "f16") return [learned, F16].filter(Boolean).join(", or ");
  if (learned) return learned;
  if (part === "loss") return "lower the weights of --reward, --explore-coef or --beta";
  return "its weights are too large for float32: get the model again, or another one";
}
