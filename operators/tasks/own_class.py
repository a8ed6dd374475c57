"""A user's own pydantic class, as the JSON Schema that it stands for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

CLASS_MARK = ".py:"
"""Stands between the file and the name of a class: ``fields.py:Label``."""

MAX_REFERENCES = 20


def class_schema(address: str) -> dict[str, Any]:
    """The JSON Schema of a class, without references and unions with null.

    The file is run, as any Python module is when it is imported.

    Args:
        address: ``path/to/fields.py:Label``.

    Raises:
        ValueError: If there is no such class, or it is no pydantic model.
    """
    file, _, name = address.rpartition(":")
    found = getattr(_module(Path(file)), name, None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ValueError(f"{file} has no pydantic class {name!r}")
    try:
        schema = found.model_json_schema()
    except PydanticUserError as error:
        raise ValueError(f"the class {name} has no JSON Schema: {error.message}") from None
    return plain_schema(schema, schema.get("$defs", {}))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"tagline_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"there is no Python file {path}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a user's file raises
        raise ValueError(f"{path} cannot be run: {type(error).__name__}: {error}") from None
    return module


def plain_schema(schema: Any, definitions: dict[str, Any], depth: int = 0) -> Any:
    """Put what is referred to in its place, and write ``X or null`` as a list of types.

    Raises:
        ValueError: If a definition contains itself.
    """
    if depth > MAX_REFERENCES:
        raise ValueError("the class contains itself; an answer must end somewhere")
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return plain_schema({**named, **beside}, definitions, depth + 1)
    plain = {key: value for key, value in schema.items() if key != "$defs"}
    if "properties" in plain:
        plain["properties"] = {
            name: plain_schema(part, definitions, depth + 1)
            for name, part in plain["properties"].items()
        }
    if "items" in plain:
        plain["items"] = plain_schema(plain["items"], definitions, depth + 1)
    return _with_null(plain, definitions, depth)


def _with_null(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    several = schema.get("anyOf", [])
    others = [part for part in several if part != {"type": "null"}]
    if len(others) != 1 or len(others) == len(several):
        return schema
    only = plain_schema(others[0], definitions, depth + 1)
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**only, **beside, "type": [only.get("type", "string"), "null"]}
