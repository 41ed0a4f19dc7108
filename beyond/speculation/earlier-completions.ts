import type {
  Completion,
  GenerationRequest,
  GenerationSettings,
} from "../../lib/model/completion.ts";
import type { Row, Waiting } from "../../lib/model/row-state.ts";
import type { Guess, Guesses } from "./guesses.ts";
import { type Candidate, foresee } from "./race.ts";
import { TokenTree } from "./token-tree.ts";

/** Tokens that are remembered, beginnings that are shared counted once: 32 MiB. */
const MOST_NODES = 1 << 21;
/** Tokens by which a place in other texts is found that goes on as this one might. */
const CONTEXT = 3;
/** Places that are remembered by these. */
const PLACES = 1 << 16;
/** Guesses less likely than that to be reached and right are none. */
const LEAST_CHANCE = 0.01;
/** How likely a token of the prompt comes again after the same context, before anything is known. */
const OF_PROMPT = Math.log(0.5);

/** How well one way of guessing does: what it was right about over what it expected to be. */
class Trust {
  private expected = 2;
  private right: number;

  /** @param general what is known of that way from other questions */
  constructor(private readonly general?: Trust) {
    this.right = 2 * (general?.factor ?? 1);
  }

  get factor(): number {
    return Math.min(1, Math.max(LEAST_TRUST, this.right / this.expected));
  }

  note(chance: number, isRight: boolean): void {
    this.expected = FADING * this.expected + chance;
    this.right = FADING * this.right + Number(isRight);
    this.general?.note(chance, isRight);
  }
}

/** What was seen before counts so much less with each guess; and what fails is tried again at times. */
const FADING = 0.97;
const LEAST_TRUST = 0.1;

/** A question and what was said to it. */
interface Question {
  root: number;
  /** Of guesses after the very tokens that the row has, and of those after its last few in another place. */
  seen: Trust;
  alike: Trust;
}

/** A completion as far as it is remembered. */
interface Text {
  request: GenerationRequest;
  question: Question;
  completion: Completion;
  node: number;
  known: number;
}

interface MadeGuess extends Guess {
  /** Of each token: how it was found, and how likely that way takes it to be right after all before it. */
  ways: { trust: Trust; chance: number }[];
}

/**
 * Guesses by what was said to the same question before: in earlier epochs, by siblings that are further, and where a
 * completion leaves all of them, after the same few tokens elsewhere in prompt and completions. Of several tokens that
 * came next, `foresee` picks the one that the noise of this draw favours.
 */
export class EarlierCompletions implements Guesses {
  private tree = new TokenTree();
  /** By a sum over the prompt's tokens; those asked last come last. */
  private readonly questions = new Map<number, Question>();
  private readonly texts = new Map<Completion, Text>();
  private waiting: Waiting[] = [];
  private readonly general = { seen: new Trust(), alike: new Trust() };
  private settings: GenerationSettings | undefined;
  private readonly placeKeys = new Int32Array(PLACES);
  private readonly placeNodes = new Int32Array(PLACES);

  constructor(private readonly mostNodes = MOST_NODES) {}

  /** Tokens that are remembered, beginnings that are shared counted once. */
  get size(): number {
    return this.tree.size;
  }

  begin(waiting: readonly Waiting[], settings: GenerationSettings): boolean {
    this.waiting = [...waiting];
    this.settings = settings;
    if (this.tree.size > this.mostNodes) this.forget();
    return waiting.some(({ request }) => this.questions.has(keyOf(request.prompt)));
  }

  guess(rows: readonly Row[], most: (row: Row) => number): Guess[] {
    for (const { completion, prompt } of rows) this.textOf(completion, prompt.request);
    for (const text of this.texts.values()) this.catchUp(text);
    return rows.map((row) => this.guessOf(row, most(row)));
  }

  learn(guess: Guess, tried: number, right: number): void {
    const { ways } = guess as MadeGuess;
    for (let i = 0; i < Math.min(tried, right + 1); i++)
      ways[i].trust.note(ways[i].chance, i < right);
  }

  end(): void {
    for (const { completion, request } of this.waiting) {
      if (completion.tokens.length > 0) this.catchUp(this.textOf(completion, request));
    }
    this.texts.clear();
    this.waiting = [];
  }

  private textOf(completion: Completion, request: GenerationRequest): Text {
    let text = this.texts.get(completion);
    if (!text) {
      const question = this.questionOf(request.prompt);
      text = { request, question, completion, node: question.root, known: 0 };
      this.texts.set(completion, text);
    }
    return text;
  }

