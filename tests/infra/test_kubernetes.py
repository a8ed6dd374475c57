from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "infra" / "kubernetes"
KUBERNETES = "1.34"
NAME_PREFIX = "^[a-z0-9-]{1,40}-$"
POSITIVE = {"type": "integer", "minimum": 1}
PARAMETERS = {"type": "object", "additionalProperties": {"type": "string"}}

HEAD = {"rayStartParams": PARAMETERS, "template": {"type": "object"}}
WORKERS = HEAD | {
    "groupName": {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"},
    "replicas": {"type": "integer", "minimum": 0},
    "minReplicas": {"type": "integer", "minimum": 0},
    "maxReplicas": POSITIVE,
}


def closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


# Of KubeRay's ray.io/v1 those fields that we use, as its reference describes them; the pods
# in it are checked against Kubernetes' own published schema.
RAY_JOB = closed(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": closed({"generateName": {"type": "string", "pattern": NAME_PREFIX}}),
        "spec": closed(
            {
                "entrypoint": {"type": "string", "minLength": 1},
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "SidecarMode"]},
                "backoffLimit": {"type": "integer", "minimum": 0},
                "activeDeadlineSeconds": POSITIVE,
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": {"type": "integer", "minimum": 0},
                "rayClusterSpec": closed(
                    {
                        "rayVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
                        "authOptions": closed({"mode": {"enum": ["disabled", "token"]}}),
                        "headGroupSpec": closed(HEAD),
                        "workerGroupSpecs": {
                            "type": "array",
                            "minItems": 1,
                            "items": closed(WORKERS),
                        },
                    }
                ),
            }
        ),
    }
)


def documents(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((FOLDER / name).read_text()) if one]


@pytest.fixture
def ray_job() -> dict[str, Any]:
    (document,) = documents("rayjob.yaml")
    return document


@pytest.fixture
def cron_job() -> dict[str, Any]:
    (document,) = (one for one in documents("cronjob.yaml") if one["kind"] == "CronJob")
    return document


def pod_templates(ray_job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = ray_job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"] for group in groups]


def validate(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def as_resource(template: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "any"},
        "template": template,
    }


def test_the_nightly_manifests_are_what_kubernetes_takes() -> None:
    kinds = [document["kind"] for document in documents("cronjob.yaml")]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "CronJob"]
    for document in documents("cronjob.yaml"):
        validate(document)


def test_a_misspelt_field_would_be_found(cron_job: dict[str, Any]) -> None:
    bad = copy.deepcopy(cron_job)
    bad["spec"]["shedule"] = bad["spec"].pop("schedule")
    with pytest.raises(kubernetes_validate.ValidationError, match="shedule"):
        validate(bad)


def test_the_ray_job_has_known_fields_alone_and_pods_that_kubernetes_takes(
    ray_job: dict[str, Any],
) -> None:
    jsonschema.validate(ray_job, RAY_JOB)
    assert len(pod_templates(ray_job)) == 2
    for template in pod_templates(ray_job):
        validate(as_resource(template))


def test_a_misspelt_field_of_its_pods_would_be_found(ray_job: dict[str, Any]) -> None:
    template = pod_templates(ray_job)[0]
    template["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagee"):
        validate(as_resource(template))


def test_the_ray_job_runs_the_catalogue_job_on_its_cluster(ray_job: dict[str, Any]) -> None:
    entrypoint = ray_job["spec"]["entrypoint"]
    assert entrypoint.startswith("tagline run /opt/tagline/jobs/catalog_tagging.yaml")
    assert "--set resources.ray_address=auto" in entrypoint


def test_pods_are_not_root_send_no_statistics_and_ask_for_a_token(
    ray_job: dict[str, Any],
) -> None:
    assert ray_job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    for template in pod_templates(ray_job):
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        (container,) = template["spec"]["containers"]
        settings = {one["name"]: one["value"] for one in container["env"]}
        assert settings["RAY_USAGE_STATS_ENABLED"] == "0"
        assert settings["VLLM_NO_USAGE_STATS"] == "1"
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(settings)
        assert container["resources"]["requests"] == container["resources"]["limits"]
        mounted = {one["name"] for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in template["spec"]["volumes"]}


def test_workers_have_the_gpus(ray_job: dict[str, Any]) -> None:
    head, worker = (one["spec"]["containers"][0] for one in pod_templates(ray_job))
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_versions_of_ray_are_one(ray_job: dict[str, Any]) -> None:
    pins = (FOLDER.parents[1] / "requirements" / "gpu.txt").read_text().splitlines()
    assert f"ray=={ray_job['spec']['rayClusterSpec']['rayVersion']}" in pins


def test_the_nightly_job_creates_that_ray_job_and_may_do_nothing_else(
    cron_job: dict[str, Any], ray_job: dict[str, Any]
) -> None:
    spec = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["args"] == ["create", "-f", "/manifests/rayjob.yaml"]
    assert container["image"].rpartition(":")[2] not in ("", "latest")
    (role,) = (one for one in documents("cronjob.yaml") if one["kind"] == "Role")
    assert role["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]}
    ]
    assert cron_job["spec"]["schedule"].endswith("* * *")
    assert ray_job["spec"]["activeDeadlineSeconds"] < 24 * 3600
