import { afterAll, expect, test } from "bun:test";
import { limitedFetch } from "../../beyond/hub/request.ts";

let tokens: (string | null)[] = [];
const endless = () =>
  new ReadableStream({
    pull(out) {
      out.enqueue(new Uint8Array(100_000));
    },
  });
const silent = () =>
  new ReadableStream({
    start(out) {
      out.enqueue(new Uint8Array(10));
    },
  });
const serve = () =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 60,
    fetch(request) {
      tokens.push(request.headers.get("authorization"));
      const { pathname } = new URL(request.url);
      if (pathname === "/never") return new Promise<Response>(() => {});
      if (pathname === "/silent") return new Response(silent());
      if (pathname === "/endless") return new Response(endless());
      return Response.json({ fine: true });
    },
  });
const [hub, stranger] = [serve(), serve()];
afterAll(() => Promise.all([hub.stop(true), stranger.stop(true)]));

const fetchFrom = limitedFetch(
  { endpoint: hub.url.origin, token: "secret", patience: 300 },
  1_000_000,
);
const read = async (path: string) => (await fetchFrom(new URL(path, hub.url))).arrayBuffer();

test("the token goes to the hub, and not to where a listing points", async () => {
  tokens = [];
  await fetchFrom(hub.url);
  await fetchFrom(stranger.url);
  expect(tokens).toEqual(["Bearer secret", null]);
});

test("a server that says nothing, or stops in the middle, is given up", async () => {
  await expect(read("/never")).rejects.toThrow(/was silent for/);
  await expect(read("/silent")).rejects.toThrow(/was silent for/);
});

test("a reply without end is given up", async () => {
  await expect(read("/endless")).rejects.toThrow(/sends more than it should/);
});
