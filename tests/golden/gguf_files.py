"""Makes gguf-*.gguf and gguf-*.safetensors: tiny models in GGUF, and what Python reads in them.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 safetensors==0.8.0
    /tmp/golden/bin/python tests/golden/gguf_files.py

gguf-types.safetensors: for each type of tensor, random blocks (`TYPE.blocks`, U8) and the values that the
package gguf gives for them (`TYPE.values`, F32); and what it makes of numbers (`source`) as each type that is
written (`TYPE.quantized`).
gguf-ARCHITECTURE.gguf: a random model, written as llama.cpp's convert_hf_to_gguf.py writes it, every matrix
of another type, with a tokenizer of tokenizer.json. gguf-ARCHITECTURE.safetensors: its weights as transformers
reads them from that file, under their Hugging Face names, and its config as metadata.
"""

import json
import math
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
Type = gguf.GGMLQuantizationType
random = np.random.default_rng(1)


def blocks_of(kind, count, random=random):
    """Random blocks whose scales are ordinary numbers."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    scales = {"Q4_K": [0, 2], "Q6_K": [208], "Q4_1": [0, 2], "Q5_1": [0, 2], "Q5_K": [0, 2], "Q3_K": [108]}.get(kind.name, [0])
    for at in scales:
        data[:, at : at + 2] = random.normal(0, 0.01, (count, 1)).astype(np.float16).view(np.uint8)
    return data


types = {}
for kind in (Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q4_K, Type.Q6_K):
    blocks = blocks_of(kind, 5)
    types[f"{kind.name}.blocks"] = blocks
    types[f"{kind.name}.values"] = gguf.quants.dequantize(blocks, kind).astype(np.float32)
# the other way, with a block of zeros, and halves that a rounding to even would get wrong
source = random.normal(0, 0.02, (6, 32)).astype(np.float32)
source[4] = 0
source[5] = (np.arange(32) - 16) / 2 * 127 / 16
types["source"] = source
for kind in (Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
    types[f"{kind.name}.quantized"] = gguf.quants.quantize(source, kind)
# with numbers of their own, so that those before and after them stay
others = np.random.default_rng(2)
for kind in (Type.Q5_1, Type.Q5_K, Type.Q3_K):
    blocks = blocks_of(kind, 5, others)
    types[f"{kind.name}.blocks"] = blocks
    types[f"{kind.name}.values"] = gguf.quants.dequantize(blocks, kind).astype(np.float32)
save_file(types, HERE / "gguf-types.safetensors")

TOKENIZERS = json.loads((HERE / "tokenizer.json").read_text())["tokenizers"]
SHAPE = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, max_position_embeddings=128)
LLAMA3 = dict(
    rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
)
MODELS = {
    "llama": dict(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False, rms_norm_eps=1e-5)
    | dict(rope_theta=500000.0, rope_scaling=LLAMA3, tokenizer="llama3", pre="llama-bpe"),
    "qwen2": dict(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6)
    | dict(rope_theta=1000000.0, tokenizer="qwen", pre="qwen2"),
    "qwen3": dict(num_attention_heads=2, num_key_value_heads=1, head_dim=32, tie_word_embeddings=True)
    | dict(rms_norm_eps=1e-6, rope_theta=1000000.0, tokenizer="smollm", pre="smollm"),
}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
KINDS = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0]


def permute(weights, heads):
    """As convert_hf_to_gguf.py does for Llama's q and k."""
    return (
        weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
        .swapaxes(1, 2)
        .reshape(weights.shape)
    )


def rope_factors(scaling, theta, dim):
    """As convert_hf_to_gguf.py computes rope_freqs.weight of Llama 3."""
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    factors = []
    for frequency in 1.0 / (theta ** (np.arange(0, dim, 2, dtype=np.float32) / dim)):
        wavelength = 2 * math.pi / frequency
        if wavelength < high:
            factors.append(1)
        elif wavelength > low:
            factors.append(scaling["factor"])
        else:
            smooth = (scaling["original_max_position_embeddings"] / wavelength - 1.0) / 3.0
            factors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def gguf_name(name):
    stem, kind = name.rsplit(".", 1)
    parts = stem.split(".", 3)
    if "layers" in parts:
        return f"blk.{parts[2]}.{NAMES[parts[3]]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


for architecture, shape in MODELS.items():
    shape = {**SHAPE, **shape}
    kept = TOKENIZERS[shape.pop("tokenizer")]["json"]
    pre = shape.pop("pre")
    scaling = shape.pop("rope_scaling", None)
    vocab = kept["model"]["vocab"]
    size = len(vocab) + 4  # padded, as many models are
    torch.manual_seed(3)
    config = AutoConfig.for_model(architecture, vocab_size=size, **shape)
    model = AutoModelForCausalLM.from_config(config)

    path = HERE / f"gguf-{architecture}.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny {architecture}")
    writer.add_context_length(shape["max_position_embeddings"])
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_rope_freq_base(shape["rope_theta"])
    writer.add_layer_norm_rms_eps(shape["rms_norm_eps"])
    if "head_dim" in shape:
        writer.add_key_length(shape["head_dim"])
        writer.add_value_length(shape["head_dim"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    tokens = sorted(vocab, key=vocab.get) + [f"[PAD{i}]" for i in range(size - len(vocab))]
    special = {token["content"] for token in kept["added_tokens"]}
    writer.add_token_list(tokens)
    control, unused, normal = gguf.TokenType.CONTROL, gguf.TokenType.UNUSED, gguf.TokenType.NORMAL
    writer.add_token_types(
        [control if t in special else unused if t.startswith("[PAD") else normal for t in tokens]
    )
    writer.add_token_merges([" ".join(pair) for pair in kept["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    if scaling:
        head_dim = shape["hidden_size"] // shape["num_attention_heads"]
        writer.add_tensor("rope_freqs.weight", rope_factors(scaling, shape["rope_theta"], head_dim))
    for i, (name, tensor) in enumerate(model.state_dict().items()):
        data = tensor.numpy().astype(np.float32)
        if name == "lm_head.weight" and shape["tie_word_embeddings"]:
            continue
        # ones and zeros would hide a mistake
        if data.ndim == 1:
            data = random.normal(1, 0.3, data.shape).astype(np.float32)
        if architecture == "llama" and "q_proj" in name:
            data = permute(data, shape["num_attention_heads"])
        if architecture == "llama" and "k_proj" in name:
            data = permute(data, shape["num_key_value_heads"])
        kind = KINDS[i % len(KINDS)] if data.ndim == 2 else Type.F32
        writer.add_tensor(gguf_name(name), gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    # its reading of the config leaves out Qwen3's head_dim, so it is told
    told = {"config": config} if "head_dim" in shape else {}
    read = AutoModelForCausalLM.from_pretrained(HERE, gguf_file=path.name, dtype=torch.float32, **told)
    weights = {name: tensor.numpy().copy() for name, tensor in read.state_dict().items()}
    if shape["tie_word_embeddings"]:
        del weights["lm_head.weight"]
    expected = {**shape, "vocab_size": size, "rope_scaling": scaling}
    for field in ("hidden_size", "intermediate_size", "num_key_value_heads", "rms_norm_eps", "vocab_size"):
        assert math.isclose(getattr(read.config, field), expected[field], rel_tol=1e-6), field
    save_file(weights, HERE / f"gguf-{architecture}.safetensors", metadata={"config": json.dumps(expected)})
    print(architecture, len(weights), "tensors,", path.stat().st_size, "bytes")
