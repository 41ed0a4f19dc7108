"""Steps of TRL's GRPOTrainer, timed: bench/trl.ts describes them as JSON on standard input, and reads the
seconds of each step as JSON from the last line of standard output.

    python3 -m venv venv
    venv/bin/pip install trl==1.16.0 transformers==5.23.0 torch==2.13.0 datasets==5.2.0 accelerate==1.15.0
    RLEXPLORE_PYTHON=venv/bin/python npm run bench -- trl

Computes on CUDA where torch has it, else on the CPU.
"""

import json
import os
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

disable_progress_bars()
task = json.load(sys.stdin)
seconds = {}
tokens = {"prompt": 0, "sampled": 0}
steps = []


def now():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(name, method):
    def wrapper(self, *args, **kwargs):
        start = now()
        result = method(self, *args, **kwargs)
        seconds[name] = seconds.get(name, 0) + now() - start
        return result

    return wrapper


def count(method):
    def wrapper(self, prompt_ids, *args, **kwargs):
        result = method(self, prompt_ids, *args, **kwargs)
        # each prompt stands there once for each of its completions
        tokens["prompt"] += sum(map(len, prompt_ids)) // task["samples"]
        tokens["sampled"] += sum(map(len, result[0]))
        return result

    return wrapper


GRPOTrainer._generate_single_turn = timed("sampling", count(GRPOTrainer._generate_single_turn))
GRPOTrainer._prepare_inputs = timed("prepared", GRPOTrainer._prepare_inputs)
GRPOTrainer.training_step = timed("trained", GRPOTrainer.training_step)


class Stopwatch(TrainerCallback):
    began = ended = 0

    def on_pre_optimizer_step(self, *args, **kwargs):
        self.began = now()

    def on_optimizer_step(self, *args, **kwargs):
        seconds["optimizer"] = now() - self.began

    def on_step_end(self, *args, **kwargs):
        whole = now() - self.ended
        sampling, prepared, trained = (seconds[name] for name in ("sampling", "prepared", "trained"))
        steps.append(
            {
                "whole": whole,
                "sampling": sampling,
                "scoring": prepared - sampling,
                "learning": trained - prepared,
                "optimizer": seconds["optimizer"],
                "promptTokens": tokens["prompt"],
                "sampledTokens": tokens["sampled"],
                "learnedTokens": tokens["sampled"],
            }
        )
        seconds.clear()
        tokens.update(prompt=0, sampled=0)
        self.ended = now()


def reward(completions, **_):
    """As bench/reward.ts: some number that differs from text to text."""
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    return [sum(map(ord, text)) % 97 / 97 for text in texts]


tokenizer = AutoTokenizer.from_pretrained(task["model"])
model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=torch.float32)
if tokenizer.eos_token is None:
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(model.config.eos_token_id)
chat = tokenizer.chat_template is not None
rows = [{"prompt": [{"role": "user", "content": q}] if chat else q} for q in task["questions"]]
batch = task["prompts"] * task["samples"]
with tempfile.TemporaryDirectory() as folder:
    config = GRPOConfig(
        output_dir=folder,
        max_steps=task["steps"],
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=1,
        num_generations=task["samples"],
        max_completion_length=task["length"],
        # no token ends a completion: every one has all its tokens
        generation_kwargs={"min_new_tokens": task["length"]},
        loss_type="dapo",
        scale_rewards="group",
        beta=0.0,
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        gradient_checkpointing=False,
        bf16=task["dtype"] != "f32",
        use_cpu=not torch.cuda.is_available(),
        shuffle_dataset=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
        callbacks=[Stopwatch()],
    ).train()
device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
versions = {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
print(json.dumps({"device": device, "versions": versions, "steps": steps}))
