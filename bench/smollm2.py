"""What smollm2.ts measures, in PyTorch on the CPU in float32, on the same weights and shapes:

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0
    /tmp/golden/bin/python bench/smollm2.py $RLEXPLORE_SMOLLM2
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM

QUESTIONS, SAMPLES, NEW_TOKENS = 2, 4, 16
TOKENS = QUESTIONS * SAMPLES * NEW_TOKENS
PAD = 2


def timed(work):
    """Wall-clock and processor seconds, and the result."""
    start = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - start[0], time.process_time() - start[1], result


def show(name, wall, cpu):
    print(f"  {name}: {TOKENS / wall:.1f} tokens/s; by processor time {TOKENS / cpu:.1f}", flush=True)


transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
path = Path(sys.argv[1])
cases = json.loads((Path(__file__).parent.parent / "tests/real/smollm2.json").read_text())["cases"]
prompts = [case["prompt"] for case in cases[:QUESTIONS]]
wall, cpu, model = timed(
    lambda: AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
print(f"  loading: {wall:.2f} s; processor time {cpu:.2f} s; peak memory {peak:.0f} MiB")

longest = max(map(len, prompts))
ids = torch.tensor([[PAD] * (longest - len(prompt)) + prompt for prompt in prompts])
mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
options = dict(do_sample=True, temperature=1.0, top_k=0, num_return_sequences=SAMPLES, pad_token_id=PAD)


def sample():
    with torch.no_grad():
        lengths = dict(max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS)
        return model.generate(ids, attention_mask=mask, **options, **lengths)


def learn():
    """Every completion after a copy of its prompt, as usual in PyTorch."""
    logits = model(out, attention_mask=full).logits[:, longest - 1 : -1]
    logprobs = torch.log_softmax(logits, -1).gather(2, out[:, longest:, None])
    (-logprobs.sum() / TOKENS).backward()


wall, cpu, out = timed(sample)
show("sampling", wall, cpu)
full = torch.cat([mask.repeat_interleave(SAMPLES, 0), torch.ones(QUESTIONS * SAMPLES, NEW_TOKENS)], 1).long()
wall, cpu, _ = timed(learn)
show("learning, forward and backward", wall, cpu)
