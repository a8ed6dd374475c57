from __future__ import annotations

import json
from pathlib import Path

import pytest

from operators.models.base import Geometry
from operators.models.checkpoint import find_checkpoint, read_config, read_geometry
from schemas.failure import UsageError

CONFIG = {"query_num": 64, "max_position_embeddings": 32768}
PROCESSOR = {
    "scale_resolution": 448,
    "patch_size": 14,
    "max_slice_nums": 9,
    "image_feature_size": 64,
}


def checkpoint(folder: Path, config: object, processor: object = None) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def test_geometry_of_a_published_folder(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, CONFIG, PROCESSOR)
    assert read_geometry(folder) == Geometry(448, 14, 9, 64, 32768)


def test_the_image_processor_goes_before_the_config(tmp_path: Path) -> None:
    config = {**CONFIG, "slice_config": {"max_slice_nums": 9, "scale_resolution": 448}}
    folder = checkpoint(tmp_path, config, {**PROCESSOR, "max_slice_nums": 4})
    assert read_geometry(folder).max_slice_nums == 4


def test_slice_config_does_where_there_is_no_image_processor(tmp_path: Path) -> None:
    config = {**CONFIG, "slice_config": {"max_slice_nums": 4, "scale_resolution": 112}}
    geometry = read_geometry(checkpoint(tmp_path, config))
    assert (geometry.max_slice_nums, geometry.scale_resolution) == (4, 112)


@pytest.mark.parametrize("wrong", [0, -1, "9", 2.5, True])
def test_a_senseless_value_is_named(tmp_path: Path, wrong: object) -> None:
    folder = checkpoint(tmp_path, CONFIG, {**PROCESSOR, "max_slice_nums": wrong})
    with pytest.raises(UsageError, match="max_slice_nums is"):
        read_geometry(folder)


def test_a_config_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="query_num"):
        read_geometry(checkpoint(tmp_path, {"hidden_size": 1}))


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_broken_config_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"config\.json"):
        read_config(tmp_path)


def test_a_folder_is_found_as_it_is(tmp_path: Path) -> None:
    assert find_checkpoint(str(checkpoint(tmp_path, CONFIG))) == tmp_path


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        find_checkpoint(str(tmp_path))


@pytest.mark.parametrize("path", ["no-such-model", "/no/such/folder", "./here", "a/b/c"])
def test_a_path_that_is_neither_folder_nor_hub_id(path: str) -> None:
    with pytest.raises(UsageError, match="no folder on this machine"):
        find_checkpoint(path)


def test_a_model_that_is_not_on_disk_is_not_fetched_unasked() -> None:
    with pytest.raises(UsageError, match=r"not in this machine's cache; set model\.download"):
        find_checkpoint("openbmb/MiniCPM-V-2_6-absent", revision="0" * 40)


def test_the_cache_of_the_hub_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "1" * 40
    repo = tmp_path / "models--someone--minicpm"
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    checkpoint(snapshot, CONFIG, PROCESSOR)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert find_checkpoint("someone/minicpm") == snapshot
