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

/** A loss or its gradient was NaN or infinite in this step of training. */
export class NotFiniteError extends Error {
  override name = "NotFiniteError";

  constructor(readonly step: number) {
    super(`step ${step}: the loss or its gradient is not a finite number`);
  }
}
