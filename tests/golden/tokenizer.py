"""Makes tokenizer.json: small tokenizers of every kind the supported models use, trained here, with the ids
that the Python library gives for a corpus of hard texts.

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install tokenizers==0.23.3
    /tmp/golden/bin/python tests/golden/tokenizer.py
"""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TRAINING = [
    "The quick brown fox jumps over the lazy dog. It's the answer that we're looking for, isn't it?",
    "def f(x):\n    return x * 2 + 1  # twice, and one more\n\nfor i in range(10):\n\tprint(f(i))\n",
    "If x = 12 and y = 345, then x + y = 357. The final answer is \\boxed{357}.",
    "Die Würde des Menschen ist unantastbar. Ça va très bien, merci. Привет, как дела?",
    "人工智能是计算机科学的一个分支。你好,世界!今天天气很好。",
    "Take ½ of it, ² and ٣٤٥ and Ⅷ, then ½ of that, ² again, ٣ and ٤ and ٥.",
] * 20
CORPUS = [
    "",
    "a",
    " ",
    "What is 23+7-4+9?",
    "It's we'll THEY'RE i'd don't 'S",
    "  two leading,  two inside, two trailing  ",
    " " * 40 + "x" + "\n" * 9 + "\t\t" + " \n \n",
    "line\r\nline\rline\n\n\n  indented\n\tdef f(x):\n\t\treturn x**2 # ok",
    "0 1 12 123 1234 12345 1234567890 3.14159 1e-5 1,000,000 ٣٤٥ ½ ² Ⅷ",
    "人工智能是计算机科学的一个分支。你好,世界!",
    "こんにちは世界 안녕하세요 สวัสดี नमस्ते שלום مرحبا",
    "😀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ☕️",
    "e\u0301 é ﬁ ℌ Å \u212b ñ n\u0303 \u200bzero\u00a0nbsp\u3000wide\u2028sep\u0085nel",
    "\ufeffa byte order mark",
    "\u0000\u0001\u001f\u007f control",
    "\U0001d54f\U0001d6fc \U00020000 \uffff \U0010ffff",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "a<|im_end|>b <|im_end|> c<|im_end|><|endoftext|>d",
    "<|im_start| > <|im_ <im_end|> |>",
    "\\frac{1}{2} \\boxed{42} $$\\sum_{i=1}^{n} x_i^2$$ {}[]()<>~`!@#$%^&*_-+=|;:'\",.?/",
    "const x: Array<number> = [1,2,3].map((y) => y ?? 0); // ok\nif (x!==y&&!z) { return; }",
    "https://example.com/a?b=c&d=%20#e user@example.com C:\\Users\\x",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!!!!!!!!!!!!!!!",
    "ALLCAPS CamelCase snake_case kebab-case ÀÉÎÕÜ İstanbul ıI ſ",
    "▁ already ▁▁ meta Ġ byte Ċ letters",
]


def byte_level(*splits):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not splits)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, dict(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=SPECIAL)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def gpt2():
    return byte_level()


def smollm():
    tokenizer, options = byte_level()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer, options


def qwen():
    tokenizer, options = byte_level(split(QWEN))
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer, options


def llama3():
    tokenizer, options = byte_level(split(LLAMA3))
    bos = SPECIAL[0]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, 0)]),
        ]
    )
    return tokenizer, options


def sentencepiece():
    """As Llama 2 and Mistral: a visible space, and bytes for what the vocabulary lacks."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    return tokenizer, dict(special_tokens=["<unk>", *SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))])


golden = {"corpus": CORPUS, "tokenizers": {}}
for make in (gpt2, smollm, qwen, llama3, sentencepiece):
    tokenizer, options = make()
    trainer = trainers.BpeTrainer(vocab_size=620, show_progress=False, **options)
    tokenizer.train_from_iterator(TRAINING, trainer)
    text = json.loads(tokenizer.to_str())
    # byte tokens are ordinary tokens of the vocabulary, special ones stay special
    text["added_tokens"] = [token for token in text["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(text))
    encoded = [tokenizer.encode(line, add_special_tokens=False).ids for line in CORPUS]
    decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded]
    prefix = tokenizer.encode("a").ids[: -len(tokenizer.encode("a", add_special_tokens=False).ids)]
    lossless = sum(a == b for a, b in zip(decoded, CORPUS))
    golden["tokenizers"][make.__name__] = dict(json=text, ids=encoded, decoded=decoded, prefix=prefix)
    print(make.__name__, tokenizer.get_vocab_size(), f"{lossless} of {len(CORPUS)} read back")
path = HERE / "tokenizer.json"
path.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
