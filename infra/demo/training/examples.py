"""From lessons to tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from torch import nn

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.image_processor import MiniCPMVImageProcessor
from infra.demo.checkpoint.prompting import encode_text, image_processor, media_texts
from infra.demo.lessons.asides import KNOWN
from infra.demo.lessons.lesson import Lesson, Marks, Shown
from infra.demo.training.labels import PADDING, Labels, changes, patch_labels, query_labels
from operators.models.base import PromptParts
from operators.models.minicpm_v import IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER
from operators.models.registry import FAMILIES
from schemas.media import MediaKind

END_OF_TURN = "<|im_end|>"
IGNORED = -100


@dataclass(frozen=True)
class Slices:
    """All slices of a step, in the order of its sequences.

    Attributes:
        sizes: (slices, 2): rows and columns of patches.
        patches: (slices, most patches, 3 * p * p), uint8, padded on the right.
        labels: (slices, most patches, labels), uint8, likewise, with `PADDING`.
        query_labels: (slices, queries, labels), uint8.
    """

    sizes: torch.Tensor
    patches: torch.Tensor
    labels: torch.Tensor
    query_labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class Group:
    """Sequences that begin with the same tokens.

    Attributes:
        prefix: (tokens,): what they begin with.
        tokens: (sequences, tokens), without the prefix, padded on the right.
        image_places: Likewise, True where an embedding of a slice goes.
        targets: Likewise, the token to come, or `IGNORED` outside of answers.
        slices: How many slices these sequences have.
        asides: (asides, 3): of each the sequence, the token and what is known there, as a
            place in `KNOWN`.
        task: Of the lessons.
    """

    prefix: torch.Tensor
    tokens: torch.Tensor
    image_places: torch.Tensor
    targets: torch.Tensor
    slices: int
    asides: torch.Tensor
    task: str


@dataclass(frozen=True)
class Step:
    """What the network learns from at once; no slices where all is about text alone."""

    groups: list[Group]
    slices: Slices | None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Of each group."""
        return tuple(group.task for group in self.groups)


@dataclass(frozen=True)
class _Piece:
    grid: tuple[int, int]
    patches: NDArray[np.uint8]
    labels: Labels
    query_labels: Labels


class Encoder:
    """Encodes lessons for one checkpoint.

    Args:
        architecture: Its sizes.
        tokenizer: Its tokenizer.
    """

    def __init__(self, architecture: Architecture, tokenizer: Tokenizer) -> None:
        self.architecture, self.tokenizer = architecture, tokenizer
        self.family = FAMILIES[architecture.family]
        self.across = math.isqrt(architecture.query_num)
        self._texts = [tokenizer.decode([id_]) for id_ in range(tokenizer.get_vocab_size())]
        self.processors = {
            video: image_processor(architecture, video=video) for video in (False, True)
        }

    def step(self, groups: Sequence[Sequence[Lesson]]) -> Step:
        """Encode groups of lessons, each of which shares its instruction."""
        pieces: list[_Piece] = []
        encoded = [self._group(lessons, pieces) for lessons in groups]
        return Step(encoded, _stacked(pieces))

    def seeing(self, pictures: Sequence[Shown]) -> Step:
        """Encode pictures that nobody asks about: of use to the vision tower alone."""
        by_picture = [one for shown in pictures for one in self.pieces(shown)]
        return Step([], _stacked([piece for one in by_picture for piece in one]))

    def prompt(self, lesson: Lesson) -> tuple[list[int], list[bool]]:
        """A lesson's tokens up to its answer, and which of them stand for slices."""
        shown = lesson.shown
        video = shown.kind is MediaKind.VIDEO
        prompt = self.family.render(PromptParts(lesson.system, lesson.user), shown.frames())
        pictures = [picture.size for picture in shown.pictures]
        texts = media_texts(pictures, self.processors[video], video=video)
        pattern = VIDEO_PLACEHOLDER if video else IMAGE_PLACEHOLDER
        return encode_text(prompt, pattern, texts, self.tokenizer)

    def answer(self, text: str) -> list[int]:
        """An answer's tokens, with the one that ends it."""
        ids: list[int] = self.tokenizer.encode(text + END_OF_TURN, add_special_tokens=False).ids
        return ids

    def _group(self, lessons: Sequence[Lesson], pieces: list[_Piece]) -> Group:
        before = len(pieces)
        rows: list[tuple[list[int], list[bool], list[int]]] = []
        known: list[tuple[int, int, str]] = []
        for row, lesson in enumerate(lessons):
            by_picture = self.pieces(lesson.shown)
            pieces += [piece for one in by_picture for piece in one]
            asked, places = self.prompt(lesson)
            answer = self.answer(lesson.answer)
            known += [(row, *one) for one in self._known(lesson, asked, places, by_picture)]
            # A token's target is the next one.
            targets = [IGNORED] * (len(asked) - 1) + answer
            rows.append((asked + answer[:-1], places + [False] * (len(answer) - 1), targets))
        first = rows[0][1]
        most = first.index(True) if True in first else len(first)
        common = _common([tokens for tokens, _, _ in rows], most)
        return Group(
            torch.tensor(rows[0][0][:common]),
            _padded([tokens[common:] for tokens, _, _ in rows], 0),
            _padded([places[common:] for _, places, _ in rows], 0).bool(),
            _padded([targets[common:] for _, _, targets in rows], IGNORED),
            len(pieces) - before,
            torch.tensor(
                [(row, at - common, KNOWN.index(word)) for row, at, word in known],
                dtype=torch.long,
            ).view(-1, 3),
            lessons[0].task,
        )

    def _known(
        self,
        lesson: Lesson,
        asked: Sequence[int],
        places: Sequence[bool],
        by_picture: Sequence[Sequence[_Piece]],
    ) -> list[tuple[int, str]]:
        """The numbers of tokens at which something is known, and what."""
        if not lesson.asides:
            return []
        taken = [at for at, is_place in enumerate(places) if is_place]
        counts = [len(pieces) * self.architecture.query_num for pieces in by_picture]
        starts = [0, *accumulate(counts)]
        known = []
        for aside in lesson.asides:
            if aside.part == "picture":
                # The token that ends a picture is no embedding: it has room for what is found.
                known.append((taken[starts[int(aside.passage)] - 1] + 1, aside.word))
            else:
                at = self._place(str(aside.passage), asked, taken[-1] + 1)
                known.append((at, aside.word))
        for number, (before, now) in enumerate(pairwise(by_picture), start=1):
            for part, word in changes(before[0].query_labels, now[0].query_labels):
                known.append((taken[starts[number] + part], word))
        return known

    def _place(self, passage: str, asked: Sequence[int], first: int) -> int:
        """The number of the token, from `first` on, with which a passage ends."""
        text = ""
        for at, token in enumerate(asked[first:], start=first):
            text += self._texts[token]
            if passage in text:
                return at
        raise ValueError(f"what is said of the item has no {passage!r}: {text!r}")

    def pieces(self, shown: Shown) -> list[list[_Piece]]:
        """The slices of each picture shown, in the order of their embeddings."""
        processor = self.processors[shown.kind is MediaKind.VIDEO]
        return [
            _pieces(picture, marks, processor, self.across)
            for picture, marks in zip(shown.pictures, shown.marks, strict=True)
        ]


