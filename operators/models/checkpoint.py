"""Find a checkpoint on this machine and read what Tagline must know of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operators.models.base import Geometry
from schemas.failure import UsageError

# What MiniCPM-V's image processors use where a checkpoint's files are silent.
DEFAULT_SCALE_RESOLUTION = 448
DEFAULT_PATCH_SIZE = 14
DEFAULT_MAX_SLICE_NUMS = 9
DEFAULT_CONTEXT_TOKENS = 8192


def find_checkpoint(path: str, revision: str | None = None, *, download: bool = False) -> Path:
    """The folder of a checkpoint.

    Args:
        path: A local folder, or a model id on the hub (``owner/name``).
        revision: Hub revision; only for a model id.
        download: Whether it may be fetched from the hub, if it is not in the cache.

    Returns:
        A folder with a ``config.json``.

    Raises:
        UsageError: If there is none, saying what to do.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        _require_config(folder)
        return folder
    if not _looks_like_hub_id(path):
        raise UsageError(
            f"model.path {path!r} is no folder on this machine; give a folder with a "
            "config.json, or a hub id such as openbmb/MiniCPM-V-2_6"
        )
    return _from_hub(path, revision, download=download)


def _require_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"model.path {str(folder)!r} holds no config.json; give the folder of a checkpoint"
        )


def _looks_like_hub_id(path: str) -> bool:
    owner, separator, name = path.partition("/")
    return bool(separator and owner and name) and "/" not in name and owner[0] not in ".~"


def _from_hub(repo_id: str, revision: str | None, *, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    pinned = f" at revision {revision!r}" if revision else ""
    try:
        found = snapshot_download(repo_id, revision=revision, local_files_only=not download)
    except HFValidationError as error:
        raise UsageError(f"model.path {repo_id!r} is no model id: {error}") from error
    except LocalEntryNotFoundError as error:
        remedy = (
            "is the hub reachable from here?"
            if download
            else "set model.download: true to fetch it, or give a local folder"
        )
        raise UsageError(
            f"model {repo_id!r}{pinned} is not in this machine's cache; {remedy}"
        ) from error
    except HfHubHTTPError as error:
        raise UsageError(f"model {repo_id!r}{pinned} cannot be fetched: {error}") from error
    folder = Path(found)
    _require_config(folder)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's ``config.json``.

    Raises:
        UsageError: If it is absent or no JSON object.
    """
    return _read_object(folder / "config.json")


def read_geometry(folder: Path) -> Geometry:
    """How a checkpoint cuts images up.

    What ``preprocessor_config.json`` says goes before the config: it is what decides when
    an image is cut.

    Raises:
        UsageError: If a file cannot be read, or a value is missing or not a positive number.
    """
    config = read_config(folder)
    processor_path = folder / "preprocessor_config.json"
    processor = _read_object(processor_path) if processor_path.is_file() else {}
    sources = (processor, config.get("slice_config") or {}, config)

    def value(names: tuple[str, ...], default: int | None = None) -> int:
        for source in sources:
            for name in names:
                if source.get(name) is not None:
                    return _positive(source[name], name, folder)
        if default is None:
            raise UsageError(f"{folder}/config.json has no {names[0]!r}; is it a MiniCPM-V?")
        return default

    return Geometry(
        scale_resolution=value(("scale_resolution",), DEFAULT_SCALE_RESOLUTION),
        patch_size=value(("patch_size",), DEFAULT_PATCH_SIZE),
        max_slice_nums=value(("max_slice_nums",), DEFAULT_MAX_SLICE_NUMS),
        query_num=value(("query_num", "image_feature_size")),
        context_tokens=value(("max_position_embeddings",), DEFAULT_CONTEXT_TOKENS),
    )


def _positive(value: Any, name: str, folder: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{folder}: {name} is {value!r}; expected a whole number above 0")
    return value


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is no JSON object")
    return value
