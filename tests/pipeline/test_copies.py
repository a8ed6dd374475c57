"""Answers copied to items that show the same, in whatever order they arrive."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.copies import Copies
from schemas.failure import RETRYABLE, FailureCode, StorageError
from tests.pipeline.rows import annotated, failed, table


def first(item_id: str, **changes: Any) -> dict[str, Any]:
    return annotated(item_id, twin="t", **changes)


def twin(item_id: str, of: str, **changes: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("answer", "image_tokens", "prompt_tokens", "output_tokens"))
    own = {"twin": "t", "copied_from": of, "finish_reason": None, "uris": [f"s3://b/{item_id}"]}
    return annotated(item_id, **(empty | own | changes))


@pytest.mark.parametrize("late", [True, False])
def test_a_twin_gets_the_answer_and_keeps_what_is_its_own(late):
    rows = [first("a"), twin("b", "a", item_version="v9", attempt=2)]
    with Copies() as copies:
        given_on = [
            row
            for one in (rows if late else reversed(rows))
            for row in copies.settled(table(one)).to_pylist()
        ]
    [answered, copied] = given_on
    assert (answered["item_id"], answered["copied_from"]) == ("a", None)
    assert copied["item_id"] == "b"
    assert json.loads(copied["answer"]) == json.loads(answered["answer"])
    assert (copied["copied_from"], copied["item_version"]) == ("a", "v9")
    assert (copied["attempt"], copied["uris"]) == (2, ["s3://b/b"])
    assert (copied["output_tokens"], copied["finish_reason"]) == (0, "stop")


def test_a_failure_is_shared_as_well():
    with Copies() as copies:
        copies.settled(table(failed("a", FailureCode.POISON, twin="t")))
        [row] = copies.settled(table(twin("b", "a"))).to_pylist()
    assert row["failure"]["code"] == "poison"
    assert row["answer"] is None


def test_what_only_looks_alike_keeps_its_size_and_tells_the_distance():
    with Copies() as copies:
        copies.settled(table(first("a", source_width=100)))
        near = twin("b", "a", copy_distance=3, source_width=50)
        [row] = copies.settled(table(near)).to_pylist()
    assert (row["copied_from"], row["copy_distance"], row["source_width"]) == ("a", 3, 50)


@pytest.mark.parametrize("distance", [0, 3])
def test_what_only_looks_alike_takes_no_failure_but_waits_for_the_next_run(distance):
    with Copies() as copies:
        copies.settled(table(failed("a", FailureCode.POISON, twin="t")))
        [row] = copies.settled(table(twin("b", "a", copy_distance=distance))).to_pylist()
    assert (row["failure"]["code"], row["failure"]["stage"]) == ("twin_failed", "annotate")
    assert "poison" in row["failure"]["message"]
    assert FailureCode(row["failure"]["code"]) in RETRYABLE


@pytest.mark.parametrize("order", ["cba", "cab", "bac", "abc"])
def test_a_twin_of_a_twin_gets_the_answer_in_any_order(order):
    rows = {"c": first("c"), "a": twin("a", "c"), "b": twin("b", "a")}
    with Copies() as copies:
        out = [row for name in order for row in copies.settled(table(rows[name])).to_pylist()]
    assert sorted(row["item_id"] for row in out) == ["a", "b", "c"]
    assert {json.loads(row["answer"])["caption"] for row in out} == {"caption of c"}


def test_the_distance_to_a_twin_s_first_is_the_way_over_the_twin():
    rows = [first("c"), twin("a", "c", copy_distance=2), twin("b", "a", copy_distance=3)]
    with Copies() as copies:
        out = [row for one in rows for row in copies.settled(table(one)).to_pylist()]
    assert {row["item_id"]: row["copy_distance"] for row in out} == {"a": 2, "b": 5, "c": None}


def test_what_waits_in_vain_does_not_come_out():
    with Copies() as copies:
        assert copies.settled(table(twin("b", "a"), annotated("c"))).num_rows == 1


@given(st.integers(1, 12), st.integers(0, 2**32), st.booleans())
def test_none_is_lost_and_none_is_doubled_in_any_order(count, seed, failing):
    rng = random.Random(seed)
    rows = []
    for group in range(3):
        head = f"{group}-first"
        rows.append(failed(head, FailureCode.CORRUPT, twin="t") if failing else first(head))
        rows += [twin(f"{group}-{n}", head) for n in range(rng.randrange(count))]
    rows.append(annotated("alone"))
    rng.shuffle(rows)
    with Copies() as copies:
        out = [
            row
            for start in range(0, len(rows), 3)
            for row in copies.settled(table(*rows[start : start + 3])).to_pylist()
        ]
    assert sorted(row["item_id"] for row in out) == sorted(row["item_id"] for row in rows)
    for row in out:
        about = json.loads(row["answer"])["caption"] if row["answer"] else None
        origin = row["copied_from"] or row["item_id"]
        assert (row["failure"] is not None) or about == f"caption of {origin}"


def test_a_full_disk_is_told_with_its_place_and_a_remedy():
    with Copies() as copies:
        copies.settled(table(first("a")))
        copies._rows.execute("PRAGMA max_page_count = 1")
        long = json.dumps({"caption": "x" * 10**6, "style": "detailed", "caution": None})
        with pytest.raises(StorageError, match=r"full.*point TMPDIR elsewhere"):
            copies.settled(table(first("b", answer=long)))
