"""Reads what outputs.ts made rlexplore write, with transformers and PEFT, and compares what they compute:

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 peft==0.18.0 safetensors==0.8.0
    /tmp/golden/bin/python tests/golden/check_outputs.py FOLDER

Every model folder opens with AutoModelForCausalLM and AutoTokenizer, the adapter with PeftModel on its base. The
log-probabilities of the whole vocabulary (logits, but for the constant that softmax takes away), tokens, texts read
back and chat prompts must be those of rlexplore. In the end it saves each model again, in half precision and
several shards, for outputs.ts --read.
"""

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

TOLERANCE = 1e-5  # of the norm
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def logprobs(model, sequences, positions):
    """log p of every token after the last `positions` prefixes of each sequence."""
    with torch.no_grad():
        rows = [model(torch.tensor([tokens])).logits[0, -positions:] for tokens in sequences]
    return torch.log_softmax(torch.cat(rows).double(), -1)


def error(found, reference):
    return ((found - reference).norm() / reference.norm()).item()


def load(path):
    model, report = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    return model.eval()


def check_tokenizer(path, expected):
    tokenizer = AutoTokenizer.from_pretrained(path)
    for text, ids in expected["texts"]:
        assert tokenizer.encode(text, add_special_tokens=False) == ids, (path, text)
    for prompt in expected["prompts"]:
        system = [{"role": "system", "content": prompt["system"]}] if prompt["system"] else []
        messages = [*system, {"role": "user", "content": prompt["question"]}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert text == prompt["text"], (path, text)
        assert tokenizer.encode(text, add_special_tokens=False) == prompt["tokens"], (path, text)
    return tokenizer


def check(folder):
    expected = json.loads((folder / "expected.json").read_text())
    reference = load_file(folder / "expected.safetensors")
    sequences, positions = expected["sequences"], expected["positions"]
    models = {
        "base": load(folder / "base"),
        "full": load(folder / "full/checkpoint-3"),
        "merged": load(folder / "merged"),
        "lora": peft.PeftModel.from_pretrained(load(folder / "base"), folder / "lora/checkpoint-3").eval(),
    }
    tokenizers = ["full/checkpoint-3", "merged"]
    if (folder / "gguf").exists():
        models["gguf"] = load(folder / "gguf/checkpoint-1")
        tokenizers.append("gguf/checkpoint-1")
    found = {name: logprobs(model, sequences, positions) for name, model in models.items()}
    errors = {name: error(found[name], reference[name]) for name in models}
    # training has moved both, or they would prove nothing
    moved = {name: error(found[name], found["base"]) for name in ("full", "lora")}
    for path in tokenizers:
        tokenizer = check_tokenizer(folder / path, expected)
    ends = models["full"].generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    passed = max(errors.values()) < TOLERANCE and min(moved.values()) > 1e-2 and ends == set(expected["stops"])

    for dtype in (torch.float16, torch.bfloat16):
        name = f"transformers-{str(dtype).split('.')[1]}"
        models["full"].to(dtype).save_pretrained(folder / name, max_shard_size="100KB")
        tokenizer.save_pretrained(folder / name)
        again = logprobs(load(folder / name), sequences, positions)
        save_file({"logprobs": again.float()}, folder / f"{name}.safetensors")
    print(
        f"{'passed' if passed else 'FAILED'} {folder.name}: "
        + ", ".join(f"{name} {value:.1e}" for name, value in errors.items())
        + f"; moved by {moved['full']:.2f}, {moved['lora']:.2f}"
    )
    return passed


if __name__ == "__main__":
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/expected.json"))
    sys.exit(0 if all([check(folder) for folder in folders]) and folders else 1)
