/** How a run evaluates, where that is not how it samples for training. */
import type { RolloutSettings } from "../../lib/rollout.ts";

/** What an evaluation is drawn with. */
export type Sampling = Pick<
  RolloutSettings,
  "temperature" | "topP" | "topK" | "minP" | "maxCompletionLength"
>;

/** The setting for evaluations alone that stands before each of these. */
export const FOR_EVALUATION = {
  temperature: "evalTemperature",
  topP: "evalTopP",
  topK: "evalTopK",
  minP: "evalMinP",
  maxCompletionLength: "evalMaxCompletionLength",
} as const;

/** The same settings, with those for evaluations in their places. */
export function forEvaluation<S extends object>(settings: S): S {
  const given = settings as Record<string, unknown>;
  const own = Object.entries(FOR_EVALUATION).flatMap(([key, name]) =>
    given[name] === null || given[name] === undefined ? [] : [[key, given[name]]],
  );
  return { ...settings, ...Object.fromEntries(own) };
}

export const samplingOf = ({
  temperature,
  topP,
  topK,
  minP,
  maxCompletionLength,
}: Sampling): Sampling => ({ temperature, topP, topK, minP, maxCompletionLength });
