"""Every engine, by the name that an `EngineSpec` carries."""

from __future__ import annotations

from operators.base import Engine, EngineSpec
from operators.engine import VllmEngine
from operators.fake_engine import FakeEngine
from schemas.failure import UsageError

ENGINES: dict[str, type[VllmEngine] | type[FakeEngine]] = {
    "vllm": VllmEngine,
    "fake": FakeEngine,
}


def build_engine(spec: EngineSpec) -> Engine:
    """Build an engine, not yet started, from its description.

    Raises:
        UsageError: If there is no engine of this name, or it does not take an option.
    """
    if spec.factory not in ENGINES:
        known = ", ".join(ENGINES)
        raise UsageError(f"engine {spec.factory!r} is not known; choose from {known}")
    try:
        return ENGINES[spec.factory](**spec.options)
    except TypeError as error:
        raise UsageError(f"engine {spec.factory!r}: {error}") from error
