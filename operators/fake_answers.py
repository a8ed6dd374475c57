"""Answers that fit a JSON Schema, made up by rule."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

DEFAULT_MAX_ITEMS = 3
DEFAULT_MAX_NUMBER = 100
WORDS = ("red", "circle", "blue", "star", "green", "square", "left", "right")


def answer_text(schema: Mapping[str, Any] | None, *, prefix: str, seed: str) -> str:
    """An answer of this schema; the same for the same arguments.

    Args:
        schema: JSON Schema; None for plain text.
        prefix: What every free string begins with, as far as its length allows.
        seed: What else the answer depends on.

    Raises:
        ValueError: If the schema holds something that is not provided for.
    """
    chance = random.Random(f"{prefix}\0{seed}")
    if schema is None:
        return _string({}, prefix, chance)
    maker = _Maker(schema.get("$defs", {}), prefix, chance)
    return json.dumps(maker.value(schema), separators=(",", ":"))


class _Maker:
    """Makes values of one schema document."""

    def __init__(self, defs: Mapping[str, Any], prefix: str, chance: random.Random) -> None:
        self._defs = defs
        self._prefix = prefix
        self._chance = chance

    def value(self, schema: Mapping[str, Any]) -> Any:
        """A value of a schema or sub-schema."""
        if "$ref" in schema:
            return self.value(self._defs[schema["$ref"].rpartition("/")[2]])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chance.choice(list(schema["enum"]))
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.value(self._chance.choice(list(schema[several])))
        return self._typed(schema)

    def _typed(self, schema: Mapping[str, Any]) -> Any:
        match schema.get("type"):
            case "object":
                parts = schema.get("properties", {}).items()
                return {name: self.value(part) for name, part in parts}
            case "array":
                return self._array(schema)
            case "string":
                return _string(schema, self._prefix, self._chance)
            case "integer":
                return self._chance.randint(*_bounds(schema))
            case "number":
                return round(self._chance.uniform(*_bounds(schema)), 3)
            case "boolean":
                return self._chance.random() < 0.5
            case "null":
                return None
        raise ValueError(f"the fake engine cannot answer the schema {dict(schema)!r}")

    def _array(self, schema: Mapping[str, Any]) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, DEFAULT_MAX_ITEMS))
        count = self._chance.randint(least, most)
        choices = schema.get("items", {}).get("enum")
        if choices is not None:
            distinct = min(count, len(choices))
            picked = self._chance.sample(list(choices), distinct)
            return picked + [self._chance.choice(choices) for _ in range(count - distinct)]
        return [self.value(schema["items"]) for _ in range(count)]


def _bounds(schema: Mapping[str, Any]) -> tuple[int, int]:
    least = schema.get("minimum", 0)
    return least, schema.get("maximum", least + DEFAULT_MAX_NUMBER)


def _string(schema: Mapping[str, Any], prefix: str, chance: random.Random) -> str:
    words = " ".join([prefix, *(chance.choice(WORDS) for _ in range(4))])
    padded = words.ljust(schema.get("minLength", 0), ".")
    return padded[: schema.get("maxLength", len(padded))]
