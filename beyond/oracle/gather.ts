/** Row gather in float64: the embedding look-up, and the choice of the rows to predict from. */

/** out[m] = table[index[m]], rows of width d */
export function gatherForward(table: Float64Array, index: Uint32Array, d: number): Float64Array {
  const out = new Float64Array(index.length * d);
  index.forEach((row, m) => {
    out.set(table.subarray(row * d, (row + 1) * d), m * d);
  });
  return out;
}

/** dTable[u] = initial[u] + sum of dOut[m] over the m with index[m] = u; `initial` is [rows, d] */
export function gatherBackward(
  dOut: Float64Array,
  index: Uint32Array,
  d: number,
  initial: Float64Array,
): Float64Array {
  const dTable = initial.slice();
  index.forEach((row, m) => {
    for (let i = 0; i < d; i++) dTable[row * d + i] += dOut[m * d + i];
  });
  return dTable;
}
