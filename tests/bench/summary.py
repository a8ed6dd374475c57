"""From the contenders' outcomes to the figures that are compared; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.bench.contenders.outcome import Outcome

TAGLINE, ENGINE, SCRIPT, RAY_DATA_LLM = "tagline", "engine", "script", "ray_data_llm"

Outcomes = Mapping[str, Mapping[str, Sequence[Outcome]]]
"""By set of images, then by contender: one outcome a run."""


def summarise(outcomes: Outcomes) -> dict[str, Any]:
    """The report, the machine apart.

    Rates are medians over the runs. Where a figure is one for all sets, it is the worst.
    """
    rates = {name: _rates(of_set) for name, of_set in outcomes.items()}
    return {
        "pipeline_over_engine": _worst(rates, ENGINE),
        **{f"pipeline_over_script_{n}": _over(of_set, SCRIPT) for n, of_set in rates.items()},
        "pipeline_over_ray_data_llm": _worst(rates, RAY_DATA_LLM),
        "pipeline_over_engine_no_head_start": min(
            _rate_without_head_start(of_set) / rates[name][ENGINE]
            for name, of_set in outcomes.items()
        ),
        "items_per_s": {name: of_set[TAGLINE] for name, of_set in rates.items()},
        "decoded_before_engine_ready": {
            name: median(_details(of_set[TAGLINE], "decoded_before_engine_ready"))
            for name, of_set in outcomes.items()
        },
        "sets": {
            name: {who: _spread(runs) for who, runs in of_set.items()}
            for name, of_set in outcomes.items()
        },
    }


def items_per_s_without_head_start(tagline: Outcome, decode_s_per_item: float) -> float:
    """Tagline's rate if nothing had been decoded while the model loaded; a lower bound.

    What was decoded by then is charged in full, as if one worker had done it while the
    engine did nothing; and so is the time by which the observer may have seen the engine
    ready too late.

    Args:
        tagline: One run of Tagline.
        decode_s_per_item: Seconds in which one thread fetches and decodes an item.
    """
    early = tagline.details["decoded_before_engine_ready"] * decode_s_per_item
    return tagline.items / (tagline.seconds + tagline.details["ready_seen_late_s"] + early)


def _rate_without_head_start(of_set: Mapping[str, Sequence[Outcome]]) -> float:
    cost = median(_details(of_set[ENGINE], "fetch_and_decode_s_per_item"))
    return median(items_per_s_without_head_start(run, cost) for run in of_set[TAGLINE])


def _rates(of_set: Mapping[str, Sequence[Outcome]]) -> dict[str, float]:
    return {who: median(_items_per_s(runs)) for who, runs in of_set.items()}


def _items_per_s(runs: Sequence[Outcome]) -> list[float]:
    return [run.items / run.seconds for run in runs]


def _over(rates: Mapping[str, float], other: str) -> float | None:
    return rates[TAGLINE] / rates[other] if other in rates else None


def _worst(rates: Mapping[str, Mapping[str, float]], other: str) -> float | None:
    found = [ratio for of_set in rates.values() if (ratio := _over(of_set, other)) is not None]
    return min(found, default=None)


def _details(runs: Sequence[Outcome], name: str) -> list[float]:
    return [run.details[name] for run in runs]


def _spread(runs: Sequence[Outcome]) -> dict[str, Any]:
    rates = _items_per_s(runs)
    return {
        "items_per_s": median(rates),
        "min": min(rates),
        "max": max(rates),
        "engine_start_s": median(run.engine_start_s for run in runs),
        "output_tokens_per_item": median(run.output_tokens / run.items for run in runs),
        **{name: median(_details(runs, name)) for name in runs[0].details},
    }
