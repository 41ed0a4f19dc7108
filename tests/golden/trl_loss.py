"""Makes trl_loss.json: GRPO losses, gradients and advantages computed by TRL's own code in float64.

    python3 -m venv /tmp/venv-trl
    /tmp/venv-trl/bin/pip install torch==2.13.0 trl==1.16.0 transformers==5.23.0 accelerate==1.15.0 datasets==5.2.0
    /tmp/venv-trl/bin/python tests/golden/trl_loss.py

No formula is repeated here. `GRPOTrainer._compute_loss` runs on a stand-in for the trainer whose "model"
returns fixed log-probabilities as a leaf tensor, and `GRPOTrainer._generate_and_score_completions` on one
that "generates" fixed tokens with fixed rewards. The one batch is the whole optimizer step.

`use_bias_correction_kl`, on by default in TRL, is both off, which is the k3 term of the GRPO paper, and on.
"""

import json
from collections import defaultdict
from importlib.metadata import version
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

PINNED = {"torch": "2.13.0", "trl": "1.16.0", "transformers": "5.23.0"}
for package, expected in PINNED.items():
    found = version(package).split("+")[0]
    assert found == expected, f"{package} {found} installed, {expected} expected"

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(2509)

LENGTHS = [5, 1, 7, 3, 0, 6]  # completion tokens in the loss; 0 is a completion masked out
LONGEST = max(LENGTHS)
MAX_COMPLETION_LENGTH = 9


def normal(*shape):
    return torch.randn(*shape, generator=generator)


def stand_in(**attributes):
    accelerator = SimpleNamespace(
        device="cpu",
        num_processes=1,
        process_index=0,
        gather=lambda tensor: tensor,
        reduce=lambda tensor, reduction: tensor,
    )
    defaults = dict(
        accelerator=accelerator,
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        aux_loss_enabled=False,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
        max_completion_length=MAX_COMPLETION_LENGTH,
    )
    return SimpleNamespace(**(defaults | attributes))


mask = (torch.arange(LONGEST) < torch.tensor(LENGTHS).unsqueeze(1)).long()
mask[2, 2] = 0  # a hole inside a completion
logprobs = -normal(len(LENGTHS), LONGEST).abs() - 0.1
old_logprobs = logprobs + 0.35 * normal(len(LENGTHS), LONGEST)
ref_logprobs = logprobs + 0.5 * normal(len(LENGTHS), LONGEST)
sequence_advantages = torch.tensor([0.75, -0.25, -0.5, 1.25, 0.5, -1.0])
token_advantages = normal(len(LENGTHS), LONGEST)


def loss_case(loss_type, level, beta, epsilon_low, epsilon_high, advantages, corrected=False):
    leaf = logprobs.clone().requires_grad_()
    trainer = stand_in(
        _get_per_token_logps_and_entropies=lambda *_, **__: (leaf, torch.zeros_like(leaf), None),
        loss_type=loss_type,
        importance_sampling_level=level,
        beta=beta,
        epsilon_low=epsilon_low,
        epsilon_high=epsilon_high,
        args=SimpleNamespace(delta=None, steps_per_generation=1, use_bias_correction_kl=corrected),
    )
    inputs = {
        "prompt_ids": torch.zeros(len(LENGTHS), 1, dtype=torch.long),
        "prompt_mask": torch.ones(len(LENGTHS), 1, dtype=torch.long),
        "completion_ids": torch.zeros_like(mask),
        "completion_mask": mask,
        "advantages": advantages,
        "num_items_in_batch": mask.sum(),
        "old_per_token_logps": old_logprobs,
        "ref_per_token_logps": ref_logprobs,
    }
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    metrics = trainer._metrics["train"]
    return {
        "lossType": loss_type,
        "importanceSamplingLevel": level,
        "beta": beta,
        "klBiasCorrection": corrected,
        "epsilonLow": epsilon_low,
        "epsilonHigh": epsilon_high,
        "maxCompletionLength": MAX_COMPLETION_LENGTH,
        "advantages": "token" if advantages.dim() == 2 else "sequence",
        "loss": loss.item(),
        "gradient": leaf.grad.tolist(),
        # TRL averages these over tokens at level "token", over sequences at level "sequence".
        "kl": metrics["kl"][0] if beta else 0.0,
        "clippedLow": metrics["clip_ratio/low_mean"][0],
        "clippedHigh": metrics["clip_ratio/high_mean"][0],
    }


REWARDS = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.0]]


def advantages_case(scale_rewards):
    rewards = torch.tensor(REWARDS).flatten()
    count = len(rewards)
    trainer = stand_in(
        environment_factories=None,
        environments=None,
        tools=None,
        chat_template_kwargs={},
        _tokenizer=SimpleNamespace(pad_token_id=0, batch_decode=lambda *_, **__: [""] * count),
        processing_class=SimpleNamespace(batch_decode=lambda *_, **__: [""] * count),
        pad_to_multiple_of=None,
        mask_truncated_completions=False,
        _is_vlm=False,
        args=SimpleNamespace(
            per_device_train_batch_size=count,
            gradient_checkpointing_kwargs=None,
            steps_per_generation=1,
            gradient_accumulation_steps=1,
        ),
        model=SimpleNamespace(training=True, is_gradient_checkpointing=False),
        num_iterations=1,
        beta=0.0,
        num_generations=len(REWARDS[0]),
        multi_objective_aggregation="sum_then_normalize",
        scale_rewards=scale_rewards,
        reward_weights=torch.ones(1),
        reward_func_names=["reward"],
        _calculate_rewards=lambda *_: rewards.unsqueeze(1),
        _generate=lambda prompts: (
            [[1]] * count,
            [[2]] * count,
            None,
            [""] * count,
            None,
            {},
            None,
            None,
        ),
        _logs=defaultdict(list, rewards=defaultdict(list), extra=defaultdict(list)),
        _pending_extra_logs=defaultdict(list),
        _pending_metrics=defaultdict(list),
        log_multimodal=False,
    )
    inputs = [{"prompt": ""}] * count
    output = GRPOTrainer._generate_and_score_completions(trainer, inputs)
    return output["advantages"].view(len(REWARDS), -1).tolist()


losses = []
for loss_type, level, beta in product(
    ["grpo", "dr_grpo", "dapo", "bnpo"], ["token", "sequence"], [0.0, 0.04]
):
    losses.append(loss_case(loss_type, level, beta, 0.2, 0.2, sequence_advantages))
    losses.append(loss_case(loss_type, level, beta, 0.1, 0.28, sequence_advantages))
    if level == "token":
        losses.append(loss_case(loss_type, level, beta, 0.1, 0.28, token_advantages))
    if beta:
        losses.append(loss_case(loss_type, level, beta, 0.1, 0.28, sequence_advantages, True))

golden = {
    "versions": PINNED,
    "mask": mask.tolist(),
    "logprobs": logprobs.tolist(),
    "oldLogprobs": old_logprobs.tolist(),
    "refLogprobs": ref_logprobs.tolist(),
    "sequenceAdvantages": sequence_advantages.tolist(),
    "tokenAdvantages": token_advantages.tolist(),
    "losses": losses,
    "rewards": REWARDS,
    "advantages": {scale: advantages_case(scale) for scale in ["none", "group", "batch"]},
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden) + "\n")
print(f"{path}: {len(losses)} losses, {path.stat().st_size} bytes")
