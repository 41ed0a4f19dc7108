"""Makes chat.json: what apply_chat_template of transformers makes of questions with real chat templates.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
    /tmp/golden/bin/pip install --no-deps trl==1.16.0
    /tmp/golden/bin/python tests/golden/chat.py

The templates are those of the models, as the package trl (Apache-2.0) carries them, that of Gemma 3 (gemma3.jinja), and
three written here: SmolLM2's, a base model's that knows no system message, and one that uses what templates rarely do.
"""

import json
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

TRL = Path(find_spec("trl").origin).parent / "chat_templates"
NAMES = ["qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "llama3_1", "llama3_2", "deepseek_r1_distill", "phi3"]
OWN = {
    "smollm2": """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}""",
    "no_system": """{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
[INST] {{ message['content'] | trim }} [/INST]
{% endfor %}""",
    "odd": """{%- set ns = namespace(n=0) -%}
{%- macro line(role, text) -%}{{ role | upper }}: {{ text.strip() }}{{ eos_token }}
{% endmacro -%}
{%- for m in messages if m.content is string -%}
  {%- set ns.n = ns.n + 1 -%}
  {{ line(m.role, m.content) }}
{%- endfor -%}
{{ ns.n }} {{ messages | length }} {{ messages[-1] | tojson }} {{ shots | default(2) }} {{ 'no' if pad_token is not defined }}
{%- if tools is none and documents is not defined or not documents %} bare{% endif %}
{{- messages[::-1][0]['content'].split(' ')[-1] ~ "" }}""",
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
QUESTIONS = [
    "What is 23+7-4+9?",
    "  Leading and trailing space  ",
    'Zwölf "Äpfel" & 3 <b>Birnen</b>,\n\n你好 👩‍👩‍👧 \\frac{1}{2}\t{{ not jinja }}',
]
SYSTEMS = [None, "Think step by step, and put the answer in \\boxed{}."]
KWARGS = {"qwen3": [{}, {"enable_thinking": False}, {"enable_thinking": True}], "odd": [{}, {"shots": 5}]}
# today's date would make the file differ from day to day
DATED = {"llama3_1", "llama3_2"}

cases = []
templates = {name: (TRL / f"{name}.jinja").read_text() for name in NAMES} | OWN
templates["gemma3"] = (Path(__file__).parent / "gemma3.jinja").read_text()
for name, template in templates.items():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **TOKENS)
    tokenizer.chat_template = template
    for kwargs in KWARGS.get(name, [{}]):
        if name in DATED:
            kwargs = {**kwargs, "date_string": "26 Jul 2024"}
        for system in SYSTEMS:
            for question in QUESTIONS:
                messages = [{"role": "system", "content": system}] if system else []
                messages.append({"role": "user", "content": question})
                try:
                    text = tokenizer.apply_chat_template(
                        messages, tokenize=False, add_generation_prompt=True, **kwargs
                    )
                except Exception as error:
                    assert str(error) == "System role not supported", error
                    text = None
                cases.append(dict(template=name, system=system, question=question, kwargs=kwargs, text=text))

USER, SAID = {"role": "user", "content": " 2+2= "}, {"role": "assistant", "content": "It is 2.\n"}
BEGUN = {"role": "assistant", "content": "Let me see: "}
CONVERSATIONS = [
    [{"role": "system", "content": "Be brief."}, USER],
    [{"role": "user", "content": "1+1="}, SAID, USER],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1="}, SAID, USER],
    [USER, BEGUN],
]


def rendered(tokenizer, turns, **kwargs):
    try:
        return tokenizer.apply_chat_template(turns, tokenize=False, **kwargs)
    except Exception:
        return None


conversations = []
for name, template in templates.items():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **TOKENS)
    tokenizer.chat_template = template
    kwargs = {"date_string": "26 Jul 2024"} if name in DATED else {}
    for turns in CONVERSATIONS:
        goes_on = turns[-1] is BEGUN
        how = {"continue_final_message": True} if goes_on else {"add_generation_prompt": True}
        prompt = rendered(tokenizer, turns, **how, **kwargs)
        # with what the assistant says to it
        whole = None if goes_on else rendered(tokenizer, turns + [SAID], **kwargs)
        conversations.append(dict(template=name, turns=turns, kwargs=kwargs, prompt=prompt, whole=whole))
golden = {"tokens": TOKENS, "templates": templates, "cases": cases, "conversations": conversations}
path = Path(__file__).parent / "chat.json"
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
print(f"{len(cases)} cases")
