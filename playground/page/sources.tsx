import { useEffect, useRef } from "preact/hooks";
import { type Formula, lineOf } from "./formulas.ts";

/** The files of `formulas.ts`, which come with the page. */
let sources: Record<string, string> = {};
export const loadSources = async () => {
  sources = await (await fetch(new URL("sources.json", import.meta.url))).json();
};

/** Opens the line of a formula in the source. */
export function SourceLink({ of, show }: { of: Formula; show: (formula: Formula) => void }) {
  return (
    <button type="button" class="link" onClick={() => show(of)}>
      {of.file}
    </button>
  );
}

/** The source of a formula, its line marked. */
export function SourceView({ formula, close }: { formula: Formula; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    dialog.current?.querySelector("mark")?.scrollIntoView({ block: "center" });
  }, [formula]);
  const text = sources[formula.file] ?? "";
  const marked = lineOf(formula, text);
  return (
    <dialog ref={dialog} onClose={close} aria-label={`Source of ${formula.name}`}>
      <form method="dialog">
        <strong>
          {formula.file}:{marked}
        </strong>
        <button type="submit">Close</button>
      </form>
      <pre>
        {text.split("\n").map((line, i) => {
          const number = <span class="number">{i + 1}</span>;
          const content = i + 1 === marked ? <mark>{line}</mark> : line;
          return (
            <code key={i}>
              {number}
              {content}
              {"\n"}
            </code>
          );
        })}
      </pre>
    </dialog>
  );
}
