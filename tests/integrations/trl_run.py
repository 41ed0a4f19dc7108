"""Three steps of TRL's trainer with outcome exploration on the embedded model, and a fourth after a resume.

Arguments: the model's folder, a judge's address, a folder for checkpoints. With RANK and WORLD_SIZE in its environment it is
one process of several, which share each group. Every advantage is compared with TRL's own plus the term computed
here, from the processes' records of what was judged.
"""

import os
import sys

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
integrations = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../integrations")

import importlib.util  # noqa: E402

import torch  # noqa: E402
from accelerate.utils import gather_object  # noqa: E402
from datasets import Dataset, disable_progress_bars  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed  # noqa: E402
from trl import GRPOConfig, GRPOTrainer  # noqa: E402

from plugins import load_plugin  # noqa: E402

plugin = load_plugin("trl")

from outcome_exploration import Exploration, Judge, OutcomeCounter  # noqa: E402

disable_progress_bars()
set_seed(1)
torch.set_num_threads(1)
folder, address, out = sys.argv[1:]
processes = int(os.environ.get("WORLD_SIZE", "1"))
rows = [("10+1-1+1=", "11"), ("11+2+1+1=", "15"), ("12-1-1-1=", "9"), ("23+7-4+9=", "35")]
data = Dataset.from_list([{"prompt": q, "answer": a} for q, a in rows])
ask = Judge(address)
plain = []  # TRL's own advantages, before the term
original = GRPOTrainer._generate_and_score_completions


def remember(self, inputs):
    output = original(self, inputs)
    plain.append(output["advantages"].clone())
    return output


GRPOTrainer._generate_and_score_completions = remember
exploration = Exploration("ucb-con,batch", [0.2, 0.4])
counter = OutcomeCounter()
compared = 0


class Checked(plugin.ExploringGRPOTrainer):
    def _generate_and_score_completions(self, inputs):
        global compared
        output = super()._generate_and_score_completions(inputs)
        n = self.num_generations
        everyone = gather_object(self._judged)
        signal = []
        for start in range(0, len(everyone), n):
            questions, outcomes, correct = zip(*everyone[start : start + n])
            assert len(set(questions)) == 1, questions
            signal += exploration.signal(outcomes, counter.counts(questions[0], outcomes), correct)
        for start in range(0, len(everyone), n):
            questions, outcomes, _ = zip(*everyone[start : start + n])
            counter.add(questions[0], outcomes)
        first = self.accelerator.process_index * len(self._judged)
        own = torch.tensor(signal[first : first + len(self._judged)])
        assert torch.equal(output["advantages"], plain[-1] + own)
        compared += len(own)
        return output


settings = {
    "output_dir": out,
    "max_steps": 3,
    # of several processes each has a part of one group
    "per_device_train_batch_size": 16 if processes == 1 else 8 // processes,
    "num_generations": 8,
    "max_completion_length": 16,
    "save_steps": 3,
    "report_to": "none",
    "use_cpu": True,
    "logging_steps": 1,
    "disable_tqdm": True,
}


def trainer(steps):
    return Checked(
        AutoModelForCausalLM.from_pretrained(folder),
        reward_funcs=lambda completions, answer, **_: [float(c.strip() == a) for c, a in zip(completions, answer)],
        args=GRPOConfig(**{**settings, "max_steps": steps}),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(folder),
        judge=lambda prompts, completions, inputs: ask(prompts, [x["answer"] for x in inputs], completions),
        exploration=exploration,
    )


first = trainer(3)
first.train()
first.accelerator.wait_for_everyone()
assert os.path.exists(os.path.join(out, "checkpoint-3", plugin.COUNTS))
second = trainer(4)
second.train(resume_from_checkpoint=os.path.join(out, "checkpoint-3"))
# with counts that were not kept, this step's terms would be others than those expected
assert compared == 4 * settings["per_device_train_batch_size"], compared
assert any(entry.get("exploration", 0) > 0 for entry in first.state.log_history)
print(f"{compared} advantages agree")
