"""Outcome exploration in verl 0.9.1: `trainer.v1.trainer_mode=outcome_exploration`.

verl's advantage estimators never see outcomes, and name each question anew in every step, so the term is added where
advantages are made: a trainer that overrides `_compute_advantage`. It is registered by the entry point `verl.plugins`,
once this package is installed. Settings, after a `+`, as verl takes what it does not know:

    +outcome_exploration.explore=ucb-con +outcome_exploration.coef=0.2 +outcome_exploration.judge=http://127.0.0.1:8421

What has run, on a CPU, is everything of it but the workers that it commands: see tests/integrations/verl_run.py. A whole run of
verl needs GPUs, and was not made.
"""

import os

from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import register_trainer

from outcome_exploration import Exploration, Judge, OutcomeCounter

COUNTS = "outcome_counts.jsonl"


def explore(trainer, keys, prompts, responses, golds, groups) -> list[float]:
    """c * B_i of each row [N]; `groups` names the question of each. Counts them afterwards.

    A completion in several outputs, which verl names `{uid}_{session}_{index}`, is judged by its last and counted once; as with
    verl's own advantages, all of its outputs get the same.
    """
    final: dict[str, int] = {}
    sessions = [key.rsplit("_", 1)[0] for key in keys]
    for i, session in enumerate(sessions):
        before = final.get(session)
        if before is None or index_of(keys[before]) < index_of(keys[i]):
            final[session] = i
    rows = list(final.values())
    judged = trainer.judge([prompts[i] for i in rows], [golds[i] for i in rows], [responses[i] for i in rows])
    outcome_of = dict(zip(rows, judged))
    members: dict[str, list[int]] = {}
    for i in rows:
        members.setdefault(groups[i], []).append(i)
    signal: dict[int, float] = {}
    for own in members.values():
        outcomes = [outcome_of[i].outcome for i in own]
        counts = trainer.counter.counts(prompts[own[0]], outcomes)
        signal.update(zip(own, trainer.exploration.signal(outcomes, counts, [outcome_of[i].correct for i in own])))
    # only now: N counts earlier steps
    for own in members.values():
        trainer.counter.add(prompts[own[0]], [outcome_of[i].outcome for i in own])
    return [signal[final[session]] for session in sessions]


def index_of(key: str) -> int:
    return int(key.rsplit("_", 1)[1])


@register_trainer("outcome_exploration")
class ExploringPPOTrainer(PPOTrainerSync):
    #: verl names a trainer by its mode, and takes any but `sync` to be asynchronous: other buffers, other checkpoints.
    trainer_mode = property(lambda self: "sync", lambda self, named: None)

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
        signal = explore(self, batch.keys, texts("prompts"), texts("responses"), golds, data["uid"].tolist())
        mask = data["response_mask"]
        advantages = data["advantages"].to_padded_tensor(padding=0.0)
        own = torch.tensor(signal, dtype=advantages.dtype, device=advantages.device)
        advantages = advantages + own[:, None] * mask.to_padded_tensor(padding=0).to(advantages.dtype)
        metrics["outcome_exploration/signal"] = float(own.abs().mean())
        output = TensorDict({"advantages": response_to_nested(advantages, mask)}, batch_size=len(batch))
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=output)

    def _save_checkpoint(self):
        super()._save_checkpoint()
        folder = os.path.join(self.config.trainer.default_local_dir, f"global_step_{self.global_steps}")
        self.counter.save(os.path.join(folder, COUNTS))

    def _load_checkpoint(self):
        super()._load_checkpoint()
        if self.global_steps == 0:
            return
        named = self.config.trainer.resume_mode == "resume_path"
        folder = self.config.trainer.resume_from_path if named else os.path.join(self.config.trainer.default_local_dir, f"global_step_{self.global_steps}")
        path = os.path.join(folder, COUNTS)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path} is missing: without its counts a run would explore anew")
        self.counter.load(path)
