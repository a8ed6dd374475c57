"""Choosing tags from a taxonomy, level by level.

A vocabulary of thousands does not fit into a prompt. The model first chooses among the
roots, then among the children of what it chose, and so on; where one tag has more children
than a prompt should hold, they are asked about in several questions side by side.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from operators.tasks.base import Question, Reply
from operators.tasks.confidence import choice_probabilities
from operators.tasks.forms import Answer, form, list_of, one_of
from operators.taxonomy import NONE, Node, Taxonomy
from schemas.media import Frames

MAX_CHOICES = 120
"""Tags in one prompt, about a thousand tokens."""


@dataclass(frozen=True)
class Chosen:
    """A tag that was chosen, and the product of the probabilities on the way to it."""

    node: Node
    score: float | None


@dataclass(frozen=True)
class Asked:
    """One level's question: what is asked about, and from where the way comes.

    Attributes:
        nodes: The tags to choose from.
        above: The tag whose children they are; None for the roots.
    """

    nodes: tuple[Node, ...]
    above: Chosen | None

    def answer(self, most: int) -> type[Answer]:
        """The form: tags by name or synonym, or that none fits."""
        names = [name for node in self.nodes for name in (node.name, *node.synonyms)]
        return form("Choice", tags=list_of(one_of([*names, NONE]), most, least=1))

    def listed(self) -> str:
        """The tags as the prompt names them."""
        return "; ".join(
            node.name + (f" (also: {', '.join(node.synonyms)})" if node.synonyms else "")
            for node in self.nodes
        )

    def chosen(self, reply: Reply) -> list[Chosen]:
        """The tags of a reply, each once."""
        named = {name: node for node in self.nodes for name in (node.name, *node.synonyms)}
        given = reply.value.tags
        scores = choice_probabilities(reply.completion, given)
        before = self.above.score if self.above else 1.0
        found: dict[str, Chosen] = {}
        for name, score in zip(given, scores, strict=True):
            node = named.get(name)
            if node is not None and node.id not in found:
                measured = None if score is None or before is None else before * score
                found[node.id] = Chosen(node, measured)
        return list(found.values())


def descend(
    taxonomy: Taxonomy, most: int, ask: Any, frames: Frames
) -> Generator[Sequence[Question], Sequence[Reply], list[Chosen]]:
    """Choose at most `most` tags, as deep as the model goes.

    Args:
        taxonomy: What to choose from.
        most: Tags at most.
        ask: Makes the (system, user) texts of a level's question, from `Asked`.
        frames: What the model is shown.

    Returns:
        The deepest tags chosen, most probable first; a tag whose children all do not fit
        stands for itself. Empty if nothing fits.
    """
    settled: list[Chosen] = []
    level = _questions_of(taxonomy, None)
    while level:
        questions = []
        for asked in level:
            system, user = ask(asked)
            questions.append(Question(system, user, frames, asked.answer(most), measured=True))
        replies = yield questions
        settled, level = _next_level(taxonomy, most, settled, level, replies)
    return _best(settled, most)


def _next_level(
    taxonomy: Taxonomy,
    most: int,
    settled: list[Chosen],
    level: Sequence[Asked],
    replies: Sequence[Reply],
) -> tuple[list[Chosen], list[Asked]]:
    found: list[Chosen] = []
    fruitful: set[str] = set()
    parents: dict[str, Chosen] = {}
    for asked, reply in zip(level, replies, strict=True):
        if asked.above is not None:
            parents[asked.above.node.id] = asked.above
        chosen = asked.chosen(reply)
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
