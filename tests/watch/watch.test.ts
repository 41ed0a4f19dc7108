import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RolloutLog } from "../../beyond/report/rollouts.ts";
import { watchSettings } from "../../beyond/settings/arguments.ts";
import { type Found, PAGE, type Shown, searchOf } from "../../beyond/watch/completions.ts";
import { LiveReport } from "../../beyond/watch/live-report.ts";
import { serve } from "../../beyond/watch/serve.ts";
import { watch } from "../../beyond/watch/watch.ts";
import { makeRun, RunInTheMaking } from "../report/made-run.ts";

const folder = mkdtempSync(join(tmpdir(), "rlexplore-watch-test-"));
const run = new RunInTheMaking(join(folder, "run"));
const live = new LiveReport(watchSettings([run.path]));
let server: ReturnType<typeof serve>;

beforeAll(async () => {
  run.train(4);
  await live.open();
  server = serve(0, live);
});
afterAll(async () => {
  live.close();
  run.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

const status = async (headers: Record<string, string>, path = "", method = "GET") => {
  const response = await fetch(`http://127.0.0.1:${server.port}/${path}`, { headers, method });
  await response.body?.cancel();
  return response.status;
};

test("listens on 127.0.0.1 alone", async () => {
  await expect(fetch(`http://127.0.0.2:${server.port}/`)).rejects.toThrow();
});

test("answers requests for itself, and none that came by another name or from another site", async () => {
  const { port } = server;
  expect(await status({})).toBe(200);
  expect(await status({ host: `localhost:${port}` })).toBe(200);
  expect(await status({ origin: `http://localhost:${port}` })).toBe(200);
  for (const path of ["", "events"]) {
    expect(await status({ host: "evil.example" }, path)).toBe(403);
    expect(await status({ host: `evil.example:${port}` }, path)).toBe(403);
    expect(await status({ host: "127.0.0.1" }, path)).toBe(403);
    expect(await status({ origin: "https://evil.example" }, path)).toBe(403);
    expect(await status({ origin: "null" }, path)).toBe(403);
  }
  expect(await status({}, "", "POST")).toBe(405);
  expect(await status({}, "ledger.sqlite")).toBe(404);
});

test("a request through a tunnel with another port is told what to do", async () => {
  const { port } = server;
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: "localhost:1" } });
  expect(response.status).toBe(403);
  expect(await response.text()).toContain(`ssh -L ${port}:127.0.0.1:${port} <machine>`);
});

test("completions are asked for page by page; what is no search is said", async () => {
  const ask = async (query: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/completions?${query}`);
    return response.ok
      ? ((await response.json()) as Found)
      : `${response.status} ${await response.text()}`;
  };
  const asked = await ask("run=0&question=%3C5%3E&order=oldest");
  const { found, all, pages, shown } = asked as Found;
  expect({ all, pages, of: new Set(shown.map((one: Shown) => one.question)) }).toEqual({
    all: 64,
    pages: 1,
    of: new Set(["what is <5> & more?"]),
  });
  expect(shown.length).toBe(found);
  expect(await ask("run=0&from=x")).toBe("400 from must be a whole number\n");
  expect(await ask("run=7")).toBe("400 there is no such run\n");
  expect(await ask("order=id;DROP")).toStartWith("400 order must be one of newest, ");
});

test("ends in one line when its run is deleted, and at the first signal", async () => {
  const log = spyOn(console, "log").mockImplementation(() => {});
  const path = makeRun(join(folder, "deleted"), { steps: 4 });
  const watching = watch(watchSettings([path]), new AbortController().signal);
  const begun = async (times: number) => {
    while (log.mock.calls.length < times) await Bun.sleep(20);
  };
  await begun(1);
  rmSync(path, { recursive: true });
  await expect(watching).rejects.toThrow(`${path} was deleted or moved; watch ends here`);
  const controller = new AbortController();
  const interrupted = watch(watchSettings([run.path]), controller.signal);
  await begun(2);
  const began = performance.now();
  controller.abort();
  await interrupted;
  expect(performance.now() - began).toBeLessThan(3000);
  const [, [said]] = log.mock.calls;
  log.mockRestore();
  const [url] = /http:\S+/.exec(String(said)) as RegExpExecArray;
  await expect(fetch(url)).rejects.toThrow();
}, 60_000);

test("a run that was made again under its name is another one", async () => {
  const path = makeRun(join(folder, "again"), { steps: 4, settings: { maxSteps: 4 } });
  const view = new LiveReport(watchSettings([path]));
  await view.open();
  expect(await view.page()).toContain("step 4 of 4");
  rmSync(path, { recursive: true });
  makeRun(path, { steps: 8, settings: { maxSteps: 9 } });
  await view.update();
  expect(await view.page()).toContain("step 8 of 9");
  expect(view.completions(0, searchOf(new URLSearchParams())).step).toBe(8);
  view.close();
}, 60_000);

test("a port that is taken is an error with its fix", () => {
  expect(() => serve(server.port as number, live)).toThrow(/is in use; choose another --port/);
});

test("what was read once is not read again, and a resumed run is read anew", () => {
  const path = join(run.path, "ledger.sqlite");
  const log = new RolloutLog(path);
  expect(log.refresh()).toBe(true);
  expect(log.refresh()).toBe(false);
  const before = log.length;
  run.train(1);
  expect(log.refresh()).toBe(true);
  expect(log.length).toBe(before + 16);
  const whole = new RolloutLog(path);
  whole.refresh();
  expect(log.outcome).toEqual(whole.outcome);
  expect(log.question).toEqual(whole.question);
  // back to step 2, and on with other answers
  run.backTo(2);
  run.train(1);
  expect(log.refresh()).toBe(true);
  expect(new Set(log.step)).toEqual(new Set([1, 2, 3]));
  expect(log.length).toBe(48);
  log.close();
  whole.close();
});

test("a run of 100,000 rollouts: an update reads what is new and draws in little time", async () => {
  const long = new RunInTheMaking(join(folder, "long"), { promptsPerStep: 250, evaluated: false });
  long.train(100);
  const { rss } = process.memoryUsage();
  const view = new LiveReport(watchSettings([long.path]));
  await view.open();
  const page = view.events().getReader();
  long.train(1);
  const began = performance.now();
  await view.update(true);
  const seconds = (performance.now() - began) / 1000;
  expect(seconds).toBeLessThan(10);
  expect((process.memoryUsage().rss - rss) / 2 ** 20).toBeLessThan(500);
  await page.cancel();
  const search = (query: string) => {
    const began = performance.now();
    const found = view.completions(0, searchOf(new URLSearchParams(query)));
    expect(performance.now() - began).toBeLessThan(5000);
    return found;
  };
  const { found, all, pages } = search("completion=IT IS 3&order=advantage&page=7");
  expect(all).toBe(101_000);
  expect(found).toBeGreaterThan(1000);
  expect(search(`completion=it is 3&page=${pages - 1}`).shown.length).toBe(found % PAGE || PAGE);
  view.close();
  long.close();
}, 60_000);
