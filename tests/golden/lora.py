"""Makes lora-*.safetensors: PEFT's LoRA on top of models of decoder.py, in float64.

    /tmp/golden/bin/pip install peft==0.18.0      (beside what decoder.py needs)
    /tmp/golden/bin/python tests/golden/lora.py

The base weights are those of decoder-NAME.safetensors. Each file holds, for the same groups:
  weights/NAME       f32   the adapters by the names PEFT saves them under
  coefficients, logprobs, entropies, gradients/NAME, losses: as in decoder.py, gradients and training of the
  adapters alone
and in its metadata `case`, JSON of PEFT's adapter_config.json and the optimizer's settings.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

from decoder import ADAMW, MAX_NORM, evaluate, make_float64, train

HERE = Path(__file__).parent
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VARIANTS = {
    "qwen2": dict(r=4, lora_alpha=6, target_modules=LINEAR),
    "linear": dict(r=8, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
}


def load_base(name):
    with safe_open(HERE / f"decoder-{name}.safetensors", "pt") as file:
        case = json.loads(file.metadata()["case"])
        weights = {key[8:]: file.get_tensor(key) for key in file.keys() if key.startswith("weights/")}
    config = CONFIG_MAPPING[case["config"]["model_type"]](**case["config"])
    model = AutoModelForCausalLM.from_config(config).eval()
    missing, extra = model.load_state_dict(weights, strict=False)
    assert not extra and set(missing) <= {"lm_head.weight"}
    return model


def make(name, seed):
    torch.manual_seed(seed)
    base = load_base(name)
    make_float64(base)
    model = get_peft_model(base, LoraConfig(**VARIANTS[name], task_type="CAUSAL_LM")).eval()
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        adapter_config = json.loads((Path(folder) / "adapter_config.json").read_text())
    adapters = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for parameter in adapters.values():
            parameter.copy_(torch.randn(parameter.shape) * 0.5 / parameter.shape[1] ** 0.5)
    model.double()
    logprobs, entropies = evaluate(model)
    coefficients = torch.randn(len(logprobs)).double()
    (coefficients * logprobs).sum().backward()
    tensors = dict(coefficients=coefficients, logprobs=logprobs.detach(), entropies=entropies.detach())
    for tensor, parameter in adapters.items():
        tensors[f"weights/{tensor}"] = parameter.detach().float()
        tensors[f"gradients/{tensor}"] = parameter.grad.clone()
    tensors["losses"] = train(model)
    case = dict(adapter_config=adapter_config, optimizer=dict(ADAMW, max_norm=MAX_NORM))
    path = HERE / f"lora-{name}.safetensors"
    save_file(tensors, path, {"case": json.dumps(case)})
    path.chmod(0o644)
    losses = tensors["losses"].tolist()
    print(path.name, path.stat().st_size, "bytes, losses", round(losses[0], 3), "to", round(losses[-1], 3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(VARIANTS):
        make(name, 20251222 + i)
