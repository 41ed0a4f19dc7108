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

# What Jinja writes, compares and strips as Python does; None where it refuses.
SAID_BY = "{% for m in messages %}"
SNIPPETS = [
    # values as text
    "{{ true }} {{ false }} {{ none }} {{ missing }}|",
    "{{ 1 }} {{ 1.0 }} {{ -0.0 }} {{ 0.1 + 0.2 }} {{ 0.00001 }} {{ 0.0001 }} {{ 123456789.0 * 1000000000.0 }}",
    "{{ [1, 'a', none, true, 2.5, [], {}] }} {{ {'k': ['v', none], 'n': 1} }} {{ (1, 'b') }}",
    """{{ ["it's", 'say "x"', "both ' and \\"", "line\\n\\ttab\\\\", "é\u00a0\u200b\U0001f600"] }}""",
    "{{ messages[0] }}",
    "{{ messages[0]['content'] ~ none ~ true ~ 1.5 ~ [1] ~ missing }}",
    "{{ [1, none, 'a']|join('-') }} {{ [true, [1, 'b']]|join }} {{ [1, 2]|join(d=', ') }} {{ 'abc'|join('.') }}",
    "{{ [1, 'a']|string }} {{ true|string }} {{ none|string }} {{ 1.0|string }} {{ missing|string }}|",
    "{{ namespace(a=1) }}",
    "{{ {'a': none, 'b': [1, 0.5, 'é']}|tojson }} {{ messages|tojson(indent=2) }}",
    "{{ missing|tojson }}",
    # loops
    "{% for i in range(4) %}a{{ i }}{% if i == 2 %}{% break %}{% endif %}b{% endfor %}.",
    "{% for i in range(4) %}a{{ i }}{% if i % 2 %}odd{% continue %}lost{% endif %}b{% endfor %}.",
    "{% for i in range(3) %}{{ i }}{% for j in range(3) %}<{{ j }}{% if j == i %}{% break %}{% endif %}>{% endfor %};{% endfor %}",
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in range(2) %}{% continue %}{% else %}none{% endfor %}",
    "{% for i in range(3) %}{% set x %}held{% if i %}{% break %}{% endif %}{% endset %}{{ x }}{% endfor %}",
    "{% for i in range(3) %}{% if i == 0 %}{% set x = 'set' %}{% endif %}{{ i }}{{ x }} {% endfor %}",
    "{% set x = 'out' %}{% for i in range(2) %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% for c in 'añ😀' %}[{{ c }}]{% endfor %}{% for t in missing %}x{% else %}nothing{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ loop.last }}{{ m.content }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': none}.items() %}{{ k }}={{ v }},{% endfor %}",
    # texts
    "{{ ' \\n x \\n'.strip('\\n') }}|{{ 'xxaxx'.strip('x') }}|{{ '\\n\\n a \\n'.lstrip('\\n') }}|{{ ' a \\n\\n'.rstrip('\\n') }}|",
    "{{ '\u00a0\ufeff a\x1c\x85'.strip() }}|{{ '\ufeff b\x1c'|trim }}|{{ '--a--'|trim('-') }}|{{ none|trim }}|{{ 'a]b^'.strip('^]') }}",
    "{{ 'hELLO wORLD'.capitalize() }} {{ 'hELLO'|capitalize }} {{ 'it\\'s a TEST'.title() }} {{ none|upper }} {{ true|lower }}",
    "{{ '😀é'|length }} {{ missing|length }} {{ [1, 2]|length }} {{ {'a': 1}|length }}",
    "{{ '12abc'|int }} {{ ' 12 '|int }} {{ '3.7'|int }} {{ '1e2'|int }} {{ (-1.5)|int }} {{ 'x'|int(7) }} {{ '2'|float }} {{ '1.5x'|float }} {{ none|int }} {{ 3|float }}",
    "{{ 'a b  c'.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'aXbX'.split('X')[-1] }}|",
    "{{ 'abc'[-1] }}{{ 'abcdef'[1:4] }}{{ 'abc'[::-1] }} {{ [1, 2, 3][:-1] }} {{ 'aab'.replace('a', 'x', 1) }}",
    "{{ 'a' + 1 }}",
    "{{ 'a' + none }}",
    # comparisons
    "{{ 1 == '1' }} {{ '' == 0 }} {{ none == missing }} {{ [] == [] }} {{ [1, [2]] == [1, [2]] }} {{ {'a': 1} == {'a': 1.0} }} {{ 1 == true }} {{ 'a' != none }}",
    "{{ none in [none, 1] }} {{ 1 in [true] }} {{ [1] in [[1]] }} {{ '1' in [1] }} {{ 'a' not in ['b'] }} {{ 'k' in {'k': 1} }} {{ 'b' in 'abc' }} {{ 'a' in missing }}",
    "{{ -1 % 3 }} {{ 7 % -3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 3 }} {{ 5.5 % 2 }}",
    "{{ 1 / 0 }}",
    "{{ true is number }} {{ 1 is integer }} {{ {} is iterable }} {{ (1, 2) is iterable }} {{ none is iterable }} {{ '' is lower }} {{ 'a1' is lower }} {{ '12' is upper }} {{ 'A' is upper }} {{ missing is iterable }}",
    "{{ missing is defined }} {{ none is defined }} {{ messages[0].no is defined }} {{ [] is sequence }} {{ {} is mapping }} {{ 'a' is string }} {{ none is none }} {{ missing is none }}",
    "{{ missing.role }}",
    "{{ messages[0].no.way is defined }}",
    "{{ missing and missing.x }}{{ (messages[0].tool_calls or [])|length }}{{ 'yes' if messages else 'no' }}{{ 'shown' if false }}|",
    # macros
    "{% macro f(a, b='d') %}{{ a }}{{ b }}{{ i }}{% endmacro %}{% for i in range(2) %}{{ f(i) }}{{ f(i, b=none) }}{% endfor %}",
    "{% macro f() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}{% set x = 2 %}{{ f() }}",
    "{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro box(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% for i in [1] %}{% call box('a') %}{{ i }}{{ true }}{% endcall %}{% endfor %}",
    "{% filter upper %}a{{ none }}{% endfilter %}{% set x %} {{ true }} {% endset %}{{ x|trim }}",
    "{{ range(100001)|length }}",
    "{{ messages|map(attribute='role')|join(',') }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ messages|rejectattr('no', 'defined')|list|length }} {{ messages|selectattr('no', 'undefined')|list|length }} {{ messages|rejectattr('role', 'undefined')|list|length }}",
    # what is gone through and is no list: written as Python writes it, or refused; and read once where it is found once
    "{{ range(3) }} {{ range(1, 3) }} {{ range(0, 10, 3) }} {{ [range(2)] }} {{ range(3)|string }} {{ range(3)|list }} {{ range(true) }}",
    "{{ range(3) == [0, 1, 2] }} {{ range(3) == range(0, 3) }} {{ 2 in range(3) }} {{ range(3)[-1] }} {{ range(3)|last }} {{ range(3)|join }} {{ 'a' if range(0) else 'b' }} {{ range(3) is sequence }}",
    *("{{ range(3)|tojson }}", "{{ [1] + range(3) }}", "{{ range('3') }}", "{{ range(2.5) }}", "{{ range(1, 2, 0) }}"),
    "{{ 'x' if messages|selectattr('role', 'equalto', 'nobody') else 'none' }} {{ 'x' if messages|selectattr('role', 'equalto', 'nobody')|list else 'none' }} {{ 'x' if messages|selectattr('role', 'equalto', 'nobody')|first else 'none' }}",
    *("{{ messages|map(attribute='role')|length }}", "{{ messages|map(attribute='role')|last }}"),
    "{{ messages|map(attribute='role') + ['a'] }}",
    "{{ 'user' in messages|map(attribute='role') }} {{ messages|map(attribute='role')|reverse|list }} {{ messages|map(attribute='role')|reverse }} {{ messages|map(attribute='role') is sequence }}",
    "{% set g = messages|map(attribute='role')|list %}{{ g|join }}{{ g|join }} {{ ['a', 'A', 'b']|unique|list }} {{ [1, 2]|reverse|list }} {{ []|first }}|{{ []|last }}|",
    "{{ {'a': 1}.items()|list }} {{ {'a': 1}.keys()|list }} {{ {'a': 1}.values()|list }} {{ {'a': 1}|items|list }} {{ {'b': 1, 'a': 2}|dictsort }} {{ {'a': 1}.items()|length }}",
    "{% for k, v in {'a': 1}|items %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{{ v }}{% endfor %}{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "{{ (1, 2, 3)[1:] }} {{ (1, 2) + (3, 4) }} {{ '😀a'[0] }} {{ '😀a'[-1] }} {{ 'abc'[5] }}|{{ \"they're 1a b-c\"|title }}",
    "{{ (1, 2) + [3] }}",
    "{{ (1 < 2) == true }} {{ 1 == 1 != 2 }}",
    SAID_BY + "{{ m.role }}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{{ not loop.last }}{% endfor %}",
]
TURNS = [{"role": "user", "content": " a</think>\n\n  b \n"}, {"role": "assistant", "content": "it's"}]
snippets = []
for template in SNIPPETS:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **TOKENS)
    tokenizer.chat_template = template
    snippets.append(dict(template=template, text=rendered(tokenizer, TURNS)))
golden = {"tokens": TOKENS, "templates": templates, "cases": cases, "conversations": conversations}
golden |= {"turns": TURNS, "snippets": snippets}
path = Path(__file__).parent / "chat.json"
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
print(f"{len(cases)} cases")
