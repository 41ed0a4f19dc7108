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
import socket
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
ELSEWHERE = "TMPDIR, set where Ray is started on that machine, names another folder"
LENGTHS, CRC = "<IQ", "<I"
#: What a worker, its node, or what lay there being gone looks like; anything else is the cluster's own trouble.
LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.RayTaskError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.WorkerCrashedError,
    KeyError,
)


class Damaged(Exception):
    pass


def read_exactly(stream, count):
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("a message was cut short")
    return data


def check(stream, crc):
    if struct.unpack(CRC, read_exactly(stream, struct.calcsize(CRC))) != (crc,):
        raise Damaged("a message was damaged on its way")


def read_head(stream):
    """(header in JSON, length of the bytes after it); None where the stream ends."""
    first = stream.read(1)
    if not first:
        return None
    lengths = first + read_exactly(stream, struct.calcsize(LENGTHS) - 1)
    check(stream, zlib.crc32(lengths))
    head, size = struct.unpack(LENGTHS, lengths)
    return read_exactly(stream, head), size


def read_slabs(stream, head, size):
    """The bytes after a header in slabs."""
    crc = zlib.crc32(head)
    for start in range(0, size, SLAB):
        slab = read_exactly(stream, min(SLAB, size - start))
        crc = zlib.crc32(slab, crc)
        yield slab
    check(stream, crc)


def write_frame(stream, header, slabs=(), size=0):
    """`slabs` are `size` bytes together, and may come one by one."""
    head = json.dumps(header).encode()
    lengths = struct.pack(LENGTHS, len(head), size)
    stream.write(lengths + struct.pack(CRC, zlib.crc32(lengths)) + head)
    crc = zlib.crc32(head)
    for slab in slabs:
        crc = zlib.crc32(slab, crc)
        stream.write(slab)
    stream.write(struct.pack(CRC, crc))
    stream.flush()


def bytes_of(ref):
    return memoryview(ray.get(ref)).cast("B")


def bring(refs):
    """Has Ray carry these to this node, while what comes first is worked on."""
    if refs:
        ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=True)


def die_with_parent():
    """In a child: the end of its actor is its own, even while it is stopped (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)


def files_of(path):
    """A folder's files by their path within it; a file under the empty path."""
    if os.path.isfile(path):
        return {"": path}
    found = os.listdir(path) if os.path.isdir(path) else []
    # what lies deeper is no part of a model: a run's moments, another format's copy
    files = {name: os.path.join(path, name) for name in sorted(found)}
    return {name: file for name, file in files.items() if os.path.isfile(file)}


def digest_of(path):
    """SHA-256 of names and contents; of nothing where there is nothing."""
    digest = hashlib.sha256()
    for name, file in files_of(path).items():
        digest.update(name.encode() + b"\0")
        with open(file, "rb") as stream:
            while piece := stream.read(SLAB):
                digest.update(piece)
    return digest.hexdigest()


def placed(path, digest):
    """Where a node puts what it lacks."""
    return os.path.join(tempfile.gettempdir(), f"rlexplore-{digest[:16]}", os.path.basename(path))


@ray.remote(max_restarts=0, max_task_retries=0)
class Worker:
    """One on its node: it may bring there what the node lacks, and then begins the trainer below it."""

    def find(self, path, digest):
        """Where this node has what the driver has at `path`: there, or in a folder that its contents name; or None."""
        return next((at for at in (path, placed(path, digest)) if digest_of(at) == digest), None)

    def place(self, path, digest, files):
        at = placed(path, digest)
        # a worker that comes at the same time finds whole files only, and may write the same ones
        partial = os.path.join(tempfile.gettempdir(), f"rlexplore-{digest[:16]}.{os.getpid()}")
        try:
            for within, slabs in files.items():
                target = os.path.join(at, within) if within else at
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(partial, "wb") as file:
                    for slab in slabs:
                        file.write(bytes_of(slab))
                os.chmod(partial, 0o755)
                os.replace(partial, target)
        except OSError as error:
            if os.path.exists(partial):
                os.remove(partial)
            raise OSError(f"{path} cannot be put at {at} ({error.strerror}); {ELSEWHERE}") from error
        if digest_of(at) != digest:
            raise Damaged(f"{path} was damaged on its way to {at}")
        return at

    def begin(self, command, env):
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # what is set on the node itself is meant for it
                env={**env, **os.environ},
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        except PermissionError as error:
            raise OSError(f"{command[0]} may not be run (is its disk mounted noexec?); {ELSEWHERE}") from error

    def call(self, header, slabs, size):
        """One request: yields the reply's bytes in slabs, and last its header, when all of it was sound."""
        try:
            bring(slabs)
            write_frame(self.process.stdin, header, map(bytes_of, slabs), size)
            head, size = read_head(self.process.stdout)
            for slab in read_slabs(self.process.stdout, head, size):
                yield np.frombuffer(slab, np.uint8)
            yield {**json.loads(head), "size": size}
        except Exception:
            # the trainer below has died, or says what is none, or has half a request: no other may reach it
            os._exit(1)


