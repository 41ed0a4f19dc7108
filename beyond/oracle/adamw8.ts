/**
 * AdamW with moments of 8 bits (Dettmers et al. 2021, arXiv 2110.02861), as beyond/storage/adamw8.wgsl has it:
 * dynamic maps, blocks of 256 elements, sqrt(v) rounded at random.
 */
import { type AdamwSettings, adamwStep } from "./adamw.ts";

const BLOCK = 256;
const DECADES = 7;

/**
 * The map of the paper, ascending: in each decade below 1 the middles of even steps, half as many as in
 * the decade above; 0; and 1. Signed, the top decade has 64 steps of each sign, else 128.
 */
export function dynamicMap(signed: boolean): Float64Array {
  const values = [0, 1];
  for (let decade = 0; decade < DECADES; decade++) {
    const steps = (signed ? 64 : 128) >> decade;
    for (let i = 0; i < steps; i++) {
      const value = 10 ** -decade * (0.1 + (0.9 * (i + 0.5)) / steps);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float64Array.from(values).sort();
}

const SIGNED = dynamicMap(true);
const UNSIGNED = dynamicMap(false);
/** Where the values from 0 on begin in the signed map. */
const ZERO = SIGNED.indexOf(0);

/** The value of a code of m: 0 to 128 count the values from 0 up, 129 to 255 those from 0 down. */
const signedValue = (code: number) => SIGNED[ZERO + (code <= 128 ? code : 128 - code)];
const unsignedValue = (code: number) => UNSIGNED[code];

/** Moments in codes, and for every block the largest |m| and sqrt(v): [blocks, 2]. */
export interface ByteMoments {
  first: Uint8Array;
  second: Uint8Array;
  scales: Float64Array;
}

/** Uniform in [0, 1), as the shader hashes it. */
function uniform(i: number, key: number): number {
  let h = Math.imul(i, 0x9e3779b9) ^ key;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 8) / 2 ** 24;
}

/**
 * The index of the value next to x: the upper neighbour if x is more than `threshold` of the way to it.
 * `margin` is how far from that the decision was, in values of the map.
 */
function nextTo(map: Float64Array, x: number, threshold: number) {
  let upper = map.findIndex((value) => value > x);
  if (upper === 0) upper = 1;
  if (upper < 0) return { index: map.length - 1, margin: Infinity };
  const gap = map[upper] - map[upper - 1];
  const excess = x - map[upper - 1] - threshold * gap;
  return { index: excess > 0 ? upper : upper - 1, margin: Math.abs(excess) };
}

/**
 * One step, the parameters being moved by the exact new moments, before they are rounded. `unclear` are the
 * elements whose code a float32 computation may round the other way.
 */
export function adamw8Step(
  state: ByteMoments & { parameters: Float64Array },
  gradient: Float64Array,
  step: number,
  settings: AdamwSettings,
  key: number,
): ByteMoments & { parameters: Float64Array; unclear: number[] } {
  const scaleOf = (i: number, which: 0 | 1) => state.scales[2 * Math.floor(i / BLOCK) + which];
  const before = Float64Array.from(state.first, (code, i) => scaleOf(i, 0) * signedValue(code));
  const roots = Float64Array.from(state.second, (code, i) => scaleOf(i, 1) * unsignedValue(code));
  const after = adamwStep(
    { parameters: state.parameters, first: before, second: roots.map((root) => root * root) },
    gradient,
    step,
    settings,
  );
  const scales = new Float64Array(state.scales.length);
  for (const [i, m] of after.first.entries()) {
    const at = 2 * Math.floor(i / BLOCK);
    scales[at] = Math.max(scales[at], Math.abs(m));
    scales[at + 1] = Math.max(scales[at + 1], Math.sqrt(after.second[i]));
  }
  const first = new Uint8Array(gradient.length);
  const second = new Uint8Array(gradient.length);
  const unclear: number[] = [];
  for (let i = 0; i < gradient.length; i++) {
    const [largest, largestRoot] = scales.subarray(2 * Math.floor(i / BLOCK));
    const x = largest && after.first[i] / largest;
    // to nearest by size, whatever the sign
    const m = nextTo(SIGNED.subarray(ZERO), Math.abs(x), 0.5);
    first[i] = x >= 0 || m.index === 0 ? m.index : 128 + Math.min(m.index, 127);
    const root = largestRoot && Math.sqrt(after.second[i]) / largestRoot;
    const v = nextTo(UNSIGNED, root, uniform(i, key));
    second[i] = v.index;
    // float32 errs by the size of what is added, which may cancel
    const added = Math.abs(settings.beta1 * before[i]) + Math.abs(gradient[i]);
    const error = 2e-6;
    if (m.margin < (error * added) / largest || v.margin < error * root) unclear.push(i);
  }
  return { parameters: after.parameters, first, second, scales, unclear };
}
