/** The words that mathematics is written with: functions, constants and letters, bases of numbers. */
export const FUNCTIONS = new Set(
  (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh exp ln log sqrt abs floor ceil " +
    "gcd lcm max min binom factorial overline re im arg det cis diff"
  ).split(" "),
);
export const NAMES = new Set(
  (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho " +
    "sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega hbar ell oo"
  ).split(" "),
);

/** Bases of numbers, as subscripts name them: 1011_two. */
export const BASES: Record<string, string> = {
  two: "2",
  three: "3",
  four: "4",
  five: "5",
  six: "6",
  seven: "7",
  eight: "8",
  nine: "9",
  ten: "10",
  twelve: "12",
  sixteen: "16",
};