class Bridge:
    def __init__(self, output):
        self.output, self.lock = output, threading.Lock()
        self.workers, self.digests, self.files = {}, {}, {}
        #: What lies in the object store, as (references, bytes), and sums that are being made, as arrays.
        self.kept, self.sums = {}, {}
        #: Slabs of a sum do not depend on each other.
        self.adders = ThreadPoolExecutor(os.cpu_count())

    def keep(self, pieces):
        """Puts pieces of bytes into the object store."""
        refs, size = [], 0
        for piece in pieces:
            refs.append(ray.put(np.frombuffer(piece, np.uint8)))
            size += len(piece)
        return refs, size

    # Each method below answers one request of the driver.

    def init(self, address, gpusPerNode=None, **_):
        self.gpus_per_node = gpusPerNode
        require_answer(address)
        where = {"include_dashboard": False} if address == "local" else {}
        ray.init(address, **where, log_to_driver=False, configure_logging=False)
        return self.nodes()

    def nodes(self, **_):
        alive = [node for node in ray.nodes() if node["Alive"]]
        here = ray.get_runtime_context().get_node_id()
        return {
            "nodes": [
                {"id": n["NodeID"], "gpus": self.gpus(n), "isHere": n["NodeID"] == here}
                for n in sorted(alive, key=lambda n: n["NodeID"])
            ]
        }

    def gpus(self, node):
        return self.gpus_per_node or int(node["Resources"].get("GPU", 0))

    def digest(self, path):
        if path not in self.digests:
            self.digests[path] = digest_of(path)
        return self.digests[path]

    def read(self, path):
        """The files of `path`, in slabs in the object store; read once."""
        if path not in self.files:
            self.files[path] = {}
            for within, file in files_of(path).items():
                with open(file, "rb") as stream:
                    self.files[path][within], _ = self.keep(iter(lambda: stream.read(SLAB), b""))
        return self.files[path]

    def start(self, worker, node, gpu, command, env, files, **_):
        """`files`: what the node may lack, by what it is for; answered with where it is there."""
        here = Worker.options(
            # Ray has none to give where its count is not believed
            num_gpus=1 if gpu and not self.gpus_per_node else 0,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        self.workers[worker] = actor = here.remote()

        def there(path):
            digest = self.digest(path)
            found = ray.get(actor.find.remote(path, digest))
            return found or ray.get(actor.place.remote(path, digest, self.read(path)))

        at = {what: there(path) for what, path in files.items()}
        ray.get(actor.begin.remote([at.get("program", command[0]), *command[1:]], env))
        return {"at": at}

    def call(self, worker, request, keep=None, give=None, payload=(), **_):
        """A request of one worker; what it answers with stays here as `keep`, what it is given is kept as `give`."""
        slabs, size = self.kept[give] if give else self.keep(payload)
        actor = self.workers[worker]
        refs = []
        for ref in actor.call.options(num_returns="streaming").remote(request, slabs, size):
            # the next slab is made meanwhile
            bring([ref])
            refs.append(ref)
        reply = ray.get(refs.pop())
        size = reply.pop("size")
        if keep:
            self.kept[keep] = refs, size
            return reply
        return reply, map(bytes_of, refs), size

    def add(self, key, into, isFirst, isLast, exponent=None, sumExponent=None, **_):
        """Adds a vector to a sum, slab by slab; the last one has the sum kept. With exponents they are in f16 (see halves.ts)."""
        refs, _size = self.kept.pop(key)
        if isFirst:
            self.sums[into] = [None] * len(refs)
        total = self.sums[into]

        def add_slab(i):
            values = ray.get(refs[i])
            if exponent is None:
                values = values.view(np.float32)
            else:
                values = values.view(np.float16).astype(np.float32)
                values *= np.float32(2.0**-exponent)
            if isFirst:
                total[i] = np.array(values)
            else:
                total[i] += values

        list(self.adders.map(add_slab, range(len(refs))))
        if isLast:
            done = self.sums.pop(into)
            if exponent is not None:
                done = self.adders.map(lambda slab: (slab * np.float32(2.0**sumExponent)).astype(np.float16), done)
            self.kept[into] = self.keep(slab.view(np.uint8) for slab in done)
        return {}

    def store(self, into, payload=(), **_):
        self.kept[into] = self.keep(payload)
        return {}

    def drop(self, keys, **_):
        for key in keys:
            self.kept.pop(key, None)
            self.sums.pop(key, None)
        return {}

    def kill(self, worker, **_):
        actor = self.workers.pop(worker, None)
        if actor:
            ray.kill(actor)
        return {}

    def answer(self, header, payload):
        number = header.pop("id")
        slabs, size = (), 0
        try:
            reply = getattr(self, header.pop("op"))(**header, payload=payload)
            if isinstance(reply, tuple):
                reply, slabs, size = reply
                # before the header says that there are any
                slabs = list(slabs)
        except LOST as error:
            reply = {"lost": in_a_line(error)}
        except Exception as error:
            reply = {"failed": in_a_line(error)}
        with self.lock:
            write_frame(self.output, {"id": number, **reply}, slabs, size)


def require_answer(address):
    """Ray waits many minutes, in silence, for a host:port where nothing is."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # auto, local, or an address of another kind
    try:
        socket.create_connection((host.strip("[]"), int(port)), 20).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"nothing answers at {address} ({error})") from None


def in_a_line(error):
    """What it is; of what was raised on a node, that alone."""
    error = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(error).split("\n") if line.strip()] or [""]
    last = f" ... {lines[-1]}" if len(lines) > 1 and "Error: " in lines[-1] else ""
    return f"{type(error).__name__}: {lines[0]}{last}"


def main():
    # Ray prints to standard output, which is for frames alone
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bridge = Bridge(output)
    with ThreadPoolExecutor(max_workers=1024) as pool:
        while (found := read_head(sys.stdin.buffer)) is not None:
            head, size = found
            payload = list(read_slabs(sys.stdin.buffer, head, size))
            pool.submit(bridge.answer, json.loads(head), payload)
    os._exit(0)  # the driver is gone; its actors end with it


try:
    main()
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)  # threads that wait for workers would keep it
