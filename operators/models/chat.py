"""How the turns of a prompt are written, and how text is kept from being more than text."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORD_JOINER = "\u2060"
"""Invisible, of no width, and never part of a special token."""

_TAG = re.compile(r"<(?=[^<>\s]+>)")


def defuse(text: str) -> str:
    """Make whatever looks like a special token (``<unk>``, ``<|im_end|>``) plain text.

    Every ``<`` that opens a tag without white space gets a word joiner after it, which
    people do not see and tokenizers do not overlook. All other text stays as it is.
    """
    return _TAG.sub("<" + WORD_JOINER, text)


@dataclass(frozen=True)
class Chat:
    """The turns of one family's prompt.

    Sequence start tokens are not written here: the tokenizer adds its own.

    Attributes:
        system_opening: Before the instruction; None if there is no system turn.
        system_closing: After it.
        user_opening: Before the media.
        user_closing: After the item's text.
        answer_opening: What the model continues from.
    """

    system_opening: str | None
    system_closing: str
    user_opening: str
    user_closing: str
    answer_opening: str

    def prompt(self, system: str, media: str, user: str) -> str:
        """Write a prompt.

        Args:
            system: The instruction, defused; may be empty.
            media: The placeholders; may be empty.
            user: The item's text, defused; may be empty.
        """
        head, instruction = "", ""
        if self.system_opening is None:
            instruction = f"{system}\n" if system else ""
        elif system:
            head = f"{self.system_opening}{system}{self.system_closing}"
        text = f"\n{user}" if user and media else user
        turn = f"{self.user_opening}{instruction}{media}{text}{self.user_closing}"
        return head + turn + self.answer_opening


CHATML = Chat(
    system_opening="<|im_start|>system\n",
    system_closing="<|im_end|>\n",
    user_opening="<|im_start|>user\n",
    user_closing="<|im_end|>\n",
    answer_opening="<|im_start|>assistant\n",
)
