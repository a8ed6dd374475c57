"""Ids that nobody would choose, from a manifest to rows, failures and a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable

from operators.sources.registry import open_source
from pipeline.commit import ResultSink, RowOrigin
from pipeline.owed import OwedTask
from pipeline.plan import Plan, make_plan
from schemas.failure import FailureCode
from schemas.inputs import InputSpec
from schemas.job import OutputSpec, StorageSpec
from tests.fixtures.command_line import tagline
from tests.pipeline.rows import annotated, bound, failed, table

STORAGE = StorageSpec(timeout_s=5)
ODD_IDS = [
    "x" * 2048,
    "写" * 680 + "😀" * 2,
    "line\nbreak\r\n\ttab",
    'it\'s "quoted" `id`; DROP TABLE rows; --',
    "😀👩‍👩‍👧‍👦 \u202eabc\u2066",
    " leading and trailing ",
    "=1+1",
    "../../etc/passwd",
    "s3://bucket/key%20#?",
    "NULL",
    "\\N\\u0041\x7f\x1b[31m",
]


class Output:
    """An output, and a manifest of the odd ids."""

    def __init__(self, root: Path) -> None:
        self.uri = str(root / "out")
        self.runs = 0
        path = root / "items.jsonl"
        lines = [json.dumps({"id": item_id, "photo": "/photos/a.png"}) for item_id in ODD_IDS]
        path.write_text("\n".join(lines))
        self.input = InputSpec.model_validate(
            {"manifest": {"uris": str(path), "media": "photo"}}
        )

    def plan(self, fingerprint: str) -> Plan:
        self.runs += 1
        return make_plan(
            open_source(self.input, STORAGE, []),
            [OwedTask(bound("caption"), {"image": fingerprint})],
            self.uri,
            STORAGE,
            run_id=f"run-{self.runs}",
            attempts=3,
        )

    def commit(self, *rows: dict) -> None:
        origin = RowOrigin(f"run-{self.runs}", "tiny", None)
        sink = ResultSink(OutputSpec(uri=self.uri), STORAGE, [bound("caption")], origin)
        sink.open()
        sink.add(table(*rows))
        sink.flush()

    def ids(self, name: str) -> list[str]:
        rows = DeltaTable(f"{self.uri}/{name}").to_pyarrow_table()
        return sorted(rows.column("item_id").to_pylist())


@pytest.fixture
def versions(tmp_path: Path) -> dict[str, str]:
    """The version that the manifest gives each item."""
    return {
        item.item_id: item.item_version
        for item in open_source(Output(tmp_path).input, STORAGE, [])
    }


def test_they_are_kept_replaced_and_forgiven_like_any_other(
    tmp_path: Path, versions: dict[str, str]
) -> None:
    output = Output(tmp_path)
    assert output.plan("f1").counts.planned == len(ODD_IDS)
    broken, good = ODD_IDS[::2], ODD_IDS[1::2]
    output.commit(
        *(failed(i, FailureCode.NOT_MEDIA, item_version=versions[i]) for i in broken),
        *(annotated(i, item_version=versions[i]) for i in good),
    )
    assert output.ids("captions") == sorted(good)
    assert output.ids("failures") == sorted(broken)
    counts = output.plan("f1").counts
    assert (counts.planned, counts.current, counts.gave_up) == (0, len(good), len(broken))

    assert output.plan("f2").counts.planned == len(ODD_IDS)
    changes = {"fingerprint": "f2", "attempt": 1}
    output.commit(
        *(
            annotated(i, item_version=versions[i], failed_before=True, **changes)
            for i in broken
        ),
        *(annotated(i, item_version=versions[i], replaces=True, **changes) for i in good),
    )
    assert output.ids("captions") == sorted(ODD_IDS)
    assert output.ids("failures") == []
    assert output.plan("f2").counts.current == len(ODD_IDS)


@pytest.mark.parametrize("command", [("show", "--table", "captions"), ("failures",)])
def test_a_terminal_is_shown_them_and_not_commanded_by_them(
    tmp_path: Path, versions: dict[str, str], command: tuple[str, ...]
) -> None:
    output = Output(tmp_path)
    output.commit(
        *(annotated(i, item_version=versions[i]) for i in ODD_IDS[::2]),
        *(failed(i, FailureCode.NOT_MEDIA, item_version=versions[i]) for i in ODD_IDS),
    )
    shown = tagline(command[0], output.uri, *command[1:])
    assert shown.returncode == 0, shown.stderr
    for sign in ("\x1b[31m", "\x7f"):
        assert sign not in shown.stdout
