import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { Judge } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import { openJudge } from "../answers/outcome.ts";
import { serveAt, untilAborted } from "../platform/serving.ts";
import type { JudgeSettings } from "../settings/measuring.ts";

/** A completion to be judged; what else a row of data holds is for judges that read it. */
const Asked = z.looseObject({
  question: z.string(),
  answer: z.union([z.string(), z.number()]).transform(String),
  completion: z.string(),
  truncated: z.boolean().default(false),
});

/**
 * `rlexplore judge`: the judge of a run, for texts that something else has sampled: each line of a file, or with `--serve`
 * each batch that is posted to 127.0.0.1, as a JSON array. Equal answers get the same outcome whatever is right.
 */
export async function judge(settings: JudgeSettings, signal: AbortSignal): Promise<void> {
  const judging = await openJudge(settings.outcome, settings.outcomeTimeout);
  if (settings.serve) return serve(judging, settings.port, signal);
  const input = settings.file === "-" ? process.stdin : createReadStream(settings.file);
  let line = 0;
  for await (const text of createInterface({ input })) {
    line++;
    if (text.trim() === "") continue;
    const [judged] = await judgeAll(judging, `[${text}]`, `${settings.file}, line ${line}`);
    console.log(JSON.stringify(judged));
  }
}

async function serve(judging: Judge, port: number, signal: AbortSignal): Promise<void> {
  const answer = async (request: Request) => {
    if (request.method !== "POST") {
      return new Response("POST a JSON array of {question, answer, completion}\n", { status: 405 });
    }
    try {
      return Response.json(await judgeAll(judging, await request.text(), "the request"));
    } catch (error) {
      return new Response(`${(error as Error).message}\n`, { status: 400 });
    }
  };
  const server = serveAt(port, answer, "choose another --port");
  console.log(`judging at http://127.0.0.1:${server.port} (Ctrl-C ends it)`);
  await untilAborted(server, signal);
}

/** @throws UserError for text that is no array of completions to be judged */
async function judgeAll(judging: Judge, text: string, where: string) {
  let rows: z.infer<typeof Asked>[];
  try {
    rows = z.array(Asked).parse(JSON.parse(text));
  } catch {
    throw new UserError(`${where} is not JSON with question, answer and completion in each row`);
  }
  return Promise.all(
    rows.map(async ({ question, answer, completion, truncated, ...fields }, i) => {
      const row = { question, answer, line: i + 1, fields: { question, answer, ...fields } };
      const gold = judging.gold(row);
      if (gold === null) throw new UserError(`${where}: "${answer.slice(0, 100)}" is no answer`);
      const [judged] = await judging.judge([{ text: completion, truncated }], { row, gold });
      return { outcome: judged.outcome, correct: judged.correct };
    }),
  );
}
