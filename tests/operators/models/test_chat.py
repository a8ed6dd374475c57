from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from operators.models.chat import CHATML, WORD_JOINER, Chat, defuse

tag_like = st.lists(
    st.sampled_from(["<", ">", "/", "|", "unk", "image", "im_end", " ", "用户", "\n", "a"])
).map("".join)


@given(tag_like)
def test_no_tag_survives(text: str) -> None:
    assert re.search(r"<[^<>\s" + WORD_JOINER + r"][^<>\s]*>", defuse(text)) is None


@given(st.text())
def test_people_see_the_same_text(text: str) -> None:
    assert defuse(text).replace(WORD_JOINER, "") == text.replace(WORD_JOINER, "")


def test_ordinary_text_stays() -> None:
    assert defuse("1 < 2 > 0, a <- b, x<y and a < b>") == "1 < 2 > 0, a <- b, x<y and a < b>"


def test_without_instruction_there_is_no_system_turn() -> None:
    assert CHATML.prompt("", "M", "").startswith("<|im_start|>user\nM<|im_end|>\n")


def test_a_family_without_system_turn_puts_the_instruction_before_the_media() -> None:
    chat = Chat(None, "", "<u>", "", "<a>")
    assert chat.prompt("Do.", "M", "What?") == "<u>Do.\nM\nWhat?<a>"
