"""Makes decoder-tied.safetensors and decoder-untied.safetensors: a tiny Hugging Face Llama in float64,
with PyTorch's autograd as the judge of our handwritten backward pass.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
    /tmp/golden/bin/python tests/golden/decoder.py

Each file holds, for fixed groups of completions that share a prompt:
  weights/NAME       f32   the parameters; every number is exact in f32
  coefficients       f64   [M], one for each completion token, groups and completions in order
  logprobs           f64   [M], log softmax(logits / temperature)[token]
  entropies          f64   [M], of the same distribution
  gradients/NAME     f64   of sum(coefficients * logprobs)
and in its metadata `case`, JSON of the config, the groups and the temperature. Torch gets every completion
after a copy of its prompt, so the file also judges the sharing of prompts.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

CONFIG = dict(
    vocab_size=37,
    hidden_size=24,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,  # 4 heads of 8 are wider than the hidden size
    rms_norm_eps=1e-5,
    rope_theta=100.0,
    max_position_embeddings=64,
)
TEMPERATURE = 0.8
GROUPS = [
    dict(prompt=[5, 11, 2, 30, 7], completions=[[1, 9, 36, 0], [4], [12, 12, 3, 8, 25, 6, 19, 33, 1]]),
    dict(prompt=[17], completions=[[20, 21], [22, 5, 11]]),
    dict(prompt=[3, 14, 15, 9, 2, 6, 5, 35, 8, 9, 7, 9], completions=[[31, 0], [31, 0], [2, 28, 18, 28, 0]]),
]


class Float64Norm(torch.nn.Module):
    """LlamaRMSNorm without its cast to float32."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.eps = norm.weight, norm.variance_epsilon

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class Float64Rotary(torch.nn.Module):
    """LlamaRotaryEmbedding without its cast to float32."""

    def forward(self, x, position_ids):
        exponent = torch.arange(0, CONFIG["head_dim"], 2, dtype=torch.float64) / CONFIG["head_dim"]
        angles = position_ids[..., None].double() * CONFIG["rope_theta"] ** -exponent
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


def evaluate(model):
    """Log-probabilities and entropies of all completion tokens, each sequence run by itself."""
    logprobs, entropies = [], []
    for group in GROUPS:
        start = len(group["prompt"])
        for completion in group["completions"]:
            tokens = torch.tensor([group["prompt"] + completion])
            logits = model(tokens, use_cache=False).logits[0, start - 1 : -1]
            log_p = torch.log_softmax(logits / TEMPERATURE, dim=-1)
            logprobs.append(log_p.gather(1, tokens[0, start:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(-1))
    return torch.cat(logprobs), torch.cat(entropies)


def make(tied: bool):
    torch.manual_seed(20251122 + tied)
    config = LlamaConfig(**CONFIG, tie_word_embeddings=tied, attn_implementation="sdpa")
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():  # a tied head appears once
            if parameter.dim() == 1:
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) / parameter.shape[1] ** 0.5)
    model.double()
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied

    as_published = evaluate(model)[0].detach()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, modeling_llama.LlamaRMSNorm):
                setattr(module, name, Float64Norm(child))
    model.model.rotary_emb = Float64Rotary()
    logprobs, entropies = evaluate(model)
    # Taking the casts out changes float32 rounding and nothing else.
    assert 0 < (logprobs - as_published).abs().max() < 1e-5

    coefficients = torch.randn(len(logprobs)).double()
    (coefficients * logprobs).sum().backward()
    tensors = dict(coefficients=coefficients, logprobs=logprobs.detach(), entropies=entropies.detach())
    for name, parameter in model.named_parameters():
        tensors[f"weights/{name}"] = parameter.detach().float()
        tensors[f"gradients/{name}"] = parameter.grad
    hf_config = dict(CONFIG, architectures=["LlamaForCausalLM"], tie_word_embeddings=tied)
    case = dict(config=hf_config, groups=GROUPS, temperature=TEMPERATURE)
    path = Path(__file__).parent / f"decoder-{'tied' if tied else 'untied'}.safetensors"
    save_file(tensors, path, {"case": json.dumps(case)})
    path.chmod(0o644)
    print(path, path.stat().st_size, "bytes")


torch.set_num_threads(1)
make(tied=True)
make(tied=False)
