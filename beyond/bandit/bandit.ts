/**
 * The model behind outcome-based exploration (Song, Kempe, Munos 2025, arXiv 2509.06941, theory section).
 *
 * K arms, m outcomes, m far below K. Arm i has outcome phi(i), its reward is Bernoulli with a mean that
 * depends on the outcome alone, and phi is unknown. Arms are reasoning traces, outcomes are final answers.
 * Each learner is optimistic: it pulls what has the largest upper confidence bound
 *
 *     mean of the rewards + sqrt(log T / n)        n pulls, horizon T
 *
 * (UCB with delta = 1/T^2 for rewards in [0, 1]: Lattimore and Szepesvari 2020, chapter 7; n = 0 gives
 * infinity) and they differ in what is counted, and in what an observation teaches:
 *
 *     arms           each arm for itself                              regret ~ sqrt(K T log T)
 *     outcomes       outcomes; but only a pull tells an arm's outcome       ~ K + sqrt(m T log T)
 *     generalising   outcomes; seeing one tells which arms have it          ~ sqrt(m T log T)
 */

/** A problem; no learner may look at `outcomes` or `means` before it is told. */
export interface Bandit {
  /** phi: the outcome of each arm. */
  outcomes: Int32Array;
  /** Expected reward of each outcome, from 0 to 1. */
  means: readonly number[];
}

/**
 * Draws phi. The outcome with the largest mean, the right answer, has a single arm: the hardest case for
 * whoever must find it. Every other arm has one of the other outcomes, each equally likely.
 * @param random uniform in [0, 1)
 */
export function drawBandit(arms: number, means: readonly number[], random: () => number): Bandit {
  const best = means.indexOf(Math.max(...means));
  const below = (n: number) => Math.floor(n * random());
  const others = means.map((_, outcome) => outcome).filter((outcome) => outcome !== best);
  const outcomes = Int32Array.from({ length: arms }, () => others[below(others.length)]);
  outcomes[below(arms)] = best;
  return { outcomes, means };
}

export const learners = ["arms", "outcomes", "generalising"] as const;
export type Learner = (typeof learners)[number];

/**
 * The regret of a learner, sum over pulls of (largest mean - mean of the arm pulled), after the pulls
 * counted in `times`, which ascend; the horizon is the last of them.
 */
export function regretAt(
  learner: Learner,
  bandit: Bandit,
  times: readonly number[],
  random: () => number,
): number[] {
  const { outcomes, means } = bandit;
  const horizon = times[times.length - 1];
  const best = Math.max(...means);
  const choices = learner === "arms" ? outcomes.length : means.length;
  const bounds = new UpperBounds(choices, horizon);
  const arms = new ArmsToTry(bandit, learner);
  const regrets: number[] = [];
  let regret = 0;
  for (let pull = 1; pull <= horizon; pull++) {
    // what was never counted has an infinite bound: it comes first, as long as there is a way to reach it
    const arm = arms.next() ?? arms.armOf(bounds.best());
    const outcome = outcomes[arm];
    const reward = random() < means[outcome] ? 1 : 0;
    bounds.add(learner === "arms" ? arm : outcome, reward);
    arms.saw(arm, outcome);
    regret += best - means[outcome];
    if (pull === times[regrets.length]) regrets.push(regret);
  }
  return regrets;
}

/** Which arm to pull to reach something new, and which to pull to see a known outcome again. */
class ArmsToTry {
  /** An arm of each outcome seen; with learner `arms` each arm stands for itself. */
  private readonly known = new Map<number, number>();
  private tried = 0;

  constructor(
    private readonly bandit: Bandit,
    private readonly learner: Learner,
  ) {}

  /** An arm that may bring something new; null once there is nothing new to find. */
  next(): number | null {
    const { outcomes, means } = this.bandit;
    if (this.learner === "arms") return this.tried < outcomes.length ? this.tried++ : null;
    if (this.known.size === means.length) return null;
    while (this.tried < outcomes.length) {
      const arm = this.tried++;
      // the generalising learner passes over the arms that share an outcome it has seen
      if (this.learner === "outcomes" || !this.known.has(outcomes[arm])) return arm;
    }
    return null;
  }

  armOf(choice: number): number {
    return this.learner === "arms" ? choice : (this.known.get(choice) as number);
  }

  saw(arm: number, outcome: number) {
    if (!this.known.has(outcome)) this.known.set(outcome, arm);
  }
}

/**
 * The choice with the largest upper confidence bound. A bound moves only when its choice is made, since
 * the horizon is fixed, so a binary heap finds it in log K.
 */
class UpperBounds {
  private readonly pulls: Float64Array;
  private readonly rewards: Float64Array;
  private readonly bound: Float64Array;
  /** Choices made at least once, the largest bound first, in heap order. */
  private readonly heap: number[] = [];
  /** Where a choice stands in the heap; -1 if it does not. */
  private readonly place: Int32Array;
  private readonly logHorizon: number;

  constructor(choices: number, horizon: number) {
    this.pulls = new Float64Array(choices);
    this.rewards = new Float64Array(choices);
    this.bound = new Float64Array(choices);
    this.place = new Int32Array(choices).fill(-1);
    this.logHorizon = Math.log(horizon);
  }

  best(): number {
    return this.heap[0];
  }

  add(choice: number, reward: number) {
    const n = ++this.pulls[choice];
    this.rewards[choice] += reward;
    this.bound[choice] = this.rewards[choice] / n + Math.sqrt(this.logHorizon / n);
    if (this.place[choice] < 0) {
      this.place[choice] = this.heap.length;
      this.heap.push(choice);
    }
    this.rise(this.place[choice]);
    this.sink(this.place[choice]);
  }

  private rise(at: number) {
    for (let parent = (at - 1) >> 1; at > 0; at = parent, parent = (at - 1) >> 1) {
      if (!this.above(at, parent)) return;
      this.swap(at, parent);
    }
  }

  private sink(at: number) {
    for (;;) {
      let largest = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.heap.length && this.above(child, largest)) largest = child;
      }
      if (largest === at) return;
      this.swap(at, largest);
      at = largest;
    }
  }

  private above(a: number, b: number): boolean {
    return this.bound[this.heap[a]] > this.bound[this.heap[b]];
  }

  private swap(a: number, b: number) {
    const [x, y] = [this.heap[a], this.heap[b]];
    this.heap[a] = y;
    this.heap[b] = x;
    this.place[x] = b;
    this.place[y] = a;
  }
}
