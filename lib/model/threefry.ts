/**
 * Threefry-2x32-20 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a keyed
 * function of a counter, so any number can be had without the ones before it. shaders/sample.wgsl has
 * the same on the GPU.
 */
export function threefry2x32(
  [k0, k1]: readonly [number, number],
  [c0, c1]: readonly [number, number],
): [number, number] {
  const keys = [k0, k1, k0 ^ k1 ^ 0x1bd11bda];
  const rotations = [
    [13, 15, 26, 6],
    [17, 29, 16, 24],
  ];
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  for (let block = 0; block < 5; block++) {
    for (const r of rotations[block & 1]) {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0;
    }
    x0 = (x0 + keys[(block + 1) % 3]) | 0;
    x1 = (x1 + keys[(block + 2) % 3] + block + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}
