// The core in the order in which it is read, with the lines of every file:
//   npm run core
import { circlesIn, codeIn, linesOf } from "./modules.ts";

/** Lines of TypeScript and WGSL, comments included, that the core may have. */
export const BUDGET = 7000;

/** How fast such code is read. */
const LINES_A_MINUTE = 30;

/** A chapter is what its name begins with. Files named come first; the others follow, each before what it takes in. */
const CHAPTERS: readonly { title: string; places: readonly string[]; first: readonly string[] }[] =
  [
    {
      title: "The loop, as the method describes it",
      places: ["lib/"],
      first: ["train", "rollout", "rewards", "learn", "policy"].map((name) => `lib/${name}.ts`),
    },
    { title: "Questions and their judge", places: ["lib/data/"], first: [] },
    {
      title: "Exploration: counts, bonuses, advantages, loss",
      places: ["lib/explore/"],
      first: ["counter", "bonus", "method"].map((name) => `lib/explore/${name}.ts`),
    },
    { title: "The model: sampling, forward, backward, AdamW", places: ["lib/model/"], first: [] },
    {
      title: "Operations, and the shader of each",
      places: ["lib/model/ops", "shaders/"],
      first: [],
    },
    { title: "The GPU", places: ["lib/gpu/"], first: [] },
  ];

/** All files of the core in reading order, by chapter. */
export function readingList(): { title: string; files: string[] }[] {
  const topDown = circlesIn(codeIn("lib", "shaders")).order.reverse();
  const chapterOf = (file: string) => {
    const lengths = CHAPTERS.map(({ places }) =>
      Math.max(...places.map((place) => (file.startsWith(place) ? place.length : 0))),
    );
    return lengths.indexOf(Math.max(...lengths));
  };
  return CHAPTERS.map(({ title, first }, chapter) => {
    const files = topDown.filter((file) => chapterOf(file) === chapter);
    const named = first.filter((file) => files.includes(file));
    return { title, files: [...named, ...files.filter((file) => !first.includes(file))] };
  });
}

if (import.meta.main) {
  let total = 0;
  for (const { title, files } of readingList()) {
    const lines = files.map(linesOf);
    const sum = lines.reduce((a, b) => a + b, 0);
    total += sum;
    console.log(`\n${title}: ${sum} lines, ${Math.round(sum / LINES_A_MINUTE)} minutes`);
    for (const [i, file] of files.entries()) {
      const minutes = (lines[i] / LINES_A_MINUTE).toFixed(1);
      console.log(`  ${file.padEnd(44)}${String(lines[i]).padStart(5)}${minutes.padStart(7)} min`);
    }
  }
  const minutes = Math.round(total / LINES_A_MINUTE);
  const left = BUDGET - total;
  const verdict = left >= 0 ? `${left} lines left` : `${-left} lines too many`;
  console.log(`\n${total} lines of ${BUDGET} (${verdict}), ${minutes} minutes`);
}
