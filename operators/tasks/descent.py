"""Choosing tags from a taxonomy, level by level.

A vocabulary of thousands does not fit into a prompt. The model first chooses among the
roots, then among the children of what it chose, and so on; where one tag has more children
than a prompt should hold, they are asked about in several questions side by side.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from operators.tasks.base import Question, Reply
from operators.tasks.confidence import choice_probabilities
from operators.tasks.forms import Answer, form, list_of, one_of, whole
from operators.taxonomy import NONE, Node, Taxonomy
from schemas.media import Frames

MAX_CHOICES = 120
"""Tags in one prompt, about a thousand tokens."""

MAX_SIGHTINGS = 8
"""Frames that a model names for one tag."""


@dataclass(frozen=True)
class Chosen:
    """A tag that was chosen.

    Attributes:
        node: The tag.
        score: The product of the probabilities on the way to it; None if not measured.
        frames: The numbers, from 1, of the frames that show it; empty where none were asked
            for.
    """

    node: Node
    score: float | None
    frames: frozenset[int] = frozenset()


def sighting(tag: Any, count: int) -> type[Answer]:
    """The form of a tag with the numbers of the frames that show it, of so many frames."""
    frames = list_of(whole(1, max(count, 1)), MAX_SIGHTINGS, least=1)
    return form("TagAnswer", tag=tag, frames=frames)


@dataclass(frozen=True)
class Level:
    """How one level's question is answered: by tags.

    Attributes:
        most: Tags at most.
        count: Images or frames in the prompt.
        example: The answer as the prompt shows it.
    """

    most: int
    count: int
    example: ClassVar[str] = '{"tags": ["..."]}'

    def entry(self, tag: Any) -> Any:
        """The form of one entry."""
        return tag

    def read(self, entry: Any) -> tuple[str, frozenset[int]]:
        """An entry's tag, and the numbers of the frames that show it."""
        return entry, frozenset()


class SightedLevel(Level):
    """By tags with the numbers of the frames that show them."""

    example: ClassVar[str] = '{"tags": [{"tag": "...", "frames": [1]}]}'

    def entry(self, tag: Any) -> Any:
        """See `Level.entry`."""
        return sighting(tag, self.count)

    def read(self, entry: Any) -> tuple[str, frozenset[int]]:
        """See `Level.read`."""
        return entry.tag, frozenset(entry.frames)


@dataclass(frozen=True)
class Asked:
    """One level's question: what is asked about, and from where the way comes.

    Attributes:
        nodes: The tags to choose from.
        above: The tag whose children they are; None for the roots.
    """

    nodes: tuple[Node, ...]
    above: Chosen | None

    def answer(self, level: Level) -> type[Answer]:
        """The form: tags by name or synonym, or that none fits."""
        names = [name for node in self.nodes for name in (node.name, *node.synonyms)]
        entry = level.entry(one_of([*names, NONE]))
        return form("Choice", tags=list_of(entry, level.most, least=1))

    def listed(self) -> str:
        """The tags as the prompt names them."""
        return "; ".join(
            node.name + (f" (also: {', '.join(node.synonyms)})" if node.synonyms else "")
            for node in self.nodes
        )

    def chosen(self, level: Level, reply: Reply) -> list[Chosen]:
        """The tags of a reply, each once, with the frames of all its mentions."""
        named = {name: node for node in self.nodes for name in (node.name, *node.synonyms)}
        given = [level.read(entry) for entry in reply.value.tags]
        scores = choice_probabilities(reply.completion, [name for name, _ in given])
        before = self.above.score if self.above else 1.0
        found: dict[str, Chosen] = {}
        for (name, frames), score in zip(given, scores, strict=True):
            node = named.get(name)
            if node is None:
                continue
            if node.id in found:
                first = found[node.id]
                found[node.id] = replace(first, frames=first.frames | frames)
                continue
            measured = None if score is None or before is None else before * score
            found[node.id] = Chosen(node, measured, frames)
        return list(found.values())


def descend(
    taxonomy: Taxonomy, level: Level, ask: Any, frames: Frames
) -> Generator[Sequence[Question], Sequence[Reply], list[Chosen]]:
    """Choose at most `level.most` tags, as deep as the model goes.

    Args:
        taxonomy: What to choose from.
        level: How a level's question is answered.
        ask: Makes the (system, user) texts of a level's question, from `Asked`.
        frames: What the model is shown.

    Returns:
        The deepest tags chosen, most probable first; a tag whose children all do not fit
        stands for itself. Empty if nothing fits.
    """
    settled: list[Chosen] = []
    open_ = _questions_of(taxonomy, None)
    while open_:
        questions = []
        for asked in open_:
            system, user = ask(asked)
            questions.append(Question(system, user, frames, asked.answer(level), measured=True))
        replies = yield questions
        found = [
            asked.chosen(level, reply) for asked, reply in zip(open_, replies, strict=True)
        ]
        settled, open_ = _next_level(taxonomy, level.most, settled, open_, found)
    return _best(settled, level.most)


def _next_level(
    taxonomy: Taxonomy,
    most: int,
    settled: list[Chosen],
    level: Sequence[Asked],
    answered: Sequence[list[Chosen]],
) -> tuple[list[Chosen], list[Asked]]:
    found: list[Chosen] = []
    fruitful: set[str] = set()
    parents: dict[str, Chosen] = {}
    for asked, chosen in zip(level, answered, strict=True):
        if asked.above is not None:
            parents[asked.above.node.id] = asked.above
        if chosen and asked.above is not None:
            fruitful.add(asked.above.node.id)
        found += chosen
    settled = settled + [above for tag, above in parents.items() if tag not in fruitful]
    found = _best(found, most)
    leaves = [one for one in found if not taxonomy.children(one.node.id)]
    deeper = [one for one in found if taxonomy.children(one.node.id)]
    return settled + leaves, [part for one in deeper for part in _questions_of(taxonomy, one)]


def _questions_of(taxonomy: Taxonomy, above: Chosen | None) -> list[Asked]:
    nodes = taxonomy.children(above.node.id if above else None)
    return [
        Asked(tuple(nodes[start : start + MAX_CHOICES]), above)
        for start in range(0, len(nodes), MAX_CHOICES)
    ]


def _best(chosen: Sequence[Chosen], most: int) -> list[Chosen]:
    """The most probable, in that order; what was not measured comes last."""
    return sorted(chosen, key=lambda one: (one.score is None, -(one.score or 0.0)))[:most]
