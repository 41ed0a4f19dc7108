"""Makes smollm2.json: what transformers makes of SmolLM2-135M-Instruct, on the weights dequantised from its GGUF
file. README.md says how to get that file.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0
    /tmp/golden/bin/python tests/real/smollm2.py $RLEXPLORE_SMOLLM2
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
NEW_TOKENS = 24
VOCABULARY_SAMPLE = 128
QUESTIONS = [
    "What is the capital of France?", "What is 2+2?", "Name three colours.", "Who wrote Hamlet?",
    "What is the largest planet?", "Write a haiku about rain.", "What is 12*12?", "Say hello in German.",
    "Why is the sky blue?", "What is a prime number?", "List the first five even numbers.", "What is H2O?",
    "Translate 'cat' to Spanish.", "What is 100-37?", "Name a mammal that can fly.", "What do bees make?",
    "How many days are in a week?", "What is the opposite of hot?", "Who painted the Mona Lisa?",
    "What is the boiling point of water?", "Define gravity in one sentence.", "What is 7*8?", "Spell 'banana'.",
    "Give me a synonym for happy.", "What language is spoken in Brazil?", "How many legs does a spider have?",
    "Write a Python function that adds two numbers.", "What is the square root of 81?", "Name a European river.",
    "What is photosynthesis?", "Tom has 3 apples and buys 4 more. How many has he?", "What is 15% of 200?",
    "What comes after Wednesday?", "What is the past tense of go?", "Is 17 prime?", "What is the speed of light?",
    "Name two planets with rings.", "What is a verb?", "Count from 1 to 5.", "What is the chemical symbol of gold?",
    "Who was Albert Einstein?", "What is half of 50?", "Make a sentence with the word 'tree'.", "什么是人工智能?",
    "Was ist die Hauptstadt von Italien?", "Summarise: The cat sat on the mat all day.", "What is 9 squared?",
    "x + 5 = 12. What is x?", "What is the tallest mountain?", "Tell me a fact about octopuses. 🐙",
]  # fmt: skip
assert len(QUESTIONS) == 50

path = Path(sys.argv[1])
reader = gguf.GGUFReader(path)
field = lambda key: reader.fields[key].contents()  # noqa: E731
tokens = field("tokenizer.ggml.tokens")
kinds = field("tokenizer.ggml.token_type")
tokenizer = Tokenizer(
    models.BPE(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")],
    )
)
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens([t for t, kind in zip(tokens, kinds) if kind == gguf.TokenType.CONTROL])
chat = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>")
chat.chat_template = field("tokenizer.chat_template")

began = time.time()
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
loaded = time.time() - began
corpus = json.loads((HERE.parent / "golden" / "tokenizer.json").read_text())["corpus"]
golden = {"corpus": [tokenizer.encode(text).ids for text in corpus], "vocabulary": [], "cases": []}
generator = torch.Generator().manual_seed(5)
vocabulary = torch.randperm(len(tokens), generator=generator)[:VOCABULARY_SAMPLE].sort().values
golden["vocabulary"] = vocabulary.tolist()
sampled = 0
began = time.time()
with torch.no_grad():
    for i, question in enumerate(QUESTIONS):
        text = chat.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        prompt = tokenizer.encode(text).ids
        out = model.generate(
            torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=2, pad_token_id=2
        )[0]
        completion = out[len(prompt) :].tolist()
        sampled += len(completion)
        logits = model(out[None]).logits[0].double()[len(prompt) - 1 : -1]
        logprobs = torch.log_softmax(logits, -1)
        top2 = logits.topk(2, -1).values
        case = dict(
            question=question,
            prompt=prompt,
            completion=completion,
            logprobs=[round(logprobs[t, token].item(), 9) for t, token in enumerate(completion)],
            # how close the runner-up came: a tie may fall either way in another order of summation
            margin=round((top2[:, 0] - top2[:, 1]).min().item(), 6),
        )
        if i < 4:
            case["logits"] = [round(x, 6) for x in logits[0, vocabulary].tolist()]
        golden["cases"].append(case)
seconds = time.time() - began
(HERE / "smollm2.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"PyTorch on {torch.get_num_threads()} threads: loaded in {loaded:.1f} s, peak {peak:.2f} GiB,")
print(f"{sampled} tokens greedily, one prompt at a time, in {seconds:.0f} s: {sampled / seconds:.1f} tokens/s")
os._exit(0)
