"""Chapters and key moments: seconds of the frames that an answer names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.failure import ItemFailure
from tests.operators.tasks.asking import (
    bound,
    read,
)


def summary(**changes: Any) -> str:
    answer = {
        "summary": "A ball rolls.",
        "chapters": [{"first_frame": 1, "last_frame": 4, "title": "all", "text": "it rolls"}],
        "key_moments": [{"first_frame": 1, "last_frame": 2, "title": "it starts"}],
        "key_points": [],
        "tags": ["Ball", "ball"],
    }
    return json.dumps(answer | changes)


def test_key_moments_are_the_seconds_of_the_frames_they_name():
    moments = [
        {"first_frame": 4, "last_frame": 3, "title": "it stops"},
        {"first_frame": 1, "last_frame": 2, "title": "it starts"},
    ]
    row = read(bound("video_summary"), summary(key_moments=moments))
    assert [(m["start_s"], m["end_s"], m["title"]) for m in row["key_moments"]] == [
        (0.0, 0.5, "it starts"),
        (2.0, 7.25, "it stops"),
    ]
    assert row["key_moments"][1]["frame_pts"] == [2.0, 7.25]
    assert row["tags"] == ["ball"]


def test_chapters_do_not_overlap_and_name_the_frames_inside_them():
    chapters = [
        {"first_frame": 2, "last_frame": 4, "title": "b", "text": "x"},
        {"first_frame": 1, "last_frame": 2, "title": "a", "text": "x"},
        {"first_frame": 3, "last_frame": 3, "title": "inside b", "text": "x"},
    ]
    row = read(bound("video_summary"), summary(chapters=chapters))
    assert [(c["title"], c["start_s"], c["end_s"]) for c in row["chapters"]] == [
        ("a", 0.0, 0.5),
        ("b", 2.0, 7.25),
    ]
    for chapter in row["chapters"]:
        assert all(chapter["start_s"] <= p <= chapter["end_s"] for p in chapter["frame_pts"])


def test_a_frame_that_was_not_shown_makes_the_answer_unparsable():
    moment = {"first_frame": 1, "last_frame": 5, "title": "x"}
    with pytest.raises(ItemFailure, match="less than or equal to 4"):
        read(bound("video_summary"), summary(key_moments=[moment]))
