"""The packages come from this checkout, and the heavy parts stay where they belong."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["schemas", "operators", "pipeline", "jobs", "infra"])
def test_each_root_package_is_loaded_from_this_checkout(package):
    module = importlib.import_module(package)
    assert Path(str(module.__file__)).parent == ROOT / package


def test_only_the_engine_imports_vllm():
    importers = {
        str(path.relative_to(ROOT))
        for folder in ("schemas", "operators", "pipeline", "jobs")
        for path in (ROOT / folder).rglob("*.py")
        if any(
            line.lstrip().startswith(("import vllm", "from vllm"))
            for line in path.read_text().splitlines()
        )
    }
    assert importers == {"operators/engine.py"}
