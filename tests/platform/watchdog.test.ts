import { expect, test } from "bun:test";
import { join } from "node:path";

const module = join(import.meta.dir, "../../beyond/platform/watchdog.ts");

/** A program that reads what its source says, watched by these limits. */
async function watching(limits: object, work: string) {
  const source = `
    import { Watchdog } from ${JSON.stringify(module)};
    const dog = new Watchdog(${JSON.stringify(limits)});
    ${work}
    console.log("read");`;
  const program = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(program.stdout).text(),
    new Response(program.stderr).text(),
  ]);
  return { code: await program.exited, stdout, stderr };
}

const little = { seconds: 0.5, bytes: 2 ** 28 };
const end = "to read and was given up; it is damaged or hostile: get it again, or another one\n";

test("what never ends is given up, by its name, with exit code 2", async () => {
  const forever = await watching(little, 'dog.during("the file é", () => { for (;;); });');
  expect(forever).toEqual({
    code: 2,
    stdout: "",
    stderr: `rlexplore: the file é took more than 0.5 s ${end}`,
  });
});

test("so is what takes all memory", async () => {
  const work = 'dog.during("m", () => JSON.parse("[".repeat(20e6)));';
  const { code, stderr } = await watching({ seconds: 60, bytes: 2 ** 27 }, work);
  expect(stderr).toBe(`rlexplore: m took more than 0.125 GiB of memory ${end}`);
  expect(code).toBe(2);
});

test("many short reads, one within another, and one that throws, are none; what is not watched may last", async () => {
  const { code, stdout } = await watching(
    little,
    `const spent = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6; };
    const busy = (seconds) => {
      for (const start = spent(); spent() < start + seconds; ) for (let i = 0; i < 1e6; i++);
    };
    for (let i = 0; i < 6; i++) dog.during("short", () => dog.during("inner", () => busy(0.1)));
    try { dog.during("thrown", () => { throw new Error(); }); } catch {}
    for (let i = 0; i < 3; i++) {
      busy(0.1);
      dog.during("at once", () => 1);
      busy(0.6);
    }
    `,
  );
  expect({ code, stdout }).toEqual({ code: 0, stdout: "read\n" });
});
