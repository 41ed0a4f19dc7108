// Records a run of the playground, which the page shows where there is no WebGPU:
//   npm run playground:record
import { join, relative, resolve } from "node:path";
import { SystemGpu } from "../beyond/platform/gpu.ts";
import { tellingQuestions } from "../beyond/report/treasure.ts";
import { type Answers, type News, SIDES } from "../playground/messages.ts";
import { loadModel } from "../playground/model-files.ts";
import { addTo, emptyLog } from "../playground/page/log.ts";
import { DEFAULT_SETUP, namesOf } from "../playground/page/methods.ts";
import { openEmbedded } from "../playground/trainer/model.ts";
import { Session } from "../playground/trainer/session.ts";

const STEPS = 120;
/** Groups of the last step that can be taken apart. */
const APART = 3;
const ASKED = "23+7-4+9=";

const root = resolve(import.meta.dir, "..");
const gpu = await SystemGpu.open();
const base = await loadModel(async (name) => Bun.file(join(root, "models/base", name)));
const model = await openEmbedded(base);
const recorded: News[] = [];
const session = new Session(gpu, model, (news) => recorded.push(news));
await session.do({ do: "begin", setup: DEFAULT_SETUP });
for (let step = 0; step < STEPS; step++) {
  await session.do({ do: "step" });
  if (step % 10 === 9) console.log(`step ${step + 1}`);
}
for (const side of SIDES) {
  for (let group = 0; group < APART; group++) await session.do({ do: "takeApart", side, group });
}
await session.do({ do: "ask", question: ASKED, seed: DEFAULT_SETUP.seed });
gpu.destroy();
const failed = recorded.find((news) => news.is === "failed");
if (failed) throw new Error(failed.message);

/** The questions whose completions are kept: those that tell most. */
const logs = SIDES.map(emptyLog);
for (const news of recorded) {
  if (news.is === "step") addTo(logs[news.side], news.step, news.groups);
}
const names = namesOf(DEFAULT_SETUP);
const methods = logs.map((rollouts, side) => ({
  name: names[side],
  runs: [{ settings: {}, rollouts }],
}));
const telling = new Set(tellingQuestions(methods, null).map(({ question }) => question));

const isTelling = ({ question }: Answers) => telling.has(question);
const questions = model.questions
  .filter(({ text }) => telling.has(text))
  .map(({ text, gold }) => ({ text, gold }));
const { name: adapter, isSoftware } = gpu;
const opened: News = { is: "opened", adapter, isSoftware, seconds: 0, questions };
const kept = recorded.flatMap((news): News[] => {
  if (news.is === "activity" || news.is === "running") return [];
  if (news.is === "step") return [{ ...news, groups: news.groups.filter(isTelling) }];
  if (news.is !== "apart") return [news];
  return [{ ...news, apart: { ...news.apart, questions: news.apart.questions.slice(0, APART) } }];
});

/** Digits that nobody sees are left out. */
const short = (_: string, value: unknown) =>
  typeof value === "number" ? Number(value.toPrecision(5)) : value;

const file = join(root, "playground/recorded.json");
await Bun.write(file, `${JSON.stringify([opened, ...kept], short)}\n`);
console.log(
  `wrote ${relative(process.cwd(), file)} (${(Bun.file(file).size / 1e3).toFixed(0)} kB)`,
);