def _stacked(pieces: Sequence[_Piece]) -> Slices | None:
    if not pieces:
        return None

    def padded(arrays: Iterable[NDArray[np.uint8]], filler: int) -> torch.Tensor:
        tensors = [torch.from_numpy(array) for array in arrays]
        return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=filler)

    return Slices(
        torch.tensor([piece.grid for piece in pieces]),
        padded((piece.patches for piece in pieces), 0),
        padded((piece.labels for piece in pieces), PADDING),
        padded((piece.query_labels for piece in pieces), PADDING),
    )


def _pieces(
    picture: Image.Image, marks: Marks, processor: MiniCPMVImageProcessor, across: int
) -> list[_Piece]:
    side = processor.patch_size
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    boxes = [whole]
    grid = processor.get_sliced_grid(picture.size)
    if grid:
        columns, rows = grid
        width, height = picture.width / columns, picture.height / rows
        boxes += [
            (x * width, y * height, (x + 1) * width, (y + 1) * height)
            for y in range(rows)
            for x in range(columns)
        ]
    made = []
    for piece, box in zip(processor.slices(picture), boxes, strict=True):
        cells = (piece.height // side, piece.width // side)
        labels = patch_labels(marks, picture.size, box, cells)
        by_query = query_labels(marks, picture.size, box, across)
        made.append(_Piece(cells, unfolded(piece, side), labels, by_query))
    return made


def unfolded(piece: Image.Image, side: int) -> NDArray[np.uint8]:
    """Patches (patches, 3 * side * side) of a slice; channel, row, column within each."""
    pixels = np.asarray(piece.convert("RGB"))
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    cut = pixels.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(cut.reshape(rows * columns, -1))


def normalised(patches: torch.Tensor) -> torch.Tensor:
    """Patches of bytes as the image processor scales them, float32."""
    return patches.float().div_(127.5).sub_(1.0)


def _common(sequences: Sequence[Sequence[int]], most: int) -> int:
    """Tokens with which all begin, up to the first image and short of a whole sequence."""
    first = sequences[0]
    length = min(most, *(len(one) - 1 for one in sequences))
    for at in range(length):
        if any(one[at] != first[at] for one in sequences):
            return at
    return length


def _padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
