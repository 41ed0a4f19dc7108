"""Two nodes of Ray on this machine, for tests. Prints the address; then takes a command a line, and says "done" to each:

    node         puts another node in the place of the second
    fill, empty  fills the object stores of both with what may not leave them, or lets go of it

At the end of standard input everything ends. The arguments are the size of each node's object store in MiB, and a folder
that the second node does not see, as if it were another machine (Linux, root).
"""

import ctypes
import subprocess
import sys

import numpy as np
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

size = int(sys.argv[1])
store = {"object_store_memory": size << 20}


def started(start):
    """Tries again what fails: Ray gives up a node whose first Python is not there in 15 s, as on a busy machine."""
    for tries in range(9):
        try:
            return start()
        except Exception as error:
            print(f"no node after {tries + 1} tries: {error}", file=sys.stderr)
    return start()


head = {"num_cpus": 1, "include_dashboard": False, **store}
cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
if len(sys.argv) > 2:
    # this process, and what it starts from now on, has mounts of its own
    new_mounts = 0x00020000
    if ctypes.CDLL(None).unshare(new_mounts) != 0:
        sys.exit("a folder can be hidden from a node by root alone")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "nothing", sys.argv[2]], check=True)
second = started(lambda: cluster.add_node(num_cpus=1, **store))


@ray.remote(num_cpus=0)
class Filler:
    def __init__(self):
        self.held = []

    def fill(self):
        try:
            for _ in range(1000):
                self.held.append(ray.put(np.zeros(4 << 20, np.uint8)))
                if len(self.held) * 4 > size:
                    return
        except ray.exceptions.RayError:
            pass


fillers = []


def fill():
    if not ray.is_initialized():
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    for node in ray.nodes():
        if node["Alive"]:
            where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            fillers.append(Filler.options(scheduling_strategy=where).remote())
    for filler in fillers:
        ray.get(filler.fill.remote())


print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "node":
        cluster.remove_node(second, allow_graceful=False)
        second = started(lambda: cluster.add_node(num_cpus=1, **store))
    if line.strip() == "fill":
        fill()
    if line.strip() == "empty":
        for filler in fillers:
            ray.kill(filler)
        fillers.clear()
    print("done", flush=True)
cluster.shutdown()
