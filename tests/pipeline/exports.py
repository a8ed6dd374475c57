"""What tests of exports share."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

SHORT = {"task": "caption", "name": "short", "style": "short", "max_chars": 40}


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def members_of(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {m.name: opened.extractfile(m).read() for m in opened.getmembers()}
