/** How the tasks of reasoning-gym are scored, by the name that its rows give in metadata.source_dataset. */
import type { Row } from "../../lib/data/judge.ts";

/** Tasks whose answer is a number, or a formula: what is equal is right. */
const MATH = new Set(
  (
    "basic_arithmetic bitwise_arithmetic chain_sum complex_arithmetic count_bits count_primes " +
    "decimal_arithmetic decimal_chain_sum dice fraction_simplification gcd gsm_symbolic lcm leg_counting " +
    "letter_counting modulo_grid number_format number_sequence polynomial_equations " +
    "polynomial_multiplication power_function prime_factorization products rectangle_count " +
    "simple_equations simple_geometry advanced_geometry simple_integration intermediate_integration " +
    "largest_island rotten_oranges binary_alternation"
  ).split(" "),
);
/** Tasks whose answer is words, letters or a grid, and one alone: what is written alike is right. */
const EXACT = new Set(
  (
    "ab acre aiw arc_1d arc_agi base_conversion binary_matrix caesar_cipher circuit_logic " +
    "color_cube_rotation family_relationships figlet_font futoshiki game_of_life game_of_life_halting " +
    "isomorphic_strings knights_knaves letter_jumble list_functions manipulate_matrix mini_sudoku " +
    "needle_haystack number_filtering number_sorting palindrome_partitioning pool_matrix ransom_note rearc " +
    "rotate_matrix sentence_reordering spell_backward spiral_matrix string_insertion string_manipulation " +
    "string_splitting string_synthesis sudoku syllogism time_intervals word_sequence_reversal word_sorting " +
    "zebra_puzzles"
  ).split(" "),
);

/** Tasks with many right answers, of which a row has but one: only their own code can score them. */
const SCORED = new Set(
  (
    "boxnet countdown cryptarithm graph_color jugs kakurasu knight_swap n_queens palindrome_generation " +
    "propositional_logic puzzle24 quantum_lock rubiks_cube rush_hour shortest_path sokoban tower_of_hanoi " +
    "word_ladder"
  ).split(" "),
);

/** The name of a row's task; null for a row of no task, or one that is judged by no outcome of ours. */
export function taskOf(row: Row): { task: string; outcome: "math" | "exact" } | null {
  const task = nameOf(row);
  if (MATH.has(task)) return { task, outcome: "math" };
  return EXACT.has(task) ? { task, outcome: "exact" } : null;
}

/** The name of a row's task that has many right answers; null for other rows. */
export const scoredTaskOf = (row: Row): string | null =>
  SCORED.has(nameOf(row)) ? nameOf(row) : null;

function nameOf(row: Row): string {
  const metadata = row.fields?.metadata as { source_dataset?: unknown } | null | undefined;
  return String(metadata?.source_dataset ?? "");
}
