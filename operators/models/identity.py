"""Which model a checkpoint is, whatever the folder that it lies in."""

from __future__ import annotations

import hashlib
from pathlib import Path

WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth"})
SAMPLE_BYTES = 1024 * 1024


def checkpoint_digest(folder: Path) -> str:
    """Digest the files of a checkpoint folder.

    Small files (config, tokenizer, image processor) count whole; files of weights count
    with their size, first and last MiB: training changes all of a weights file, and
    hashing tens of gigabytes before each run would not pay.

    Args:
        folder: A local checkpoint.

    Returns:
        128 bits, hex. The folder's own name and place are not part of it.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            whole.update(f"{path.name}\0{_file_digest(path)}\0".encode())
    return whole.hexdigest()[:32]


def _file_digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix not in WEIGHT_SUFFIXES or size <= 2 * SAMPLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        sample = hashlib.sha256(str(size).encode())
        sample.update(file.read(SAMPLE_BYTES))
        file.seek(size - SAMPLE_BYTES)
        sample.update(file.read(SAMPLE_BYTES))
    return sample.hexdigest()
