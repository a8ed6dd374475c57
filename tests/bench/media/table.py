"""The figures as tables that are read on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.media.contest import WRONG, Results

Row = Sequence[str]


def of_results(title: str, results: Results, more: Mapping[str, str]) -> str:
    """A table of contenders.

    Args:
        title: Above it.
        results: Its rows.
        more: Further columns: the heading of each figure of the judge's.
    """
    names = (WRONG, *more)
    rows: list[Row] = [
        ("contender", "pictures/core-s", "CPU s", "wall s", "runs", "wrong", *more.values())
    ]
    for name, result in results.items():
        if result.unable:
            rows.append((name, f"cannot: {result.unable}"))
            continue
        said = result.summary()
        spent = (f"{said['cpu_s']:.2f}", f"{said['wall_s']:.2f}", str(said["runs"]))
        rate = f"{said['frames_per_core_s']:.2f}"
        rows.append((name, rate, *spent, *(f"{said[verdict]:g}" for verdict in names)))
    return _drawn(title, rows)


def of_exactness(found: Mapping[str, Results]) -> str:
    """Wrong frames by contender and clip, and below it why some have none."""
    names = list(next(iter(found.values())))
    rows: list[Row] = [("contender", *found)]
    reasons = []
    for name in names:
        cells = []
        for clip, results in found.items():
            result = results[name]
            cells.append("cannot" if result.unable else f"{result.verdicts[0][WRONG]:g}")
            if result.unable:
                reasons.append(f"  {name}, {clip}: {result.unable}")
        rows.append((name, *cells))
    return "\n".join([_drawn("Frames that are not those asked for, of 50", rows), *reasons])


def of_splits(figures: Sequence[Mapping[str, Any]]) -> str:
    """A table of the splits into processes and threads."""
    names = ("items", "processes", "threads", "frames_per_core_s", "frames_per_s")
    rows: list[Row] = [("videos", "processes", "threads", "frames/core-s", "frames/s")]
    rows += [tuple(f"{one[name]:g}" for name in names) for one in figures]
    return _drawn("Processes against frame threads", rows)


def _drawn(title: str, rows: Sequence[Row]) -> str:
    whole = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[column]) for row in whole) for column in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = ["", title, ""]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        if len(row) == len(widths):
            cells += [
                cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        else:
            cells += row[1:]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
