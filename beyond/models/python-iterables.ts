/**
 * What a Jinja template goes through and is no list in Python: a range, a view of an object, and what filters find one
 * by one. `@huggingface/jinja` has lists for all of them; here they stay its lists, of a type of their own.
 */
import { asValue, listOf, type Range, type Value } from "./python-values.ts";

const typed = (list: Value, type: string): Value => Object.assign(list, { type });

export const tupleOf = (items: Value[]): Value => typed(listOf(items), "TupleValue");

/** As in the sandbox that transformers renders templates in. */
const LONGEST_RANGE = 100_000;

/** The function `range`. */
export const range: Value = Object.assign(
  asValue(() => null),
  {
    value: (given: Value[]): Value => {
      const isWhole = ({ type }: Value) => type === "IntegerValue" || type === "BooleanValue";
      const numbers = given.filter(isWhole).map(({ value }) => Number(value));
      const [start, stop, step = 1] = numbers.length === 1 ? [0, numbers[0]] : numbers;
      const length = Math.max(0, Math.ceil((stop - start) / step));
      const isSound = given.length === numbers.length && given.length <= 3 && step !== 0;
      if (!isSound || !(length <= LONGEST_RANGE)) {
        const asked = given.map(({ value }) => value).join(", ");
        throw new Error(`its range(${asked}) is none of at most ${LONGEST_RANGE} numbers`);
      }
      const found = listOf(Array.from({ length }, (_, i) => asValue(start + i * step)));
      const text = `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
      return Object.assign(typed(found, "RangeValue"), { text } satisfies Range);
    },
  },
);

/** What `items()`, `keys()` or `values()` of an object gives. */
export function viewOf(fields: ReadonlyMap<string, Value>, of: string): Value {
  const pairs = [...fields].map(([key, value]) => [asValue(key), value]);
  const items =
    of === "items"
      ? pairs.map(tupleOf)
      : pairs.map(([key, value]) => (of === "keys" ? key : value));
  return typed(listOf(items), "ViewValue");
}

/** What can be gone through once, is always true and has no length. */
export function generatorOf(items: Value[]): Value {
  const generator = typed(listOf(items), "GeneratorValue");
  return Object.assign(generator, { isRead: false, __bool__: () => asValue(true) });
}

/** The list of what a value goes through; the value itself if it does not. */
export function goneThrough(value: Value): Value {
  if (value.type === "GeneratorValue") {
    const generator = value as unknown as { isRead: boolean };
    if (generator.isRead) throw new Error("it goes a second time through what a filter found");
    generator.isRead = true;
  }
  const isOwn = ["GeneratorValue", "ViewValue", "RangeValue"].includes(value.type);
  return isOwn ? listOf([...(value.value as Value[])]) : value;
}
