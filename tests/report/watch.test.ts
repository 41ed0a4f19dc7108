import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RolloutLog } from "../../beyond/report/rollouts.ts";
import { LiveReport, serve } from "../../beyond/report/watch.ts";
import { watchSettings } from "../../beyond/settings/arguments.ts";
import { RunInTheMaking } from "./made-run.ts";

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
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

const status = async (headers: Record<string, string>, path = "", method = "GET") => {
  const response = await fetch(`http://127.0.0.1:${server.port}/${path}`, { headers, method });
  await response.body?.cancel();
  return response.status;
};

test("listens on 127.0.0.1 alone", () => {
  expect(server.hostname).toBe("127.0.0.1");
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
  await view.update();
  const seconds = (performance.now() - began) / 1000;
  expect(seconds).toBeLessThan(10);
  expect((process.memoryUsage().rss - rss) / 2 ** 20).toBeLessThan(500);
  await page.cancel();
  view.close();
  long.close();
}, 60_000);
