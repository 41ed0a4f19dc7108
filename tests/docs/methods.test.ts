/** docs/methods.md names every method that is built in, and its worked example is what the code gives. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { paperAdvantages, paperBonuses } from "../../beyond/methods/list.ts";
import { EXAMPLE } from "../../beyond/own/example.ts";
import { defaultsOf } from "../../beyond/own/method-checks.ts";
import { advantages } from "../../lib/explore/advantages.ts";
import type { ExplorationMethod } from "../../lib/explore/method.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/methods.md"), "utf8");

const row = (name: string, cells: Iterable<unknown>) => `| ${[name, ...cells].join(" | ")} |`;

function valuesOf(method: ExplorationMethod): string {
  const values = method.signal(EXAMPLE, defaultsOf(method.parameters));
  return row(
    `\`${method.name}\``,
    Array.from(values, (value) => value.toFixed(3).replace("-", "−")),
  );
}

/** What tells tokens apart has no one value of a completion. */
const wholeCompletions = [...advantages, ...paperAdvantages, ...paperBonuses].filter(
  (method: ExplorationMethod) => !method.tokens,
);

test("the worked example is what the code gives", () => {
  const { outcomes, rewards } = EXAMPLE;
  const table = [
    row(
      "answer",
      outcomes.map((outcome) => outcome ?? "—"),
    ),
    `|---|${"---:|".repeat(outcomes.length)}`,
    row("reward", Array.from(rewards)),
    ...wholeCompletions.map(valuesOf),
  ];
  const shown = page.split("<!-- worked -->")[1]?.split("<!-- /worked -->")[0];
  expect(shown?.trim()).toBe(table.join("\n"));
});

test("every method has its row", () => {
  for (const { name } of paperAdvantages) expect(page).toContain(`\n| \`${name}\` | `);
  for (const { name } of paperBonuses) expect(page).toContain(`\`--explore ${name}\``);
});
