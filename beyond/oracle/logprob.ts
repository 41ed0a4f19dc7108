/** Log-probability of the target and entropy of softmax(logits / temperature), in float64. */

export interface LogprobOutput {
  /** [M]: log p_target */
  logprobs: Float64Array;
  /** [M]: -sum_v p_v log p_v, in nats */
  entropies: Float64Array;
  /** [M]: log sum_v exp(l_v), with l = logits / temperature */
  lse: Float64Array;
}

/** lse = log sum_v exp(l_v);  logprob = l_target - lse;  entropy = lse - sum_v p_v l_v */
export function logprobForward(
  logits: Float64Array,
  targets: Uint32Array,
  temperature: number,
): LogprobOutput {
  const M = targets.length;
  const V = logits.length / M;
  const logprobs = new Float64Array(M);
  const entropies = new Float64Array(M);
  const lse = new Float64Array(M);
  for (let m = 0; m < M; m++) {
    const scaled = logits.subarray(m * V, (m + 1) * V).map((logit) => logit / temperature);
    const max = scaled.reduce((a, b) => Math.max(a, b));
    lse[m] = max + Math.log(scaled.reduce((sum, l) => sum + Math.exp(l - max), 0));
    logprobs[m] = scaled[targets[m]] - lse[m];
    // Taken as -sum p (l - lse), the same number without the cancellation.
    entropies[m] = scaled.reduce((sum, l) => sum - Math.exp(l - lse[m]) * (l - lse[m]), 0);
  }
  return { logprobs, entropies, lse };
}

/** dlogits[m,v] = dlogprob[m] (1[v = target] - p_v) / temperature */
export function logprobBackward(
  dLogprobs: Float64Array,
  logits: Float64Array,
  targets: Uint32Array,
  temperature: number,
): Float64Array {
  const M = targets.length;
  const V = logits.length / M;
  const { lse } = logprobForward(logits, targets, temperature);
  return logits.map((logit, i) => {
    const m = Math.floor(i / V);
    const p = Math.exp(logit / temperature - lse[m]);
    return (dLogprobs[m] * ((i % V === targets[m] ? 1 : 0) - p)) / temperature;
  });
}
