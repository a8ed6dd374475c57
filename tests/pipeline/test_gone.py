"""Rows of items that are not listed any more, or again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable

from operators.sources.tar_places import damaged_place
from pipeline.commit import result_tables
from pipeline.gone import settle_gone
from schemas.failure import FailureCode, UsageError
from schemas.item import Medium
from tests.pipeline.rows import annotated, failed, listed
from tests.pipeline.test_plan import CAPTION, STORAGE, commit, plan_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_rows_of_items_that_are_gone_are_found_by_policy(root):
    commit(root, annotated("stays"), annotated("gone"), failed("lost", FailureCode.CORRUPT))
    listing = [listed("stays"), listed("new")]
    assert plan_of(root, listing).gone == []

    [marked] = plan_of(root, listing, gone="mark").gone
    assert (marked.table, marked.returning.num_rows) == ("captions", 0)
    assert marked.leaving.to_pylist() == [{"item_id": "gone", "task": "caption"}]

    rows, failures = plan_of(root, listing, gone="delete").gone
    assert rows.leaving.column("item_id").to_pylist() == ["gone"]
    assert failures.table == "failures"
    assert failures.leaving.column("item_id").to_pylist() == ["lost"]


def test_what_is_back_is_marked_as_gone_no_more_whatever_the_policy_is_by_then(root):
    commit(root, annotated("back"), annotated("gone"))
    [found] = plan_of(root, [listed("new")], gone="mark").gone
    captions = result_tables(str(root), STORAGE, [CAPTION.bound], "r")
    assert settle_gone([found], captions, "mark") == 2

    [found] = plan_of(root, [listed("back"), listed("new")], gone="keep").gone
    assert settle_gone([found], captions, "keep") == 0
    rows = DeltaTable(str(root / "captions")).to_pyarrow_table().to_pylist()
    assert {row["item_id"]: row["gone_at"] is None for row in rows} == {
        "back": True,
        "gone": False,
    }
    assert plan_of(root, [listed("back"), listed("new")], gone="keep").gone == []


@pytest.mark.parametrize("policy", ["mark", "delete"])
def test_what_a_damaged_shard_does_not_list_is_not_gone(root, policy):
    commit(root, annotated("s/0.tar/000"), annotated("s/0.tar/001"), annotated("s/1.tar/000"))
    damage = damaged_place(4096, FailureCode.TRUNCATED, "the archive is cut off")
    shard = replace(listed("s/0.tar"), media=(Medium("s/0.tar", 5000, "v2", damage),))
    plan = plan_of(root, [listed("s/0.tar/000"), shard], gone=policy)
    assert plan.gone == []
    assert plan.damaged_shards == ["s/0.tar"]
    whole = plan_of(root, [listed("s/0.tar/000")], gone=policy)
    assert sum(one.leaving.num_rows for one in whole.gone) == 2
    assert whole.damaged_shards == []


def test_an_empty_listing_never_means_that_all_is_gone(root):
    commit(root, annotated("a"), annotated("b"))
    with pytest.raises(UsageError, match="would remove all 2 rows"):
        plan_of(root, [], gone="delete")
