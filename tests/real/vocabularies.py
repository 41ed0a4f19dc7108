"""Makes vocabularies.json: what the Python library makes of a corpus with the real tokenizers of Qwen3, Llama 3.1 and
Gemma 3,
and apply_chat_template of a question with their own templates. README.md says how to get their files.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
    /tmp/golden/bin/python tests/real/vocabularies.py $RLEXPLORE_TOKENIZERS
"""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
QUESTION = "What is 12*12? 你好 👩‍👩‍👧"
SYSTEM = "Put the final answer in \\boxed{}."
KWARGS = {
    "qwen3": [{}, {"enable_thinking": False}, {"enable_thinking": True}],
    "llama3_1": [{}],
    "gemma3": [{}],
}
corpus = json.loads((HERE.parent / "golden" / "tokenizer.json").read_text())["corpus"]
golden = {}
for name, kwargs in KWARGS.items():
    tokenizer = AutoTokenizer.from_pretrained(Path(sys.argv[1]) / f"tokenizer-{name}" / "models")
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in corpus]
    prompts = []
    for variables in kwargs:
        for system in (None, SYSTEM):
            messages = [{"role": "system", "content": system}] if system else []
            messages.append({"role": "user", "content": QUESTION})
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **variables)
            tokens = tokenizer.encode(text, add_special_tokens=False)
            prompts.append(dict(system=system, kwargs=variables, text=text, ids=tokens))
    prefix = tokenizer.encode("a")[: -len(tokenizer.encode("a", add_special_tokens=False))]
    golden[name] = dict(question=QUESTION, ids=ids, prompts=prompts, prefix=prefix, size=len(tokenizer), eos=tokenizer.eos_token_id)
    print(name, len(tokenizer), "tokens")
(HERE / "vocabularies.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
