import { UserError } from "../../lib/errors.ts";
import { chatTemplate } from "../models/chat.ts";
import { Dialogue, type Reply } from "../opening/dialogue.ts";
import { openNamedModel, prompterOf } from "../opening/named-model.ts";
import { explainNotFinite } from "../opening/not-finite.ts";
import { openPolicy } from "../opening/open-policy.ts";
import type { ChatSettings } from "../settings/measuring.ts";
import { speculates } from "../settings/shared.ts";
import { command } from "../terminal/program.ts";
import { Typing } from "../terminal/typing.ts";

/** Tokens of a conversation that nobody said how long it may be. */
const USUAL_LENGTH = 4096;

const HOW = "/reset begins anew, /quit or Ctrl-D ends, Ctrl-C stops a reply";

/** `rlexplore chat`: a conversation in the terminal; or one through pipes, each line a turn, replies alone on stdout. */
export async function chat(given: ChatSettings): Promise<void> {
  const note = (text: string) => console.error(text);
  given.told.forEach(note);
  const model = await openNamedModel(given.model);
  if (chatTemplate(model.files) === null) {
    throw new UserError(
      `${given.model} has no chat template, as base models have none: no conversation can be put to it. Take a model tuned for that, such as one called -Instruct; ${command`sample "<text>" --model ${given.model}`} has this one complete a text`,
    );
  }
  const prompter = prompterOf(model, given, note);
  const context = model.config.maxPositionEmbeddings;
  if (given.maxLength !== null && given.maxLength > context) {
    throw new UserError(
      `--max-length ${given.maxLength} exceeds the model's context of ${context}`,
    );
  }
  const maxLength = given.maxLength ?? Math.min(USUAL_LENGTH, context);
  const maxCompletionLength = Math.min(given.maxCompletionLength ?? maxLength >> 1, maxLength);
  const settings = { ...given, context, maxLength, maxCompletionLength };
  const sampling = {
    rows: 1,
    samplesPerPrompt: 1,
    speculative: speculates(settings),
    maxPromptTokens: maxLength,
    maxNewTokens: maxCompletionLength,
  };
  const policy = await openPolicy(settings, model, { sampling }, { note });
  const dialogue = new Dialogue(policy, prompter, settings);
  try {
    await converse(dialogue, given.json);
  } catch (error) {
    throw explainNotFinite(error, settings);
  } finally {
    await policy.close();
  }
}

/** Turn by turn, to the end of what is typed. */
async function converse(dialogue: Dialogue, json: boolean): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const isTerminal = stdin.isTTY === true;
  const shown = isTerminal ? (stdout.isTTY ? stdout : stderr) : null;
  // of the reply at hand, and since it was asked for
  let interruptions = 0;
  let isReplying = false;
  const interrupt = () => {
    interruptions++;
    if (interruptions > 1) {
      process.exitCode = 130;
      if (isReplying) process.exit();
      typing.close();
    } else if (!isReplying) {
      console.error("\n(Ctrl-C again ends)");
      stderr.write("> ");
    }
  };
  const typing = new Typing(stdin, shown, interrupt);
  if (isTerminal) process.on("SIGINT", interrupt);
  if (isTerminal) console.error(HOW);
  try {
    for (;;) {
      const line = await typing.next();
      if (line === null || line.trim() === "/quit") return;
      if (line.trim() === "") continue;
      interruptions = 0;
      if (line.trim() === "/reset") {
        dialogue.reset();
        if (isTerminal) console.error("(all before is forgotten)");
        continue;
      }
      if (/^\/\w+$/.test(line.trim())) {
        console.error(`there is no ${line.trim()}: ${HOW}`);
        continue;
      }
      isReplying = true;
      try {
        const isStopped = () => interruptions > 0;
        const tell = (piece: string) => json || stdout.write(piece);
        const reply = await dialogue.say(line, { tell, isStopped });
        finish(line, reply, json);
      } catch (error) {
        // somebody at a terminal can say something else
        if (!isTerminal || !(error instanceof UserError)) throw error;
        console.error(error.message);
      } finally {
        isReplying = false;
      }
    }
  } finally {
    typing.close();
    process.off("SIGINT", interrupt);
  }
}

const ENDINGS: Record<Reply["ending"], (reply: Reply) => string> = {
  finished: () => "",
  stopped: () => "(stopped)",
  "cut off": ({ tokens }) => `(cut off after ${tokens} tokens: --max-completion-length)`,
  full: ({ tokens }) =>
    `(cut off after ${tokens} tokens, the conversation is as long as --max-length allows: /reset begins anew)`,
};

function finish(prompt: string, reply: Reply, json: boolean): void {
  const { text, ending } = reply;
  const what = { prompt, completion: text, finished: ending === "finished" };
  process.stdout.write(json ? `${JSON.stringify(what)}\n` : "\n");
  const how = ENDINGS[ending](reply);
  if (how) console.error(how);
}
