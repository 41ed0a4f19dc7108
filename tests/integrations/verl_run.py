"""The parts of verl's trainer that outcome exploration touches, on a CPU: advantages through verl's own queue, and checkpoints.

The argument is a judge's address. verl's `PPOTrainer.__init__`, `_compute_advantage` (GRPO), `_save_checkpoint` and
`_load_checkpoint` are its own, and so is the transfer queue. What needs GPUs is left out: the workers, of which this
only sees that they are asked to save and to load, and so every step around them.
"""

import os
import sys
import tempfile
from unittest.mock import MagicMock

from plugins import load_plugin

plugin = load_plugin("verl")

import ray  # noqa: E402
import torch  # noqa: E402
import transfer_queue as tq  # noqa: E402
import verl  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from outcome_exploration import Exploration, Judge, OutcomeCounter  # noqa: E402
from tensordict import NonTensorStack, TensorDict  # noqa: E402
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync  # noqa: E402
from verl.trainer.ppo.v1.trainer_base import get_trainer_cls  # noqa: E402
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync  # noqa: E402

ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False)
tq.init()
config = OmegaConf.load(os.path.join(os.path.dirname(verl.__file__), "trainer/config/_generated_ppo_trainer.yaml"))
config.algorithm.adv_estimator = "grpo"
config.actor_rollout_ref.rollout.n = 4
config.trainer.v1.trainer_mode = "outcome_exploration"
config.trainer.default_hdfs_dir = None
OmegaConf.set_struct(config, False)
config.outcome_exploration = {"explore": "ucb-con,batch", "coef": [0.2, 0.1], "judge": sys.argv[1]}


class Letters:
    """A tokenizer of characters."""

    pad_token_id = 0

    def decode(self, ids, skip_special_tokens=True):
        return "".join(chr(int(i)) for i in ids if int(i) != 0)


def jagged(rows):
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def letters(texts):
    return jagged([torch.tensor([ord(c) for c in text]) for text in texts])


def trainer_of(folder):
    config.trainer.default_local_dir = folder
    trainer = get_trainer_cls("outcome_exploration")(config)
    trainer.tokenizer = Letters()
    trainer.actor_rollout_wg, trainer.train_dataloader = MagicMock(), MagicMock()
    trainer.train_dataloader.state_dict.return_value = {}
    trainer.checkpoint_callback = MagicMock()
    return trainer


#: Question, gold, and answers of each step; the second step asks the first question again, under another uid.
STEPS = [
    [("1+2=", "3", ["3", "4", "4", "none"]), ("2+2=", "4", ["4", "4", "4", "4"])],
    [("1+2=", "3", ["4", "5", "3", "3"]), ("5+5=", "10", ["9", "10", "9", "11"])],
    [("1+2=", "3", ["4", "5", "6", "7"])],
]
ask, counter = Judge(sys.argv[1]), OutcomeCounter()
exploration = Exploration("ucb-con,batch", [0.2, 0.1])
compared = 0


def step(trainer, number):
    """One step's advantages by the plug-in, compared with verl's own and the term."""
    global compared
    rows = [(f"s{number}q{q}", *one, answer) for q, one in enumerate(STEPS[number]) for answer in one[2]]
    keys = [f"{uid}_{i}_0" for i, (uid, *_) in enumerate(rows)]
    said = [f"\\boxed{{{answer}}}" if answer != "none" else "?" for *_, answer in rows]
    scores = [torch.zeros(len(text)) for text in said]
    for score, (_, _, gold, _, answer) in zip(scores, rows):
        score[-1] = float(answer == gold)
    fields = TensorDict(
        {
            "prompts": letters([question for _, question, *_ in rows]),
            "responses": letters(said),
            "response_mask": jagged([torch.ones(len(text), dtype=torch.long) for text in said]),
            "rm_scores": jagged(scores),
            "rollout_log_probs": jagged([torch.zeros(len(text)) for text in said]),
            "old_log_probs": jagged([torch.zeros(len(text)) for text in said]),
            "uid": NonTensorStack(*[uid for uid, *_ in rows]),
            "reward_model": NonTensorStack(*[{"ground_truth": gold} for _, _, gold, *_ in rows]),
        },
        batch_size=len(rows),
    )
    batch = tq.kv_batch_put(keys=keys, partition_id="train", fields=fields)
    PPOTrainerSync._compute_advantage(trainer, batch, {})
    own = tq.kv_batch_get(keys=keys, partition_id="train", select_fields=["advantages"])["advantages"].to_padded_tensor(0.0)
    metrics = {}
    trainer._compute_advantage(batch, metrics)
    found = tq.kv_batch_get(keys=keys, partition_id="train", select_fields=["advantages"])["advantages"].to_padded_tensor(0.0)
    judged = ask([r[1] for r in rows], [r[2] for r in rows], said)
    for start in range(0, len(rows), 4):
        question = rows[start][1]
        outcomes = [one.outcome for one in judged[start : start + 4]]
        signal = exploration.signal(outcomes, counter.counts(question, outcomes), [one.correct for one in judged[start : start + 4]])
        for i, value in enumerate(signal, start):
            length = len(said[i])
            assert torch.equal(found[i, :length], own[i, :length] + torch.tensor(value, dtype=own.dtype)), (number, i)
            assert not found[i, length:].any()
            compared += 1
    for start in range(0, len(rows), 4):
        counter.add(rows[start][1], [one.outcome for one in judged[start : start + 4]])
    assert metrics["outcome_exploration/signal"] > 0


with tempfile.TemporaryDirectory() as folder:
    trainer = trainer_of(folder)
    # verl takes any mode but "sync" to be asynchronous
    assert isinstance(trainer.replay_buffer, ReplayBuffer) and not isinstance(trainer.replay_buffer, ReplayBufferAsync)
    step(trainer, 0)
    step(trainer, 1)
    trainer.global_steps = 2
    trainer._save_checkpoint()
    assert trainer.actor_rollout_wg.save_checkpoint.called
    again = trainer_of(folder)
    again._load_checkpoint()
    assert again.global_steps == 2 and again.actor_rollout_wg.load_checkpoint.called
    # with counts that were not kept, this step's terms would be others
    step(again, 2)
    os.remove(os.path.join(folder, "global_step_2", plugin.COUNTS))
    try:
        trainer_of(folder)._load_checkpoint()
        raise AssertionError("counts that are missing were not missed")
    except FileNotFoundError:
        pass
print(f"{compared} advantages agree", flush=True)
os._exit(0)
