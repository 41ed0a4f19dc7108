"""Outcome exploration in TRL: `ExploringGRPOTrainer` in place of `GRPOTrainer` (TRL 1.16)."""

import os
from collections.abc import Callable, Sequence

import torch
from accelerate.utils import gather_object
from trl import GRPOTrainer

from outcome_exploration import Exploration, Judged, OutcomeCounter

COUNTS = "outcome_counts.jsonl"


class ExploringGRPOTrainer(GRPOTrainer):
    """GRPO whose advantages get c * B_i of each completion, after they were scaled.

    `judge(prompts, completions, inputs)` gives the outcome and the verdict of each completion of this process; groups may
    span processes. Counts are those of earlier steps, and are kept in every checkpoint.
    """

    def __init__(self, *args, judge: Callable[[Sequence, Sequence, Sequence[dict]], list[Judged]], exploration: Exploration | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.judge = judge
        self.exploration = exploration or Exploration()
        self.counter = OutcomeCounter()

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        if self.model.training:
            judged = self.judge(prompts, completions, inputs)
            self._judged = [(str(prompt), *one) for prompt, one in zip(prompts, judged, strict=True)]
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return output
        everyone = gather_object(self._judged)
        n = self.num_generations
        signal = []
        for start in range(0, len(everyone), n):
            questions, outcomes, correct = zip(*everyone[start : start + n])
            counts = self.counter.counts(questions[0], outcomes)
            signal += self.exploration.signal(outcomes, counts, correct)
        first = self.accelerator.process_index * len(self._judged)
        own = torch.tensor(signal[first : first + len(self._judged)], device=output["advantages"].device)
        output["advantages"] = output["advantages"] + own.to(output["advantages"].dtype)
        mode = self._metrics["train"]
        mode["exploration"].append(float(torch.tensor(signal).abs().mean()))
        # only now: N counts earlier steps
        for start in range(0, len(everyone), n):
            questions, outcomes, _ = zip(*everyone[start : start + n])
            self.counter.add(questions[0], outcomes)
        return output

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        if self.accelerator.is_main_process:
            folder = os.path.join(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
            self.counter.save(os.path.join(folder, COUNTS))

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        path = os.path.join(resume_from_checkpoint, COUNTS)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path} is missing: without its counts a run would explore anew")
        self.counter.load(path)
