"""Makes optimizer.json: gradient-norm clipping and AdamW by PyTorch in float64.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.13.0
    /tmp/golden/bin/python tests/golden/optimizer.py

Two parameter tensors take four steps; `norm` is the gradient norm before clipping, and `parameters`
the values after the step. Parameters and gradients are exact in f32.
"""

import json
from pathlib import Path

import torch

MAX_NORM = 2.0
SETTINGS = dict(lr=0.02, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1)

torch.manual_seed(7)
parameters = [torch.nn.Parameter(torch.randn(n).double()) for n in (5, 3)]
start = [p.tolist() for p in parameters]
optimizer = torch.optim.AdamW(parameters, **SETTINGS)
steps = []
for scale in (3.0, 0.25, 1e-4, 2.0):  # steps 1 and 4 are clipped
    for parameter in parameters:
        parameter.grad = (scale * torch.randn(parameter.shape)).double()
    gradients = [p.grad.tolist() for p in parameters]
    norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM).item()
    optimizer.step()
    steps.append(dict(gradients=gradients, norm=norm, parameters=[p.tolist() for p in parameters]))
golden = dict(maxNorm=MAX_NORM, settings=SETTINGS, parameters=start, steps=steps)
path = Path(__file__).parent / "optimizer.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
print(path, [round(step["norm"], 3) for step in steps])
