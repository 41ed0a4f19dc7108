import type { Completed, Judgement, Turn } from "../../lib/data/judge.ts";
import { UserError } from "../../lib/errors.ts";
import type { SamplingPolicy } from "../../lib/policy.ts";
import { PURPOSE, type RolloutSettings, rollout } from "../../lib/rollout.ts";
import type { Prompter } from "../models/chat.ts";
import type { Tokenizer } from "../models/tokenizer.ts";
import { StreamedPolicy, type Streaming } from "./streamed.ts";

export interface DialogueSettings extends RolloutSettings {
  promptTemplate: string;
  /** Most tokens of the conversation, the reply to come included. */
  maxLength: number;
  /** Most that the model could have. */
  context: number;
}

export interface Reply {
  text: string;
  tokens: number;
  /** Why there is no more of it: the model ended it, or somebody did, or there was no room. */
  ending: "finished" | "stopped" | "cut off" | "full";
}

/** A conversation with a model, which sees all turns before each reply. */
export class Dialogue {
  private turns: readonly Turn[] = [];
  private replies = 0;
  /** The last prompt, of which the cache has all keys. */
  private cached: readonly number[] = [];

  constructor(
    private readonly policy: SamplingPolicy & { tokenizer: Tokenizer },
    private readonly prompter: Pick<Prompter, "encodePrompt">,
    private readonly settings: DialogueSettings,
  ) {}

  /** Forgets all that was said. */
  reset(): void {
    this.turns = [];
  }

  /**
   * Says something, and has the reply told while it grows, to its end. A turn that fails was not said.
   * @throws UserError if the conversation has no room for a reply, or the model cannot read what is said
   */
  async say(text: string, { tell, isStopped = () => false }: Streaming): Promise<Reply> {
    const { settings, turns } = this;
    const said = { role: "user", content: text };
    const prompt = this.prompter.encodePrompt(
      { question: text, turns: [...turns, said] },
      "what you said",
    );
    const room = settings.maxLength - prompt.length;
    if (room < 1) throw this.full(prompt.length);
    const maxCompletionLength = Math.min(settings.maxCompletionLength, room);
    const question = { text, prompt, gold: "", judge: unjudged };
    const known = commonLength(this.cached, prompt);
    this.cached = [];
    const streaming = { tell, isStopped, known };
    const streamed = new StreamedPolicy(this.policy, settings.stop, streaming);
    const [group] = await rollout(
      streamed,
      [question],
      1,
      { ...settings, maxCompletionLength },
      PURPOSE.sample,
      this.replies++,
    );
    this.cached = prompt;
    const { text: reply, tokens, finished } = group.completions[0];
    if (reply.length > streamed.told) tell(reply.slice(streamed.told));
    // as the model got it, so that the next prompt goes on from this one
    const content = settings.promptTemplate.replaceAll("{question}", () => text);
    this.turns = [...turns, { ...said, content }, { role: "assistant", content: reply }];
    const ending = isStopped()
      ? "stopped"
      : finished
        ? "finished"
        : room <= settings.maxCompletionLength
          ? "full"
          : "cut off";
    return { text: reply, tokens: tokens.length, ending };
  }

  private full(tokens: number): UserError {
    const { maxLength, context } = this.settings;
    const more = maxLength < context ? `, --max-length up to ${context} has room for more` : "";
    return new UserError(
      `the conversation has ${tokens} tokens, and --max-length ${maxLength} no room for a reply: /reset begins anew${more}`,
    );
  }
}

/** How many tokens both begin with; never all of the second, whose last one is needed for what it predicts. */
function commonLength(before: readonly number[], now: readonly number[]): number {
  const differing = now.findIndex((id, i) => id !== before[i]);
  return differing < 0 ? now.length - 1 : differing;
}

/** Nobody asks what a reply is worth. */
const unjudged = async (completions: readonly Completed[]): Promise<Judgement[]> =>
  completions.map(() => ({
    outcome: null,
    correct: false,
    form: null,
    paid: [],
    answerStart: null,
    answerEnd: null,
  }));
