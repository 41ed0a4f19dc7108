"""Makes decoder-*.safetensors: tiny Hugging Face models of every family in float64, with PyTorch's autograd
as the judge of our handwritten backward pass.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
    /tmp/golden/bin/python tests/golden/decoder.py

Each file holds, for fixed groups of completions that share a prompt:
  weights/NAME       f32   the parameters; every number is exact in f32
  coefficients       f64   [M], one for each completion token, groups and completions in order
  logprobs           f64   [M], log softmax(logits / temperature)[token]
  entropies          f64   [M], of the same distribution
  gradients/NAME     f64   of sum(coefficients * logprobs)
  losses             f64   [20], the mean of -log p over all completion tokens (temperature 1) before each
                           of 20 steps of AdamW on just that batch
and in its metadata `case`, JSON of the config as `transformers` writes it, the groups, the temperature, the
optimizer's settings and `greedy`, what `generate` appends to each prompt. Torch gets every completion after a
copy of its prompt, so the file also judges the sharing of prompts.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

# 4 heads of 8 are wider than the hidden size
SHAPE = dict(
    vocab_size=37,
    hidden_size=24,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    rms_norm_eps=1e-5,
    max_position_embeddings=64,
    bos_token_id=None,
    eos_token_id=None,
    attn_implementation="sdpa",
)
PLAIN = dict(rope_type="default", rope_theta=100.0)
LINEAR = dict(rope_type="linear", rope_theta=100.0, factor=4.0)
# Of the waves of 6.3, 11, 20 and 35 tokens the first is kept, the second blended, the others are stretched.
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=2.0,
    original_max_position_embeddings=16,  # the longest sequence has 17
)
# sequences of up to 21 tokens, layers that see 5 of them and one that sees all
GEMMA = dict(
    hidden_size=20,
    intermediate_size=20,
    num_hidden_layers=3,
    sliding_window=5,
    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    query_pre_attn_scalar=13,
    num_key_value_heads=1,
    rope_parameters=dict(
        full_attention=LINEAR, sliding_attention=dict(rope_type="default", rope_theta=10.0)
    ),
)
SMALL = dict(hidden_size=16, intermediate_size=20, head_dim=4)
VARIANTS = {
    "untied": ("llama", dict(rope_parameters=PLAIN)),
    "tied": ("llama", dict(rope_parameters=PLAIN, tie_word_embeddings=True)),
    "llama3": ("llama", dict(SMALL, rope_parameters=LLAMA3, num_key_value_heads=4, head_dim=8)),
    "linear": ("llama", dict(SMALL, rope_parameters=LINEAR, tie_word_embeddings=True)),
    "mistral": ("mistral", dict(SMALL, rope_parameters=PLAIN, sliding_window=None)),
    "qwen2": ("qwen2", dict(SMALL, rope_parameters=PLAIN, num_key_value_heads=1)),
    "qwen3": ("qwen3", dict(SMALL, rope_parameters=PLAIN, head_dim=8, tie_word_embeddings=True)),
    "gemma3": ("gemma3_text", GEMMA),
}
TEMPERATURE = 0.8
GROUPS = [
    dict(prompt=[5, 11, 2, 30, 7], completions=[[1, 9, 36, 0], [4], [12, 12, 3, 8, 25, 6, 19, 33, 1]]),
    dict(prompt=[17], completions=[[20, 21], [22, 5, 11]]),
    dict(prompt=[3, 14, 15, 9, 2, 6, 5, 35, 8, 9, 7, 9], completions=[[31, 0], [31, 0], [2, 28, 18, 28, 0]]),
]


ADAMW = dict(lr=0.003, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
MAX_NORM = 1.0
NEW_TOKENS = 12


class Float64Norm(torch.nn.Module):
    """RMSNorm without its cast to float32."""

    def __init__(self, norm):
        super().__init__()
        self.weight = norm.weight
        self.offset = 1 if type(norm).__name__.startswith("Gemma") else 0
        self.eps = norm.eps if self.offset else norm.variance_epsilon

    def forward(self, x):
        return (self.weight + self.offset) * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class Float64Rotary(torch.nn.Module):
    """Rotary embedding without its cast to float32."""

    def __init__(self, rope, dim, inv_freq):
        super().__init__()
        self.frequencies = rope["rope_theta"] ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        if rope["rope_type"] == "linear":
            self.frequencies /= rope["factor"]
        if rope["rope_type"] == "llama3":
            turns = rope["original_max_position_embeddings"] * self.frequencies / (2 * math.pi)
            low, high = rope["low_freq_factor"], rope["high_freq_factor"]
            kept = ((turns - low) / (high - low)).clamp(0, 1)
            assert 0 < kept[1] < 1 and kept[0] == 1 and kept[2] == 0
            self.frequencies *= (1 - kept) / rope["factor"] + kept
        torch.testing.assert_close(self.frequencies.float(), inv_freq.float(), rtol=1e-6, atol=0)

    def forward(self, x, position_ids):
        angles = position_ids[..., None].double() * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


class Float64Rotaries(torch.nn.Module):
    """The same for each kind of layer."""

    def __init__(self, config, published):
        super().__init__()
        self.of = {
            kind: Float64Rotary(rope, config.head_dim, getattr(published, f"{kind}_inv_freq"))
            for kind, rope in config.rope_parameters.items()
        }

    def forward(self, x, position_ids, layer_type):
        return self.of[layer_type](x, position_ids)


def evaluate(model, temperature=TEMPERATURE):
    """Log-probabilities and entropies of all completion tokens, each sequence run by itself."""
    logprobs, entropies = [], []
    for group in GROUPS:
        start = len(group["prompt"])
        for completion in group["completions"]:
            tokens = torch.tensor([group["prompt"] + completion])
            logits = model(tokens, use_cache=False).logits[0, start - 1 : -1]
            log_p = torch.log_softmax(logits / temperature, dim=-1)
            logprobs.append(log_p.gather(1, tokens[0, start:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(-1))
    return torch.cat(logprobs), torch.cat(entropies)


def make_float64(model):
    """Takes the casts to float32 out, which changes rounding and nothing else."""
    model.double()
    as_published = evaluate(model)[0].detach()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                setattr(module, name, Float64Norm(child))
    config, published = model.config, model.model.rotary_emb
    if "full_attention" in config.rope_parameters:
        model.model.rotary_emb = Float64Rotaries(config, published)
        embedding = model.model.embed_tokens
        embedding.embed_scale = torch.tensor(embedding.scalar_embed_scale, dtype=torch.float64)
    else:
        model.model.rotary_emb = Float64Rotary(config.rope_parameters, config.head_dim, published.inv_freq)
    assert 0 < (evaluate(model)[0] - as_published).abs().max() < 1e-5


def train(model):
    """The loss before each of 20 steps; matrices decay, norms and biases do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        dict(params=[p for p in parameters if p.dim() > 1]),
        dict(params=[p for p in parameters if p.dim() == 1], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, **ADAMW)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = -evaluate(model, 1.0)[0].mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def make(name, seed):
    torch.manual_seed(seed)
    model_type, changes = VARIANTS[name]
    config = CONFIG_MAPPING[model_type](**{**SHAPE, **changes})
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for tensor, parameter in model.named_parameters():  # a tied head appears once
            if tensor.endswith("bias"):
                parameter.copy_(0.5 * torch.randn_like(parameter))
            elif parameter.dim() == 1:
                mean = 0 if name == "gemma3" else 1
                parameter.copy_(mean + 0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) / parameter.shape[1] ** 0.5)
    tied = config.tie_word_embeddings
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    make_float64(model)

    logprobs, entropies = evaluate(model)
    coefficients = torch.randn(len(logprobs)).double()
    (coefficients * logprobs).sum().backward()
    tensors = dict(coefficients=coefficients, logprobs=logprobs.detach(), entropies=entropies.detach())
    for tensor, parameter in model.named_parameters():
        tensors[f"weights/{tensor}"] = parameter.detach().float()
        tensors[f"gradients/{tensor}"] = parameter.grad.clone()
    greedy = []
    for group in GROUPS:
        prompt = torch.tensor([group["prompt"]])
        out = model.generate(prompt, do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0)
        greedy.append(out[0, prompt.shape[1] :].tolist())
    tensors["losses"] = train(model)

    hf_config = json.loads(config.to_json_string(use_diff=False))
    hf_config["architectures"] = [type(model).__name__]
    optimizer = dict(ADAMW, max_norm=MAX_NORM)
    case = dict(config=hf_config, groups=GROUPS, temperature=TEMPERATURE, greedy=greedy, optimizer=optimizer)
    path = Path(__file__).parent / f"decoder-{name}.safetensors"
    save_file(tensors, path, {"case": json.dumps(case)})
    path.chmod(0o644)
    losses = tensors["losses"].tolist()
    print(path.name, path.stat().st_size, "bytes, losses", round(losses[0], 3), "to", round(losses[-1], 3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, name in enumerate(VARIANTS):
        make(name, 20251122 + i)
