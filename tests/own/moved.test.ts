import { afterAll, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { relative } from "node:path";
import { methodsIn } from "../../beyond/own/methods.ts";
import { whereOwnFilesAre } from "../../beyond/own/moved.ts";
import { trainSettings } from "../../beyond/settings/arguments.ts";
import { storedSettings } from "../../beyond/settings/stored.ts";
import { OwnFiles } from "./files.ts";

const files = new OwnFiles();
afterAll(() => files.remove());

/** The settings of a command line, as the command reads them. */
async function settingsOf(args: string[], stored: object = {}) {
  const readStored = () => whereOwnFilesAre(stored, args);
  return trainSettings(args, readStored, undefined, await methodsIn(args, readStored));
}

const bonus = (parameter: string) =>
  `export default { name: "a", parameters: { ${parameter}: { default: 1, help: "" } }, signal: () => [] };`;

describe("a run whose own files were moved", () => {
  const path = files.write(bonus("waggle"), "one.ts");
  const outcome = files.write("export default () => null;", "judge.ts");
  const reward = files.write("export default () => 1;", "paid.ts");
  const moved = files.write(bonus("waggle"), "two.ts");
  const flags = ["--outcome", outcome, "--reward", `${reward}=2,length=1`, "--waggle", "3"];

  test("goes on with them where they are now, and else says how to", async () => {
    const begun = storedSettings(await settingsOf(["d", "--explore", `${path},batch`, ...flags]));
    for (const file of [path, outcome, reward]) renameSync(file, `${file}.moved.ts`);
    const resume = ["--resume", "r"];
    const gone = (flag: string, file: string, fix: string) =>
      `--${flag} ${file}: no such file; put it back, or say where it is now: --${flag} where/it/is/${fix}`;
    await expect(settingsOf(resume, begun)).rejects.toThrow(gone("outcome", outcome, "judge.ts"));
    resume.push("--outcome", `${outcome}.moved.ts`);
    await expect(settingsOf(resume, begun)).rejects.toThrow(
      gone("reward", reward, "paid.ts=2,length=1"),
    );
    resume.push("--reward", `${reward}.moved.ts=2,length=1`);
    await expect(settingsOf(resume, begun)).rejects.toThrow(gone("explore", path, "one.ts,batch"));
    const there = `${relative(process.cwd(), path)}.moved.ts`;
    const again = await settingsOf([...resume, `--explore=./${there},batch`], begun);
    expect(again).toMatchObject({ explore: `./${there},batch`, waggle: 3 });
    expect(storedSettings(again)).toMatchObject({
      explore: `${path}.moved.ts,batch`,
      outcome: `${outcome}.moved.ts`,
      reward: `${reward}.moved.ts=2,length=1`,
    });
  });

  test("goes on with no other one where they are in their place, nor with other terms", async () => {
    const begun = storedSettings(await settingsOf(["d", "--explore", moved]));
    const copy = files.write(bonus("wiggle"), "copy.ts");
    await expect(settingsOf(["--resume", "r", "--explore", copy], begun)).rejects.toThrow(
      "--explore cannot change when a run is continued",
    );
  });
});

test("a parameter that its file does not have any more is told with the file", async () => {
  const path = files.write(bonus("waggle"));
  const begun = { ...(await settingsOf(["d", "--explore", path])), wiggle: 1 };
  await expect(settingsOf(["--resume", "r"], begun)).rejects.toThrow(
    `there is no setting wiggle, and no such parameter of ${path} any more: put that file back as it was`,
  );
});
