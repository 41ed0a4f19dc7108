import type { ModelConfig } from "../../lib/model/config.ts";

/** What transformers takes fields to be that a `config.json` leaves out. */
const LOCAL_THETA = 10000;
const PATTERN = 6;
const WINDOW = 4096;

type Fields = Record<string, unknown>;
type Fail = (why: string) => never;

/**
 * Brings RoPE's parameters by kind of layer, as newer files have them, into the form of older ones: those of full
 * layers by themselves, and `rope_local_base_freq` for sliding ones.
 */
export function flattenRope(fields: Fields, fail: Fail): void {
  const { full_attention: full, sliding_attention: sliding } = (fields.rope_parameters ??
    {}) as Record<string, Fields | null | undefined>;
  if (full === undefined && sliding === undefined) return;
  const { rope_type = "default", rope_theta, ...more } = sliding ?? {};
  if (rope_type !== "default" || Object.keys(more).length > 0) {
    fail("only full layers may have RoPE that is scaled");
  }
  fields.rope_parameters = full ?? {};
  fields.rope_local_base_freq ??= rope_theta;
}

/** What Gemma 3 computes otherwise than Llama, from its `config.json` as transformers reads it. */
export function gemmaConfig(fields: Fields, fail: Fail): Partial<ModelConfig> {
  const number = (name: string, otherwise: number) => {
    const value = fields[name] ?? otherwise;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    return fail(`${name} must be a number above 0`);
  };
  const whole = (name: string, otherwise: number) => {
    const value = number(name, otherwise);
    return Number.isInteger(value) ? value : fail(`${name} must be a whole number`);
  };
  const count = Number(fields.num_hidden_layers);
  const pattern = whole("sliding_window_pattern", PATTERN);
  const types = fields.layer_types as string[] | null | undefined;
  if (types && types.length !== count) {
    fail(`layer_types has ${types.length} layers, num_hidden_layers says ${count}`);
  }
  const layers = types
    ? types.map((type) => type === "sliding_attention")
    : Array.from({ length: count }, (_, i) => (i + 1) % pattern !== 0);
  if (layers.includes(true) && fields.sliding_window === null) {
    fail("layer_types has sliding_attention, and there is no sliding_window");
  }
  return {
    queryScalar: number("query_pre_attn_scalar", 256),
    ...(layers.includes(true) && {
      sliding: {
        window: whole("sliding_window", WINDOW),
        ropeTheta: number("rope_local_base_freq", LOCAL_THETA),
        layers,
      },
    }),
    postNorms: true,
    normOffset: 1,
    embeddingScale: Math.sqrt(Number(fields.hidden_size)),
    activation: "gelu",
  };
}
