"""What all sections of a job file have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def listed(value: Any) -> Any:
    """One text where a list of texts is expected is a list of one."""
    return (value,) if isinstance(value, str) else value
