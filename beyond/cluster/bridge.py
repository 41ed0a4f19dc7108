"""Between the driver of a run and a Ray cluster: all the Python there is.

The driver starts this with a Python that has `ray` and `numpy` and speaks frames with it (see frames.ts). Each worker is an
actor that starts the same executable on its node and hands frames on. What is large stays in Ray's object
store, in slabs: gradients are summed here, slab by slab as they come, in the order of the shards and in
float32, and every worker reads the sum from the store of its own node.

An actor is never started anew by Ray, and no task is sent twice: a fresh actor would have other weights. The
driver decides what happens when one is lost.
"""

import ctypes
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SLAB = 64 << 20


def read_exactly(stream, count):
    data = stream.read(count)
    return data if len(data) == count else None


def read_lengths(stream):
    lengths = read_exactly(stream, 12)
    return struct.unpack("<IQ", lengths) if lengths else None


def write_frame(stream, header, slabs=()):
    if slabs:
        crc = 0
        for slab in slabs:
            crc = zlib.crc32(slab, crc)
        header = {**header, "crc": crc}
    head = json.dumps(header).encode()
    stream.write(struct.pack("<IQ", len(head), sum(memoryview(slab).nbytes for slab in slabs)) + head)
    for slab in slabs:
        stream.write(slab)
    stream.flush()


def die_with_parent():
    """In a child: the end of its actor is its own, even while it is stopped (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)


def files_of(path):
    """The file, or the folder's files, by their path within it."""
    if os.path.isfile(path):
        return {os.path.basename(path): path}
    found = [os.path.join(base, name) for base, _, names in os.walk(path) for name in names]
    return {os.path.relpath(file, path): file for file in sorted(found)}


def digest_of(path):
    """SHA-256 of names and contents; of nothing where there is nothing."""
    digest = hashlib.sha256()
    for name, file in files_of(path).items():
        digest.update(name.encode() + b"\0")
        with open(file, "rb") as stream:
            while piece := stream.read(SLAB):
                digest.update(piece)
    return digest.hexdigest()


def place(path, digest, files):
    """Where this node has what the driver has at `path`: there, or else in a folder that its contents name."""
    if digest_of(path) == digest:
        return path
    folder = os.path.join(tempfile.gettempdir(), f"rlexplore-{digest[:16]}")
    for within, ref in files.items():
        target = os.path.join(folder, within)
        if os.path.exists(target):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = f"{target}.{os.getpid()}"
        with open(partial, "wb") as file:
            for slab in ray.get(ref):
                file.write(ray.get(slab))
        os.chmod(partial, 0o755)
        os.replace(partial, target)  # several workers of a node may come at once
    is_one = list(files) == [os.path.basename(path)]
    return os.path.join(folder, os.path.basename(path)) if is_one else folder


@ray.remote(max_restarts=0, max_task_retries=0)
class Worker:
    def __init__(self, command, program, model):
        """`program` and `model`: what this node may lack, as (path, digest, files), or None."""
        if program:
            command = [place(*program), *command[1:]]
        self.model = place(*model) if model else None
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )

    def where(self):
        return {"node": ray.get_runtime_context().get_node_id(), "pid": self.process.pid, "model": self.model}

    def call(self, header, slabs):
        """One request: yields the reply's header, then its bytes in slabs. `slabs` are references."""
        try:
            payload = [memoryview(ray.get(slab)).cast("B") for slab in slabs]
            write_frame(self.process.stdin, header, payload)
            lengths = read_lengths(self.process.stdout)
            if lengths is None:
                raise BrokenPipeError
            head, size = lengths
            reply = json.loads(read_exactly(self.process.stdout, head))
            yield {**reply, "size": size}
            crc = 0
            for start in range(0, size, SLAB):
                slab = read_exactly(self.process.stdout, min(SLAB, size - start))
                crc = zlib.crc32(slab, crc)
                yield np.frombuffer(slab, np.uint8)
            if size and crc != reply["crc"]:
                raise BrokenPipeError
        except (BrokenPipeError, TypeError, ValueError):
            os._exit(1)  # the trainer below has died, or says what is none: no other request may reach it


