"""Put a tiny checkpoint together, once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from infra.demo.checkpoint.architecture import ARCHITECTURES, Architecture
from infra.demo.checkpoint.tokenizer import (
    save_tokenizer,
    sentences,
    token_ids,
    train_tokenizer,
)
from infra.demo.checkpoint.weights import random_weights, weight_shapes
from schemas.failure import UsageError

DEFAULT_FAMILY = "minicpm-v-2.6"

_HERE = Path(__file__).parent
_TRAVELLERS = {
    "configuration.py": "configuration_minicpmv.py",
    "image_processor.py": "image_processing_minicpmv.py",
}
_END_OF_TURN = {"minicpm-v-2.5": "<|eot_id|>"}
_STAMP = "tagline-stamp.json"


def build_checkpoint(
    folder: Path,
    family: str = DEFAULT_FAMILY,
    seed: int = 0,
    weights: Mapping[str, torch.Tensor] | None = None,
    architecture: Architecture | None = None,
    tokenizer: Tokenizer | None = None,
) -> Path:
    """Write a checkpoint folder.

    Args:
        folder: Where; made if absent, files in it are replaced.
        family: One of `ARCHITECTURES`.
        seed: Of the random weights.
        weights: Trained weights under the names of `weight_shapes`; random ones if None.
        architecture: Other sizes than the family's in `ARCHITECTURES`.
        tokenizer: That the weights were trained with; a small one if None.

    Returns:
        The folder.

    Raises:
        UsageError: If the family has no tiny checkpoint, or weights do not fit it.
    """
    shape = architecture or architecture_of(family)
    end_of_turn = _END_OF_TURN.get(shape.family, "<|im_end|>")
    tokenizer = tokenizer or train_tokenizer(sentences())
    if weights is None:
        weights = random_weights(shape, seed)
    check_weights(shape, weights)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", shape.config(token_ids(tokenizer, end_of_turn)))
    _write_json(folder / "preprocessor_config.json", shape.preprocessor_config())
    save_tokenizer(tokenizer, folder, end_of_turn, shape.context)
    for source, target in _TRAVELLERS.items():
        shutil.copyfile(_HERE / source, folder / target)
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    return folder


def architecture_of(family: str) -> Architecture:
    """The sizes of a family's tiny checkpoint.

    Raises:
        UsageError: If there is none.
    """
    if family not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UsageError(f"no tiny checkpoint of {family!r} can be built; choose from {known}")
    return ARCHITECTURES[family]


def check_weights(architecture: Architecture, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are missing, spare or of another shape.

    Raises:
        UsageError: Naming the first few.
    """
    expected = weight_shapes(architecture)
    got = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(
        name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name)
    )
    if wrong:
        first = "; ".join(f"{n}: {got.get(n)}, not {expected.get(n)}" for n in wrong[:3])
        raise UsageError(f"{len(wrong)} weights do not fit {architecture.family}: {first}")


def ensure_checkpoint(folder: Path, family: str = DEFAULT_FAMILY, seed: int = 0) -> Path:
    """The checkpoint in this folder, built if it is absent or out of date.

    Safe when several processes ask for the same folder at once.

    Returns:
        The folder.
    """
    folder = Path(folder)
    stamp = {"family": family, "seed": seed, "sources": _sources_digest()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _read_stamp(folder) != stamp:
            _replace_folder(folder, family, seed, stamp)
    return folder


def _replace_folder(folder: Path, family: str, seed: int, stamp: dict[str, object]) -> None:
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build_checkpoint(fresh, family, seed)
        _write_json(fresh / _STAMP, stamp)
        if folder.exists():
            shutil.rmtree(folder)
        os.chmod(fresh, 0o755)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _read_stamp(folder: Path) -> object:
    path = folder / _STAMP
    return json.loads(path.read_text()) if path.is_file() else None


def _sources_digest() -> str:
    sources = sorted(_HERE.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
