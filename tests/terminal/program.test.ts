import { expect, test } from "bun:test";
import { command, programName, shellWord } from "../../beyond/terminal/program.ts";

test("a command is called as this program was", () => {
  expect(programName("./rlexplore", "/$bunfs/root/rlexplore")).toBe("./rlexplore");
  expect(programName("rlexplore", "/$bunfs/root/rlexplore")).toBe("rlexplore");
  expect(programName("/opt/my tools/rlexplore", "/$bunfs/root/x")).toBe(
    "'/opt/my tools/rlexplore'",
  );
  expect(programName("bun", `${process.cwd()}/main.ts`)).toBe("bun main.ts");
  expect(programName("bun", "/elsewhere/some.test.ts")).toBe("rlexplore");
});

test("what a command is about is one word of it, whatever it holds", () => {
  expect(command`train --resume ${"runs/a-1"}`).toBe("rlexplore train --resume runs/a-1");
  const said = command`train --resume ${"it's $HOME; a run"}`;
  const [words] = [Bun.spawnSync(["sh", "-c", `printf '%s|' ${said}`]).stdout.toString()];
  expect(words).toBe("rlexplore|train|--resume|it's $HOME; a run|");
  expect(shellWord("my run", "win32")).toBe('"my run"');
  expect(shellWord("C:\\runs\\a-1", "win32")).toBe("C:\\runs\\a-1");
});
