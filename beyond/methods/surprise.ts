/** -log pi(y_i | x) of each completion [n], in nats: how surprising it is, its end token included. */
export const surprises = (logprobs: readonly ArrayLike<number>[]): number[] =>
  logprobs.map((of) => {
    let sum = 0;
    for (let t = 0; t < of.length; t++) sum -= of[t];
    return sum;
  });