class Bridge:
    def __init__(self, output):
        self.output, self.lock = output, threading.Lock()
        self.workers, self.kept, self.files = {}, {}, {}

    def put(self, data):
        return [ray.put(np.frombuffer(data[at : at + SLAB], np.uint8)) for at in range(0, len(data), SLAB)]

    # Each method below answers one request of the driver.

    def init(self, address, **_):
        where = {} if address == "local" else {"address": address}
        if address == "local":
            where = {"address": "local", "include_dashboard": False}
        ray.init(**where, log_to_driver=False, configure_logging=False)
        return self.nodes()

    def nodes(self, **_):
        alive = [node for node in ray.nodes() if node["Alive"]]
        here = ray.get_runtime_context().get_node_id()
        return {
            "nodes": [
                {"id": n["NodeID"], "gpus": int(n["Resources"].get("GPU", 0)), "cpus": n["Resources"].get("CPU", 0), "isHere": n["NodeID"] == here}
                for n in sorted(alive, key=lambda n: n["NodeID"])
            ]
        }

    def read(self, path):
        """(path, digest, files by their path within, as references); read once."""
        if path not in self.files:
            refs = {}
            for within, file in files_of(path).items():
                with open(file, "rb") as stream:
                    refs[within] = ray.put(self.put(stream.read()))
            self.files[path] = (path, digest_of(path), refs)
        return self.files[path]

    def start(self, worker, node, gpu, command, program, model, **_):
        ready = Worker.options(
            num_gpus=1 if gpu else 0,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        actor = ready.remote(
            command,
            self.read(program) if program else None,
            self.read(model) if model else None,
        )
        self.workers[worker] = actor
        return ray.get(actor.where.remote())

    def call(self, worker, request, keep=None, give=None, payload=b"", **_):
        """A request of one worker; what it answers with stays here as `keep`, what it is given is kept as `give`."""
        slabs = self.kept[give] if give else self.put(payload)
        actor = self.workers[worker]
        stream = actor.call.options(num_returns="streaming").remote(request, slabs)
        reply = ray.get(next(stream))
        refs = list(stream)
        if reply.get("size"):
            ray.get(refs[-1])  # an actor that finds its bytes damaged dies after the last of them
        if keep:
            self.kept[keep] = refs
            return reply
        return reply, [memoryview(ray.get(ref)) for ref in refs]

    def sum(self, keys, into, **_):
        """Adds float32 vectors in the order of `keys`."""
        total = []
        for slabs in zip(*(self.kept[key] for key in keys)):
            sum_ = ray.get(slabs[0]).view(np.float32)
            for slab in slabs[1:]:
                sum_ = sum_ + ray.get(slab).view(np.float32)
            total.append(ray.put(sum_.view(np.uint8)))
        self.kept[into] = total
        return {}

    def store(self, into, payload=b"", **_):
        self.kept[into] = self.put(payload)
        return {}

    def drop(self, keys, **_):
        for key in keys:
            self.kept.pop(key, None)
        return {}

    def kill(self, worker, **_):
        actor = self.workers.pop(worker, None)
        if actor:
            ray.kill(actor)
        return {}

    def answer(self, header, payload):
        number = header.pop("id")
        slabs = ()
        try:
            reply = getattr(self, header.pop("op"))(**header, payload=payload)
            if isinstance(reply, tuple):
                reply, slabs = reply
        except (ray.exceptions.RayError, KeyError) as error:
            reply = {"lost": f"{type(error).__name__}: {error}".strip().split("\n")[0]}
        except Exception as error:
            reply = {"failed": f"{type(error).__name__}: {error}".strip().split("\n")[0]}
        with self.lock:
            write_frame(self.output, {"id": number, **reply}, [slab for slab in slabs if slab.nbytes])


def main():
    # Ray prints to standard output, which is for frames alone
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bridge = Bridge(output)
    with ThreadPoolExecutor(max_workers=1024) as pool:
        while (lengths := read_lengths(sys.stdin.buffer)) is not None:
            head, size = lengths
            header = json.loads(read_exactly(sys.stdin.buffer, head))
            payload = read_exactly(sys.stdin.buffer, size) or b""
            pool.submit(bridge.answer, header, payload)
        os._exit(0)  # the driver is gone; its actors end with it


main()
