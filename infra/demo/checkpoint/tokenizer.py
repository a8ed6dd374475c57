"""A byte-level BPE tokenizer of some 600 tokens, with MiniCPM-V's special tokens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL_TOKENS = (
    "<unk>",
    "<s>",
    "</s>",
    "<image>",
    "</image>",
    "<slice>",
    "</slice>",
    "<image_id>",
    "</image_id>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<think>",
    "</think>",
)
"""Of all families together: their ids are the same in every tiny checkpoint."""

VOCABULARY_SIZE = 600

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "grey", "white")
_SHAPES = ("circle", "square", "triangle", "star")
_SIZES = ("small", "large")
_PLACES = ("at the left", "at the right", "at the top", "at the bottom", "in the middle")
_GROUNDS = ("white", "black", "grey", "beige", "pink", "sky blue", "dark green", "brown")
_INSTRUCTIONS = (
    "Describe the image in one sentence.",
    "Choose the tags that apply to the image from this list.",
    "Summarise the video: what happens, and when?",
    'Answer with JSON: {"caption": "a small red circle in the middle"}',
    '{"tags":["circle","star","red","blue"]}',
    '{"summary":"a blue star moves to the right","events":[{"start":0,"end":1}]}',
    "You look at images and videos and say what they show.",
)


def sentences() -> list[str]:
    """What the tokenizer learns from: the demo's captions, its answers, the instructions."""
    phrases = [
        f"a {size} {colour} {shape} {place}"
        for size, colour, shape, place in itertools.product(_SIZES, _COLOURS, _SHAPES, _PLACES)
    ]
    captions = [
        f"{phrase} and {other} on a {ground} background"
        for phrase, other, ground in zip(
            phrases, reversed(phrases), itertools.cycle(_GROUNDS), strict=False
        )
    ]
    answers = [json.dumps({"caption": caption}, separators=(",", ":")) for caption in captions]
    return [*phrases, *captions, *answers, *(_INSTRUCTIONS * 20)]


def train_tokenizer(corpus: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Learn a tokenizer: specials first (``<unk>`` is 0), then bytes, then merges."""
    tokenizer = Tokenizer(models.BPE())
    # A digit a token: seconds and numbers of frames are read and written digit by digit.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[
            AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS
        ],
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def token_ids(tokenizer: Tokenizer, end_of_turn: str) -> dict[str, int]:
    """Ids of the tokens that a config names: ``bos``, ``eos``, ``pad``."""
    names = {"bos": "<s>", "eos": end_of_turn, "pad": "<|endoftext|>"}
    vocabulary = tokenizer.get_vocab()
    return {role: vocabulary[name] for role, name in names.items()}


def save_tokenizer(tokenizer: Tokenizer, folder: Path, end_of_turn: str, context: int) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and ``chat_template.jinja``.

    Args:
        tokenizer: What to write.
        folder: The checkpoint.
        end_of_turn: The token that ends an answer.
        context: Longest sequence, tokens.
    """
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": end_of_turn,
        "pad_token": "<|endoftext|>",
        "unk_token": "<unk>",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}
{%- else %}{% for part in message.content -%}
{%- if part.type == 'image' %}(<image>./</image>)
{%- elif part.type == 'video' %}(<video>./</video>)
{%- else %}{{ part.text }}{% endif -%}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif -%}
"""