  private questionOf(prompt: ArrayLike<number>): Question {
    const key = keyOf(prompt);
    let question = this.questions.get(key);
    if (!question) {
      const { seen, alike } = this.general;
      question = { root: this.tree.root(), seen: new Trust(seen), alike: new Trust(alike) };
      let node = this.tree.root();
      for (let i = 0; i < prompt.length; i++) {
        this.notePlace(question, prompt, [], i, node);
        node = this.tree.grow(node, prompt[i], OF_PROMPT);
      }
    }
    // to the end of the map: those asked long ago are forgotten first
    this.questions.delete(key);
    this.questions.set(key, question);
    return question;
  }

  /** Remembers the tokens that were drawn since. */
  private catchUp(text: Text): void {
    const { question, request, completion } = text;
    const { tokens, logprobs } = completion;
    for (; text.known < tokens.length; text.known++) {
      this.notePlace(
        question,
        request.prompt,
        tokens,
        text.known + request.prompt.length,
        text.node,
      );
      text.node = this.tree.grow(text.node, tokens[text.known], logprobs[text.known]);
    }
  }

  private guessOf(row: Row, most: number): MadeGuess {
    const { question, node: said } = this.texts.get(row.completion) as Text;
    const { prompt } = row.prompt.request;
    const before = row.completion.tokens;
    const guess: MadeGuess & { tokens: number[]; chances: number[] } = {
      tokens: [],
      chances: [],
      ways: [],
    };
    const greedy = this.settings?.temperature === 0;
    let node = said;
    let trust = question.seen;
    let reached = 1;
    const so = before.slice(-CONTEXT);
    while (guess.tokens.length < most) {
      if (this.tree.first(node) === 0) {
        trust = question.alike;
        node = this.place(question, prompt, so, prompt.length + so.length);
        if (node === 0) break;
      }
      const position = before.length + guess.tokens.length;
      const { token, chance } = foresee(this.candidates(node), { ...row, position, greedy });
      reached *= chance * trust.factor;
      // what follows the end is not asked for
      if (reached < LEAST_CHANCE || this.settings?.stopIds.has(token)) break;
      guess.tokens.push(token);
      guess.chances.push(reached);
      guess.ways.push({ trust, chance });
      so.push(token);
      node = this.tree.step(node, token);
    }
    return guess;
  }

  private candidates(node: number): Candidate[] {
    const found: Candidate[] = [];
    for (let child = this.tree.first(node); child !== 0; child = this.tree.next(child)) {
      found.push({
        token: this.tree.token(child),
        probability: Math.exp(this.tree.logprob(child)),
      });
    }
    return found;
  }

  /** What comes after the `end` tokens of prompt and completion begins at this node. */
  private notePlace(
    question: Question,
    prompt: ArrayLike<number>,
    tokens: readonly number[],
    end: number,
    node: number,
  ): void {
    const key = contextKey(question, prompt, tokens, end);
    this.placeKeys[key & (PLACES - 1)] = key;
    this.placeNodes[key & (PLACES - 1)] = node;
  }

  /** Where the last few of these tokens came before, or 0. */
  private place(
    question: Question,
    prompt: ArrayLike<number>,
    tokens: readonly number[],
    end: number,
  ): number {
    const key = contextKey(question, prompt, tokens, end);
    const found =
      this.placeKeys[key & (PLACES - 1)] === key ? this.placeNodes[key & (PLACES - 1)] : 0;
    return this.tree.first(found) === 0 ? 0 : found;
  }

  /** Keeps the questions asked last, in half of the room. */
  private forget(): void {
    const old = this.tree;
    this.tree = new TokenTree();
    this.placeKeys.fill(0);
    this.placeNodes.fill(0);
    for (const [key, question] of [...this.questions].reverse()) {
      const room = this.mostNodes / 2 - this.tree.size;
      if (room > 0) question.root = this.tree.take(old, question.root, room);
      else this.questions.delete(key);
    }
  }
}

/** A sum over tokens that others hardly have. */
const mixed = (sum: number, token: number) => Math.imul(sum ^ token, 0x9e3779b1) ^ (sum >>> 15);

/** 53 bits of a prompt. If two prompts had the same, guesses would be worse, and nothing else. */
function keyOf(prompt: ArrayLike<number>): number {
  let [one, other] = [prompt.length, ~prompt.length];
  for (let i = 0; i < prompt.length; i++) {
    one = mixed(one, prompt[i]);
    other = mixed(other, prompt[i] + 1);
  }
  return (one >>> 0) * 2 ** 21 + (other >>> 11);
}

/** Of the last tokens before place `end` of prompt and completion. */
function contextKey(
  { root }: Question,
  prompt: ArrayLike<number>,
  tokens: readonly number[],
  end: number,
): number {
  let key = root;
  for (let i = Math.max(0, end - CONTEXT); i < end; i++) {
    key = mixed(key, i < prompt.length ? prompt[i] : tokens[i - prompt.length]);
  }
  return mixed(key, CONTEXT);
}
