"""Taxonomies: closed vocabularies whose tags have parents and synonyms.

As YAML::

    version: "2026-11"
    tags:
      - {id: kitchen, name: kitchenware}
      - {id: mug, name: mug, parent: kitchen, synonyms: [cup, beaker]}

or as CSV with the columns ``id,name,parent,synonyms``, the synonyms separated by ``|``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

NONE = "none of these"
"""The choice that nothing fits; no tag may be called so."""

MAX_NAME_CHARS = 100
MAX_NODES = 100_000
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Node:
    """One tag.

    Attributes:
        id: Never changes, whatever the tag is called.
        name: As the model and the rows have it; unique among the children of one parent.
        parent: Id of the tag above; None for a root.
        synonyms: Other names, which mean this tag.
    """

    id: str
    name: str
    parent: str | None = None
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """A checked taxonomy.

    Attributes:
        nodes: Its tags, in the order of the file.
        version: As the file says.

    Raises:
        ValueError: If an id is used twice, a parent is not there, parents form a cycle, or
            one name means two tags of one parent; with the ids.
    """

    nodes: tuple[Node, ...]
    version: str = ""

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("expected at least one tag")
        if len(self.nodes) > MAX_NODES:
            raise ValueError(f"expected at most {MAX_NODES:,} tags, not {len(self.nodes):,}")
        twice = [i for i, times in Counter(n.id for n in self.nodes).items() if times > 1]
        if twice:
            raise ValueError(f"expected each id once; {_some(twice)} is there twice")
        orphans = [
            n.id for n in self.nodes if n.parent is not None and n.parent not in self.by_id
        ]
        if orphans:
            raise ValueError(f"the parent of {_some(orphans)} is not in the taxonomy")
        self._refuse_cycles()
        self._refuse_ambiguous_names()

    def _refuse_cycles(self) -> None:
        reached = {node.id for node in self.children(None)}
        frontier = list(reached)
        while frontier:
            below = [child.id for node in frontier for child in self.children(node)]
            reached.update(below)
            frontier = below
        circling = [node.id for node in self.nodes if node.id not in reached]
        if circling:
            raise ValueError(f"the parents of {_some(circling)} form a cycle")

    def _refuse_ambiguous_names(self) -> None:
        for parent in {node.parent for node in self.nodes}:
            names = [
                name
                for node in self.children(parent)
                for name in dict.fromkeys((node.name, *node.synonyms))
            ]
            twice = [name for name, times in Counter(names).items() if times > 1]
            if twice:
                place = "the roots" if parent is None else f"the children of {parent!r}"
                raise ValueError(f"among {place}, {_some(twice)} means more than one tag")

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Tags by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def _children(self) -> dict[str | None, list[Node]]:
        grouped: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            grouped.setdefault(node.parent, []).append(node)
        return grouped

    def children(self, parent: str | None) -> list[Node]:
        """The tags right below one, by its id; the roots for None."""
        return self._children.get(parent, [])

    def path(self, tag: str) -> list[Node]:
        """The tags from a root to this one, by its id, both included."""
        path = [self.by_id[tag]]
        while path[0].parent is not None:
            path.insert(0, self.by_id[path[0].parent])
        return path

    def __hash__(self) -> int:
        return hash((self.version, self.nodes))


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises:
        ValueError: If it cannot be read or is none; with what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the taxonomy {path} cannot be read: {error}") from None
    try:
        if path.suffix.lower() == ".csv":
            return Taxonomy(tuple(_csv_nodes(text)))
        return _from_yaml(yaml.load(text, Loader=_Loader))  # noqa: S506 - a safe loader
    except (ValueError, csv.Error) as error:
        raise ValueError(f"the taxonomy {path}: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"the taxonomy {path} is no YAML: {error}") from None


def _from_yaml(data: Any) -> Taxonomy:
    if not isinstance(data, dict) or not isinstance(data.get("tags"), list):
        raise ValueError("expected `version:` and a list of `tags:`")
    return Taxonomy(
        tuple(_node(number, entry) for number, entry in enumerate(data["tags"], start=1)),
        str(data.get("version", "")),
    )


def _csv_nodes(text: str) -> Iterable[Node]:
    reader = csv.DictReader(io.StringIO(text))
    if not {"id", "name"} <= set(reader.fieldnames or ()):
        raise ValueError("expected the columns id, name and, if need be, parent and synonyms")
    for number, row in enumerate(reader, start=1):
        synonyms = [part for part in (row.get("synonyms") or "").split("|") if part.strip()]
        yield _node(number, {**row, "synonyms": synonyms})


def _node(number: int, entry: Any) -> Node:
    if not isinstance(entry, Mapping):
        raise ValueError(f"tag {number}: expected id, name, parent and synonyms")
    tag_id, parent = entry.get("id"), entry.get("parent")
    name = _name(number, entry.get("name") or tag_id)
    if tag_id is None or not str(tag_id).strip():
        raise ValueError(f"tag {number} has no id")
    synonyms = entry.get("synonyms") or []
    if not isinstance(synonyms, list):
        raise ValueError(f"tag {number}: expected a list of synonyms")
    return Node(
        id=str(tag_id).strip(),
        name=name,
        parent=str(parent).strip() if parent not in (None, "") else None,
        synonyms=tuple(_name(number, synonym) for synonym in synonyms),
    )


def _name(number: int, value: Any) -> str:
    name = " ".join(str(value if value is not None else "").split())
    if not name or len(name) > MAX_NAME_CHARS or name == NONE:
        raise ValueError(
            f"tag {number}: expected names of 1 to {MAX_NAME_CHARS} characters other than "
            f"{NONE!r}, not {name[:120]!r}"
        )
    return name


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
