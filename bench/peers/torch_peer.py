"""PyTorch at the tasks of bench/peers/, asked by torch.ts: a line of JSON in, a line of JSON out.

    {"open": {"op", "dtype", "settings", "inputs": {name: {"file", "shape"}}}}   makes ready
    {"run": times}        {"seconds": s}     does it so many times
    {"results": folder}   {"outputs": []}    does it once and writes each of these there, as float32

Arguments: the device (cpu, or gpu for the best there is) and the threads of a CPU.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def einsum(p, subscripts, left, right):
    """A product of a linear layer."""
    return {"product": torch.einsum(subscripts, p[left], p[right])}


def attend(q, k, v):
    """q[T, H, D], k and v[T, KV, D] to o[T, H, D]."""
    heads_first = [x.transpose(0, 1).unsqueeze(0) for x in (q, k, v)]
    o = F.scaled_dot_product_attention(*heads_first, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
    return o.squeeze(0).transpose(0, 1)


def attention(p, backward):
    if not backward:
        return {"o": attend(p["q"], p["k"], p["v"])}
    q, k, v = (p[name].detach().requires_grad_() for name in ("q", "k", "v"))
    o = attend(q, k, v)
    dq, dk, dv = torch.autograd.grad(o, (q, k, v), p["d_o"])
    return {"o": o, "dq": dq, "dk": dk, "dv": dv}


def layer(p, headDim, epsilon):
    """A decoder layer, forward and backward."""
    cos, sin, dy = p["cos"], p["sin"], p["dy"]
    w = {n: x.detach().requires_grad_() for n, x in p.items() if n not in ("cos", "sin", "dy")}
    tokens = dy.shape[0]
    heads = lambda x: x.view(tokens, -1, headDim)

    def rope(x):
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    x = w["x"]
    normed = F.rms_norm(x, x.shape[-1:], w["input_norm"], epsilon)
    q, k, v = (heads(F.linear(normed, w[name])) for name in ("q_proj", "k_proj", "v_proj"))
    attended = attend(rope(q), rope(k), v).reshape(tokens, -1)
    middle = x + F.linear(attended, w["o_proj"])
    normed = F.rms_norm(middle, x.shape[-1:], w["post_norm"], epsilon)
    gated = F.silu(F.linear(normed, w["gate_proj"])) * F.linear(normed, w["up_proj"])
    y = middle + F.linear(gated, w["down_proj"])
    gradients = torch.autograd.grad(y, tuple(w.values()), dy)
    return {"y": y, **{f"d_{name}": g for name, g in zip(w, gradients)}}


OPS = {"einsum": einsum, "attention": attention, "layer": layer}


def choose_device(kind):
    if kind == "gpu" and torch.cuda.is_available():
        return "cuda"
    if kind == "gpu" and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


class Peer:
    def __init__(self, kind, threads):
        self.device = choose_device(kind)
        torch.set_num_threads(threads)

    def about(self):
        name = torch.cuda.get_device_name() if self.device == "cuda" else self.device
        threads = f", {torch.get_num_threads()} threads" if self.device == "cpu" else ""
        return {"version": torch.__version__, "device": name + threads}

    def open(self, op, dtype, settings, inputs):
        def load(file, shape):
            values = torch.from_numpy(numpy.fromfile(file, numpy.float32)).reshape(shape)
            return values.to(self.device, DTYPES[dtype])

        self.inputs = {name: load(**given) for name, given in inputs.items()}
        self.work = lambda: OPS[op](self.inputs, **settings)
        return {}

    def wait(self):
        if self.device != "cpu":
            getattr(torch, self.device).synchronize()

    def run(self, times):
        self.wait()
        start = time.perf_counter()
        for _ in range(times):
            self.work()
        self.wait()
        return {"seconds": time.perf_counter() - start}

    def results(self, folder):
        outputs = self.work()
        for name, value in outputs.items():
            value.detach().float().cpu().contiguous().numpy().tofile(Path(folder) / name)
        return {"outputs": list(outputs)}


peer = Peer(sys.argv[1], int(sys.argv[2]))
for line in sys.stdin:
    try:
        [(request, given)] = json.loads(line).items()
        if request == "about":
            answer = peer.about()
        elif request == "open":
            answer = peer.open(**given)
        elif request == "run":
            answer = peer.run(given)
        else:
            answer = peer.results(given)
    except Exception as error:  # told to the bench, which goes on with the next task
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
