/**
 * Something the user typed or passed is wrong. The message is one line that names the fix;
 * `main.ts` prints it without a stack trace and exits with code 2.
 */
export class UserError extends Error {
  override name = "UserError";
}

/** The GPU failed: lost, out of memory, or it refused an operation, which the message names. */
export class GpuError extends Error {
  override name = "GpuError";
}

/** What must be a finite number was NaN or infinite: what the model said, what it learned from, or what became of it. */
export class NotFiniteError extends Error {
  override name = "NotFiniteError";

  constructor(readonly part: "logits" | "loss" | "weights") {
    super(`${NOT_FINITE[part]} not finite numbers`);
  }
}

const NOT_FINITE = {
  logits: "the model's logits are",
  loss: "the loss or its gradient are",
  weights: "the model's weights are",
};
