"""Taxonomies: what is refused, and what comes out of a walk through one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.base import Completion, TokenChance
from operators.tasks.base import Reply, Subject
from operators.tasks.descent import MAX_CHOICES
from operators.tasks.reading import read_answer
from operators.tasks.registry import BoundTask, bind_task
from operators.taxonomy import NONE, load_taxonomy
from schemas.failure import ItemFailure, UsageError
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

YAML = """
version: "2026-11"
tags:
  - {id: k, name: kitchenware}
  - {id: mug, name: mug, parent: k, synonyms: [cup, beaker]}
  - {id: pan, name: pan, parent: k}
  - {id: t, name: toys}
  - {id: ball, name: ball, parent: t}
  - {id: red-ball, name: red ball, parent: ball}
"""


def write(folder: Path, text: str, name: str = "tags.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def bound(path: Path, **options) -> BoundTask:
    return bind_task(
        TaskSpec(task="tags", name="tags", options={"taxonomy": str(path), **options})
    )


def reply(question, tags: list[str], chance: float = 1.0) -> Reply:
    """As an engine would answer: one token a character, the chance on each name's first."""
    text = json.dumps({"tags": tags}, ensure_ascii=False)
    starts = {text.index(json.dumps(tag, ensure_ascii=False)) for tag in tags}
    chances = tuple(
        TokenChance(i + 1, math.log(chance) if i in starts else 0.0) for i in range(len(text))
    )
    completion = Completion(text, "stop", 1, 1, len(text), chances)
    return Reply(read_answer(question.answer, text), completion)


def walk(task: BoundTask, decide) -> tuple[list[dict], list[list]]:
    """Answer every question by `decide(question) -> names`; the rows, and what was asked."""
    subject = Subject(Frames(MediaKind.IMAGE, bytes(3), ((1, 1),)))
    talk = task.task.converse(task.options, subject)
    asked, questions = [], next(talk)
    try:
        while True:
            asked.append(list(questions))
            questions = talk.send([reply(q, decide(q), 0.5) for q in questions])
    except StopIteration as end:
        return end.value.model_dump()["tags"], asked


def choices(question) -> list[str]:
    return question.schema["properties"]["tags"]["items"]["enum"]


def wanting(*names: str):
    return lambda question: [n for n in names if n in choices(question)] or [NONE]


def test_a_tag_comes_with_its_parents_its_id_and_the_chance_of_the_way(tmp_path):
    [tag], asked = walk(bound(write(tmp_path, YAML)), wanting("toys", "ball", "red ball"))
    assert tag == {
        "tag": "red ball",
        "id": "red-ball",
        "path": ["toys", "ball", "red ball"],
        "score": pytest.approx(0.125),
    }
    assert [len(round_) for round_ in asked] == [1, 1, 1]
    assert all(question.measured for round_ in asked for question in round_)


def test_a_synonym_means_its_tag_and_comes_out_under_its_name(tmp_path):
    [tag], _ = walk(bound(write(tmp_path, YAML)), wanting("kitchenware", "beaker"))
    assert (tag["tag"], tag["id"]) == ("mug", "mug")


def test_a_branch_of_which_nothing_fits_stands_for_itself(tmp_path):
    [tag], _ = walk(bound(write(tmp_path, YAML)), wanting("kitchenware"))
    assert tag["path"] == ["kitchenware"]


def test_nothing_that_fits_is_said_in_so_many_words(tmp_path):
    [tag], asked = walk(bound(write(tmp_path, YAML)), wanting())
    assert (tag["tag"], tag["id"], tag["path"]) == ("none", None, [])
    assert len(asked) == 1


def test_two_branches_are_followed_side_by_side(tmp_path):
    tags, asked = walk(
        bound(write(tmp_path, YAML)), wanting("kitchenware", "toys", "pan", "ball")
    )
    assert {tag["tag"] for tag in tags} == {"pan", "ball"}
    assert [len(round_) for round_ in asked] == [1, 2, 1]


def sightings(tags: dict[str, list[int]]) -> dict:
    return {"tags": [{"tag": tag, "frames": frames} for tag, frames in tags.items()]}


def watch(path: Path, answers: list[dict[str, list[int]]], **options) -> list[dict]:
    """Tag a video of three frames by these answers, one question after the other."""
    spec = TaskSpec(task="video_tags", name="v", options={"taxonomy": str(path), **options})
    task = bind_task(spec)
    frames = Frames(MediaKind.VIDEO, bytes(9), ((1, 1),) * 3, (0.0, 1.5, 4.25), duration_s=6.0)
    talk = task.task.converse(task.options, Subject(frames))
    [question] = next(talk)
    try:
        for answer in answers:
            text = json.dumps(sightings(answer))
            chances = tuple(TokenChance(n + 1, 0.0) for n in range(len(text)))
            completion = Completion(text, "stop", 1, 1, len(text), chances)
            [question] = talk.send([Reply(read_answer(question.answer, text), completion)])
    except StopIteration as end:
        return end.value.model_dump()["tags"]
    raise AssertionError("the task asks more than the answers say")


def test_a_videos_tag_has_its_parents_and_the_seconds_of_the_last_question(tmp_path):
    answers = [{"toys": [1]}, {"ball": [2, 1]}, {"red ball": [3, 1, 3]}]
    [tag] = watch(write(tmp_path, YAML), answers)
    assert tag == {
        "tag": "red ball",
        "id": "red-ball",
        "path": ["toys", "ball", "red ball"],
        "score": pytest.approx(1.0),
        "seen_s": [0.0, 4.25],
    }


