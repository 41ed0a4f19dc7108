/** Row gather in float64: the embedding look-up, and the choice of the rows to predict from. */

/** out[m] = scale table[index[m]], rows of width d */
export function gatherForward(
  table: Float64Array,
  index: Uint32Array,
  d: number,
  scale = 1,
): Float64Array {
  const out = new Float64Array(index.length * d);
  index.forEach((row, m) => {
    for (let i = 0; i < d; i++) out[m * d + i] = scale * table[row * d + i];
  });
  return out;
}

/** dTable[u] = initial[u] + scale times the sum of dOut[m] over the m with index[m] = u; `initial` is [rows, d] */
export function gatherBackward(
  dOut: Float64Array,
  index: Uint32Array,
  d: number,
  initial: Float64Array,
  scale = 1,
): Float64Array {
  const dTable = initial.slice();
  index.forEach((row, m) => {
    for (let i = 0; i < d; i++) dTable[row * d + i] += scale * dOut[m * d + i];
  });
  return dTable;
}
