"""Outcome exploration in verl 0.9.1: `trainer.v1.trainer_mode=outcome_exploration`.

verl's advantage estimators never see outcomes, and name each question anew in every step, so the term is added where
advantages are made: a trainer that overrides `_compute_advantage`. It is registered by the entry point `verl.plugins`,
once this package is installed. Settings, after a `+`, as verl takes what it does not know:

    +outcome_exploration.explore=ucb-con +outcome_exploration.coef=0.2 +outcome_exploration.judge=http://127.0.0.1:8421

Written against verl's sources. It has not been run: verl needs GPUs.
"""

import os

from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import register_trainer

from outcome_exploration import Exploration, Judge, OutcomeCounter

COUNTS = "outcome_counts.jsonl"


def explore(trainer, prompts, responses, golds, groups) -> list[float]:
    """c * B_i of each completion [N]; `groups` names the group of each. Counts them afterwards."""
    judged = trainer.judge(prompts, golds, responses)
    signal = [0.0] * len(responses)
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    for own in members.values():
        question = prompts[own[0]]
        outcomes = [judged[i].outcome for i in own]
        counts = trainer.counter.counts(question, outcomes)
        for i, value in zip(own, trainer.exploration.signal(outcomes, counts, [judged[i].correct for i in own])):
            signal[i] = value
    # only now: N counts earlier steps
    for own in members.values():
        trainer.counter.add(prompts[own[0]], [judged[i].outcome for i in own])
    return signal


@register_trainer("outcome_exploration")
class ExploringPPOTrainer(PPOTrainerSync):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        own = self.config.get("outcome_exploration", {})
        self.exploration = Exploration(own.get("explore", "ucb-con"), own.get("coef", 0.2), own.get("b0", 0.5))
        self.counter = OutcomeCounter()
        self.judge = Judge(own.get("judge", "http://127.0.0.1:8421"))

    def _compute_advantage(self, batch, metrics):
        import torch
        import transfer_queue as tq
        from tensordict import TensorDict
        from verl.workers.utils.padding import response_to_nested

        batch = super()._compute_advantage(batch, metrics)
        fields = ["uid", "prompts", "responses", "reward_model", "response_mask", "advantages"]
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
        pad = self.tokenizer.pad_token_id

        def texts(name):
            return [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in data[name].to_padded_tensor(padding=pad)]

        golds = [item["ground_truth"] for item in data["reward_model"].tolist()]
        signal = explore(self, texts("prompts"), texts("responses"), golds, data["uid"].tolist())
        mask = data["response_mask"]
        advantages = data["advantages"].to_padded_tensor(padding=0.0)
        own = torch.tensor(signal, dtype=advantages.dtype, device=advantages.device)
        advantages = advantages + own[:, None] * mask.to_padded_tensor(padding=0).to(advantages.dtype)
        metrics["outcome_exploration/signal"] = float(own.abs().mean())
        output = TensorDict({"advantages": response_to_nested(advantages, mask)}, batch_size=len(batch))
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=output)

    def _folder(self):
        return os.path.join(self.config.trainer.default_local_dir, f"global_step_{self.global_steps}")

    def _save_checkpoint(self):
        super()._save_checkpoint()
        self.counter.save(os.path.join(self._folder(), COUNTS))

    def _load_checkpoint(self):
        super()._load_checkpoint()
        if self.global_steps > 0:
            self.counter.load(os.path.join(self._folder(), COUNTS))