def test_a_synonym_and_its_tag_are_one_tag_with_the_seconds_of_both(tmp_path):
    answers = [{"kitchenware": [1]}, {"cup": [3], "mug": [1]}]
    [tag] = watch(write(tmp_path, YAML), answers)
    assert (tag["id"], tag["seen_s"]) == ("mug", [0.0, 4.25])


def test_a_video_of_which_nothing_fits_has_the_tag_none_and_no_seconds(tmp_path):
    [tag] = watch(write(tmp_path, YAML), [{NONE: [1]}])
    assert (tag["tag"], tag["id"], tag["path"], tag["seen_s"]) == ("none", None, [], [])


def test_a_branch_of_a_video_that_stands_for_itself_keeps_its_seconds(tmp_path):
    [tag] = watch(write(tmp_path, YAML), [{"toys": [2]}, {NONE: [1]}])
    assert (tag["path"], tag["seen_s"]) == (["toys"], [1.5])


def test_a_tag_that_is_spelled_like_a_key_of_the_answer_is_measured(tmp_path):
    path = write(tmp_path, "tags: [{id: tag}, {id: frames}]")
    tags = watch(path, [{"tag": [1], "frames": [2]}])
    assert {tag["id"]: tag["score"] for tag in tags} == {"tag": 1.0, "frames": 1.0}


@pytest.mark.parametrize("tag", ["lamp", "red"])
def test_a_video_answer_outside_the_taxonomy_is_a_failure(tmp_path, tag):
    with pytest.raises(ItemFailure):
        watch(write(tmp_path, YAML), [{tag: [1]}])


def test_csv_and_yaml_are_the_same(tmp_path):
    table = "id,name,parent,synonyms\nk,kitchenware,,\nmug,mug,k,cup|beaker\npan,pan,k,\n"
    table += "t,toys,,\nball,ball,t,\nred-ball,red ball,ball,\n"
    from_csv = load_taxonomy(write(tmp_path, table, "tags.csv"))
    assert from_csv.nodes == load_taxonomy(write(tmp_path, YAML)).nodes


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("[]", "at least one tag"),
        ("[{id: a}, {id: a}]", "'a' is there twice"),
        ("[{id: a, parent: b}]", "the parent of 'a' is not"),
        ("[{id: r}, {id: a, parent: b}, {id: b, parent: a}]", "'a', 'b' form a cycle"),
        ("[{id: a, name: x}, {id: b, synonyms: [x]}]", "'x' means more than one tag"),
        ("[{name: x}]", "tag 1 has no id"),
        ("[{id: a, name: none of these}]", "other than 'none of these'"),
        ("[3]", "tag 1: expected id"),
        ("{}", "a list of `tags:`"),
        ("[", "is no YAML"),
    ],
)
def test_a_taxonomy_with_a_defect_is_refused_when_the_job_is_read(tmp_path, tags, message):
    with pytest.raises(UsageError, match=message):
        bound(write(tmp_path, f"tags: {tags}"))


def test_a_taxonomy_that_is_not_there_and_one_beside_a_vocabulary_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        bound(tmp_path / "nothing.yaml")
    with pytest.raises(UsageError, match="not both"):
        bound(write(tmp_path, YAML), vocabulary=["a"])


def thousands(folder: Path) -> Path:
    """5,000 tags: ten branches, one of them of 600 leaves."""
    rows = ["id,name,parent,synonyms"]
    rows += [f"b{n},branch {n},," for n in range(10)]
    rows += [f"l{n},leaf {n},b{0 if n < 600 else 1 + n % 9}," for n in range(4990)]
    return write(folder, "\n".join(rows), "big.csv")


def test_five_thousand_tags_never_come_into_one_prompt(tmp_path):
    task = bound(thousands(tmp_path))
    [tag], asked = walk(task, wanting("branch 0", "leaf 599"))
    assert tag["path"] == ["branch 0", "leaf 599"]
    assert [len(round_) for round_ in asked] == [1, 5]
    for question in (q for round_ in asked for q in round_):
        assert len(choices(question)) <= MAX_CHOICES + 1
        assert len(question.system) < 3000
    assert len(json.dumps(task.fingerprint_parts())) > 100_000


def test_a_changed_taxonomy_changes_the_fingerprint(tmp_path):
    before = bound(write(tmp_path, YAML)).fingerprint_parts()
    after = bound(write(tmp_path, YAML.replace("red ball", "scarlet ball"))).fingerprint_parts()
    assert before != after


@given(data=st.data())
def test_whatever_is_chosen_is_in_the_vocabulary_with_all_its_parents(data, tmp_path_factory):
    taxonomy = load_taxonomy(write(tmp_path_factory.mktemp("t"), YAML))
    task = bound(write(tmp_path_factory.mktemp("t"), YAML), max_tags=2)

    def anything(question):
        return data.draw(st.lists(st.sampled_from(choices(question)), min_size=1, max_size=2))

    tags, _ = walk(task, anything)
    assert 1 <= len(tags) <= 2
    for tag in tags:
        if tag["id"] is None:
            assert tag["tag"] == "none"
            continue
        assert [node.name for node in taxonomy.path(tag["id"])] == tag["path"]
        assert 0 <= tag["score"] <= 1
