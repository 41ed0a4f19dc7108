"""Read by every Python of a cluster under test: flips one bit of what passes through a pipe of the bridge or of an actor.

RLEXPLORE_DAMAGE names a file. While it is there it says where ("worker out", "worker in", "bridge in", "bridge out")
and at which part (0 to 1) of the next piece of bytes a bit flips; whoever flips it takes the file away.
"""

import os
import subprocess

PLAN = os.environ.get("RLEXPLORE_DAMAGE")


def damaged(where, data):
    if not data or not os.path.exists(PLAN):
        return data
    try:
        with open(PLAN) as file:
            wanted, part = file.read().rsplit(" ", 1)
        if wanted != where:
            return data
        os.rename(PLAN, PLAN + ".done")
    except (OSError, ValueError):
        return data  # another took it
    flipped = bytearray(data)
    flipped[int(float(part) * len(flipped))] ^= 1 << (len(flipped) % 8)
    return bytes(flipped)


class Pipe:
    """A pipe's end, which damages what passes."""

    def __init__(self, stream, where):
        self.stream, self.where = stream, where

    def read(self, count):
        return damaged(self.where, self.stream.read(count))

    def write(self, data):
        return self.stream.write(damaged(self.where, data))

    def __getattr__(self, name):
        return getattr(self.stream, name)


def within_actors():
    popen = subprocess.Popen

    class Damaging(popen):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            if command[-1] == "worker":
                self.stdin, self.stdout = Pipe(self.stdin, "worker in"), Pipe(self.stdout, "worker out")

    subprocess.Popen = Damaging


def within_bridge():
    import sys

    fdopen = os.fdopen
    os.fdopen = lambda fd, mode="r", *more: Pipe(fdopen(fd, mode, *more), "bridge out") if mode == "wb" else fdopen(fd, mode, *more)

    class Input:
        buffer = Pipe(sys.stdin.buffer, "bridge in")

    sys.stdin = Input()


if PLAN:
    import sys

    if sys.orig_argv[-1].endswith("bridge.py"):
        within_bridge()
    else:
        within_actors()
