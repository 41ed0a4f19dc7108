import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findDawnAdapter } from "../../beyond/platform/adapter.ts";
import { explainLoadError } from "../../beyond/platform/dawn.ts";
import { fileSizeLimit } from "../../beyond/platform/file-size-limit.ts";
import { UserError } from "../../lib/errors.ts";

const module = resolve(import.meta.dir, "../../beyond/platform/adapter.ts");
const embeds = process.platform === "linux" && process.arch === "x64";
const folder = await mkdtemp(join(tmpdir(), "rlexplore-adapter-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs `source` with `findDawnAdapter` in a fresh process, on a machine made to look as `env` says. */
async function inProcess(source: string, env: Record<string, string> = {}) {
  const script = `import { findDawnAdapter } from ${JSON.stringify(module)};\n${source}`;
  const { RLEXPLORE_GPU: _, ...inherited } = process.env;
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...inherited, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { out: out.trim(), err: err.trim(), code: await child.exited };
}

const printKind = "const { kind, why } = await findDawnAdapter(); console.log(kind, why);";
const withoutDrivers = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message;
}

describe("findDawnAdapter", () => {
  test("finds an adapter that computes, and says which and why", async () => {
    const { adapter, name, why } = await findDawnAdapter("");
    expect(why).toStartWith(name);
    const device = await adapter.requestDevice();
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const buffer = device.createBuffer({ size: 8, usage });
    device.queue.writeBuffer(buffer, 0, new Float32Array([1.5, -2]));
    await buffer.mapAsync(GPUMapMode.READ);
    expect([...new Float32Array(buffer.getMappedRange())]).toEqual([1.5, -2]);
    buffer.unmap();
    device.destroy();
  });

  test("picks by part of the name in any case, from the argument or RLEXPLORE_GPU", async () => {
    const { name } = await findDawnAdapter("");
    const part = name.slice(1, 6);
    expect((await findDawnAdapter(part.toUpperCase())).name).toBe(name);
    const { out, err } = await inProcess(printKind, { RLEXPLORE_GPU: part });
    expect(err).toBe("");
    expect(out).toContain("asked for by name");
  });

  test("a name that no adapter has is an error which lists those there are", async () => {
    const { name } = await findDawnAdapter("");
    const message = await messageOf(findDawnAdapter("no such GPU"));
    expect(message).toStartWith('no adapter matches "no such GPU"; there are: ');
    expect(message).toContain(name);
  });
});

describe.if(embeds)("the embedded SwiftShader", () => {
  test("is there beside the system's adapters, which stay visible after it", async () => {
    const before = await findDawnAdapter("");
    expect(await findDawnAdapter("swiftshader")).toMatchObject({ kind: "embedded-software" });
    expect((await findDawnAdapter("")).name).toBe(before.name);
  });

  test("serves a machine without drivers; processes that start at once share one copy", async () => {
    const env = { ...withoutDrivers, XDG_CACHE_HOME: join(folder, "cache") };
    const runs = await Promise.all([inProcess(printKind, env), inProcess(printKind, env)]);
    for (const { out, err, code } of runs) {
      expect(out).toStartWith("embedded-software SwiftShader");
      expect([err, code]).toEqual(["", 0]);
    }
    expect(await readdir(join(folder, "cache", "rlexplore"))).toHaveLength(1);
  });

  test("is unpacked under the temporary folder where the cache cannot be written", async () => {
    const env = { ...withoutDrivers, XDG_CACHE_HOME: "/dev/null/no", TMPDIR: folder };
    const { out } = await inProcess(printKind, env);
    expect(out).toStartWith("embedded-software");
    expect(await readdir(folder)).toContain(`rlexplore-${process.getuid?.()}`);
  });

  test("names itself when a system driver is asked for that is not there", async () => {
    const source =
      'await findDawnAdapter("llvmpipe").catch(({ message }) => console.log(message));';
    const { out } = await inProcess(source, withoutDrivers);
    expect(out).toMatch(/^no adapter matches "llvmpipe"; there are: SwiftShader/);
  });

  test("survives the garbage collector, although nobody holds the instance", async () => {
    const source = `
      const device = await (await findDawnAdapter("swiftshader")).adapter.requestDevice();
      for (let i = 0; i < 30; i++) {
        const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
        const buffer = device.createBuffer({ size: 4, usage });
        device.queue.writeBuffer(buffer, 0, new Uint32Array([i]));
        Bun.gc(true);
        await buffer.mapAsync(GPUMapMode.READ);
        if (new Uint32Array(buffer.getMappedRange())[0] !== i) throw new Error("wrong");
        buffer.destroy();
      }
      console.log("alive");`;
    expect(await inProcess(source)).toEqual({ out: "alive", err: "", code: 0 });
  });
});

const mesa = await findDawnAdapter("lavapipe").catch(() => null);
test.if(mesa !== null)("Mesa's lavapipe answers to both of its names", async () => {
  expect(mesa?.kind).toBe("system-software");
  expect((await findDawnAdapter("LLVMpipe")).name).toBe(mesa?.name ?? "");
});

describe("explainLoadError", () => {
  test("an old C library is one line that names what is needed", () => {
    const message = explainLoadError(
      "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by dawn.node)",
    );
    expect(message).toContain("glibc 2.34");
    expect(message).toContain("Ubuntu 22.04");
    expect(message).not.toContain("\n");
  });

  test("a temporary folder from which nothing can be loaded is named, and what cures it", () => {
    for (const said of [
      "/tmp/.bun-0-98.node: failed to map segment from shared object",
      "/$bunfs/root/dawn.node: cannot open shared object file: No such file or directory",
    ]) {
      expect(explainLoadError(said)).toMatch(/cannot be loaded from \/.*: TMPDIR=/);
    }
  });

  test("anything else keeps the linker's words", () => {
    expect(explainLoadError("dawn.node: file too short\nstack")).toBe(
      "the GPU library could not be loaded: dawn.node: file too short",
    );
  });
});

test("the limit of files, in which lavapipe has its memory, is read as the system writes it", () => {
  const lines = (soft: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax file size             ${soft}              unlimited            bytes     \n`;
  expect(fileSizeLimit(lines("1024000"))).toBe(1_024_000);
  expect(fileSizeLimit(lines("unlimited"))).toBe(Number.POSITIVE_INFINITY);
  expect(fileSizeLimit("")).toBe(Number.POSITIVE_INFINITY);
});
