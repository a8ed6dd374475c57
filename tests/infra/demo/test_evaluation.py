from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from infra.demo.evaluate import main, report, seeds_of
from infra.demo.evaluation.parts import FRAMES, PARTS, Item
from infra.demo.evaluation.scores import (
    AIMS,
    FIGURES,
    KINDS,
    SCORERS,
    Tally,
    figures,
    named,
    truth_of,
)
from infra.demo.lessons import films, teachers
from infra.demo.lessons.lesson import Marks, Shown, bound, conversation_of
from infra.demo.world.film import Film
from infra.demo.world.scene import Scene
from infra.demo.world.seeds import RESERVED_SEEDS, TEST_SEEDS, TRAINING_SEEDS
from infra.demo.world.series import Offer, Pair, Series
from jobs.jobfile import load_job
from operators.tasks.registry import TASKS, bind_tasks
from schemas.failure import UsageError
from schemas.media import MediaKind

SEEDS = TEST_SEEDS[:6]


class Asked:
    """A question of a job's, answered from the truth."""

    def __init__(self, question: str) -> None:
        self.question = question

    def answer(self, scene: Scene) -> Any:
        return truth_of(self.question, scene)


def blank(kind: MediaKind, count: int, pts: tuple[float, ...] = ()) -> Shown:
    pictures = tuple(Image.new("RGB", (2, 2)) for _ in range(count))
    marks = tuple(Marks((), "white") for _ in range(count))
    return Shown(kind, pictures, marks, pts, pts[-1] if pts else None)


def true_row(task: dict[str, Any], item: Item) -> dict[str, Any]:
    """The row that a model would give that knows the truth."""
    options = {key: value for key, value in task.items() if key not in ("task", "name")}
    asked, truth, pts = bound(task["task"], **options), item.truth, ()
    match truth:
        case Scene():
            shown = blank(MediaKind.IMAGE, 1)
        case Film():
            step = truth.duration_s / FRAMES
            pts = tuple((n + 0.5) * step for n in range(FRAMES))
            shown = blank(MediaKind.VIDEO, FRAMES, pts)
        case _:
            shown = blank(MediaKind.IMAGES, len(item.media))
    teacher = {
        "caption": lambda: teachers.caption(truth),
        "tags": lambda: teachers.tags(truth),
        "vqa": lambda: teachers.vqa(truth, [Asked(q["question"]) for q in task["questions"]]),
        "sentiment": lambda: teachers.sentiment(truth),
        "compare": lambda: teachers.compare(truth),
        "sequence": lambda: teachers.sequence(truth),
        "listing": lambda: teachers.listing(truth),
        "video_summary": lambda: films.summary(films.witnessed(truth, pts)),
    }[task["task"]]()
    _, row = conversation_of(asked, shown, teacher, item.columns)
    return row.model_dump() | {"frame_pts": list(pts)}


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Item]]:
    folder = tmp_path_factory.mktemp("evaluation")
    return {part.name: part.prepare(folder, SEEDS) for part in PARTS}


def judged(items: dict[str, dict[str, Item]], spoil: Any = lambda table, row: row) -> Tally:
    tally = Tally()
    for part in PARTS:
        for task in part.tasks:
            table = TASKS[task["task"]].table
            for item in items[part.name].values():
                if isinstance(item.truth, KINDS[table]):
                    row = spoil(table, true_row(task, item))
                    SCORERS[table](tally, item.truth, row)
    return tally


def test_the_truth_reaches_every_figure_in_full(items) -> None:
    found = figures(judged(items))
    assert set(found) == set(FIGURES) == set(AIMS)
    assert found.pop("conflict_false_alarms") == 0
    assert set(found.values()) == {1.0}


def test_what_is_not_true_counts_as_wrong(items) -> None:
    empty = {
        "captions": {"caption": "a picture"},
        "tags": {"tags": [{"tag": "nothing"}]},
        "sentiments": {"label": "mixed"},
        "comparisons": {"differences": [{"aspect": "text", "text": "x"}]},
        "sequences": {"steps": []},
        "listings": {"attributes": [{"name": "material", "value": "x"}], "conflicts": []},
        "video_summaries": {"chapters": []},
    }

    def spoil(table: str, row: dict[str, Any]) -> dict[str, Any]:
        for answer in row.get("answers", []):
            answer["yes"], answer["number"] = not answer["yes"], -1
        return row | empty.get(table, {})

    found = figures(judged(items, spoil))
    assert found.pop("conflict_false_alarms") == 0
    assert set(found.values()) == {0.0}


def test_an_item_without_a_row_counts_as_wrong() -> None:
    tally = Tally()
    item = next(PARTS[0].items(SEEDS[0]))
    assert isinstance(item.truth, Scene)
    SCORERS["captions"](tally, item.truth, None)
    assert figures(tally)["caption_1"] == 0.0


def test_a_model_that_always_says_no_does_not_look_good(items) -> None:
    def spoil(table: str, row: dict[str, Any]) -> dict[str, Any]:
        for answer in row.get("answers", []):
            answer["yes"] = False
        return row

    assert figures(judged(items, spoil))["vqa"] == pytest.approx(2 / 3, abs=0.01)


def test_colours_and_products_are_read_together() -> None:
    text = "A large red striped mug at the top, an orange ball; a yellow thing, a lamp"
    assert named(text) == {("red", "mug"), ("orange", "ball")}


def test_every_job_is_valid_and_holds_its_items(items, tmp_path: Path) -> None:
    for part in PARTS:
        file = tmp_path / f"{part.name}.yaml"
        file.write_text(yaml.safe_dump(part.job(tmp_path, tmp_path)))
        job = load_job(file)
        takes = [task.task.takes for task in bind_tasks(job.tasks)]
        assert all(MediaKind(part.kind) in one for one in takes)
        types = {type(item.truth) for item in items[part.name].values()}
        assert types <= {Scene, Pair, Series, Offer, Film}
        assert len(items[part.name]) % len(SEEDS) == 0


@pytest.mark.parametrize("text", ["", "5", "a..b", "7500009..7500000", "-1..5"])
def test_seeds_that_are_no_range_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write a\.\.b"):
        seeds_of(text)


def test_seeds_of_the_training_are_refused(capsys) -> None:
    assert main(["--seeds", f"{TRAINING_SEEDS[-1]}..{TRAINING_SEEDS[-1]}"]) == 2
    assert "were trained on; choose from 7000000 upwards" in capsys.readouterr().err
    assert seeds_of(f"{RESERVED_SEEDS}..{RESERVED_SEEDS + 9}") == range(
        RESERVED_SEEDS, RESERVED_SEEDS + 10
    )


def test_a_model_that_is_not_there_is_told_in_a_line(tmp_path: Path, capsys) -> None:
    assert main(["--model", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line
    assert "give the folder of a checkpoint" in line


def test_the_report_ends_with_one_json_object(items, capsys) -> None:
    report(judged(items), len(SEEDS))
    *lines, last = capsys.readouterr().out.splitlines()
    assert set(json.loads(last)) == {*FIGURES, "seeds"}
    assert any(line.split() == ["caption_2", "1.000", ">=0.90"] for line in lines)
