from __future__ import annotations

import copy
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

MANIFEST = Path(__file__).parents[2] / "infra" / "ray" / "cluster.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Ray's own schema of the launcher's file, as the installed Ray brings it."""
    spec = find_spec("ray")
    assert spec
    assert spec.origin
    path = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return json.loads(path.read_text())


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text())


def test_it_is_what_rays_launcher_takes(
    cluster: dict[str, Any], schema: dict[str, Any]
) -> None:
    jsonschema.validate(cluster, schema)


def test_a_misspelt_key_would_be_found(cluster: dict[str, Any], schema: dict[str, Any]) -> None:
    bad = copy.deepcopy(cluster)
    bad["max_worker"] = bad.pop("max_workers")
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(bad, schema)


def test_the_head_is_one_of_its_nodes_and_workers_have_the_gpus(
    cluster: dict[str, Any],
) -> None:
    nodes = cluster["available_node_types"]
    assert "GPU" not in nodes[cluster["head_node_type"]]["resources"]
    workers = [node for name, node in nodes.items() if name != cluster["head_node_type"]]
    assert [node["resources"]["GPU"] for node in workers] == [1]
    assert all(node["max_workers"] <= cluster["max_workers"] for node in workers)
    assert all(node["min_workers"] == 0 for node in workers), "idle GPUs are given back"


def test_it_sends_no_statistics_and_keeps_its_dashboard_to_itself(
    cluster: dict[str, Any],
) -> None:
    assert "--env RAY_USAGE_STATS_ENABLED=0" in cluster["docker"]["run_options"]
    assert "--env VLLM_NO_USAGE_STATS=1" in cluster["docker"]["run_options"]
    head = " ".join(cluster["head_start_ray_commands"])
    assert "--disable-usage-stats" in head
    assert "--dashboard-host=127.0.0.1" in head


def test_it_tells_how_to_run_the_catalogue_job() -> None:
    assert "tagline run /opt/tagline/jobs/catalog_tagging.yaml" in MANIFEST.read_text()
