/** Which settings name files of the user's. Nothing here touches a file: a browser can read it too. */

/** Does a flag's value name a file of the user's, and not something built in? */
export const isOwnFile = (value: string): boolean => /^(?!regex:).*[./\\]/s.test(value);

/** Settings that may name files of the user's. */
export interface OwnSettings {
  outcome?: string;
  reward?: string | null;
  explore?: string;
  advantage?: string;
}

/** Those of them that are sums of terms, of which some may be files. */
export const SUMS = ["reward", "explore", "advantage"] as const;

/** The files that settings name, with the flag of each. */
export function ownFilesOf(settings: OwnSettings): { flag: string; path: string }[] {
  const terms = SUMS.flatMap((key) =>
    (settings[key] ?? "").split(",").map((term) => ({ flag: `--${key}`, path: nameOf(term) })),
  );
  const outcome = { flag: "--outcome", path: settings.outcome ?? "" };
  return [outcome, ...terms].filter(({ path }) => isOwnFile(path));
}

/** What a term of a sum is of, without its weight. */
export const nameOf = (term: string) => term.split("=")[0].trim();

/** What is typed for a flag, whatever else is wrong with the arguments. */
export const typedFor = (args: readonly string[], flag: string): string[] =>
  args.flatMap((arg, i) => {
    if (arg === `--${flag}`) return args[i + 1] ?? [];
    return arg.startsWith(`--${flag}=`) ? arg.slice(flag.length + 3) : [];
  });

/** Settings that may name files of the user's, as they are typed; empty where they are not. */
export const typedOwn = (args: readonly string[]): OwnSettings =>
  Object.fromEntries(["outcome", ...SUMS].map((key) => [key, typedFor(args, key).join(",")]));
