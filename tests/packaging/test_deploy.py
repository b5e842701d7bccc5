"""What deploys the service elsewhere: image, compose file, manifests, units and dashboard, as far as they can be judged
without their engines: by their schemas, and by what they name of ours.
"""

import configparser
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from jobs.settings import load_settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
MANIFESTS = [
    document
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
WORKLOADS = [found for found in MANIFESTS if found["kind"] in {"Deployment", "StatefulSet"}]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/shap-supervisor.json").read_text())


def test_the_image_is_made_well() -> None:
    subprocess.run([shutil.which("hadolint", path=BIN) or "hadolint", ROOT / "Containerfile"], check=True)


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    taken = set(re.findall(r"^!(.+?)/?$", (ROOT / ".containerignore").read_text(), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench", "chaos", "fuzz", "mutate"}
    assert packages - {"crosscheck"} <= taken
    assert all((ROOT / name).exists() for name in taken)
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def test_the_compose_file_is_one() -> None:
    checker = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*checker, ROOT / "compose.yaml"], check=True)
    assert "noeviction" in COMPOSE["services"]["store"]["command"]
    assert {"API_TOKEN", "ADMIN_TOKEN"} <= COMPOSE["services"]["web"]["environment"].keys()
    for service in ("web", "worker"):
        environment = COMPOSE["services"][service]["environment"]
        load_settings({name: "x" if "TOKEN" in name else value for name, value in environment.items()})
    assert not any("TOKEN" in name for name in COMPOSE["services"]["worker"]["environment"])


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda found: f"{found['kind']}-{found['metadata']['name']}")
def test_manifests_are_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    if manifest["apiVersion"].startswith("keda.sh/"):
        assert manifest["spec"]["scaleTargetRef"]["name"] in {found["metadata"]["name"] for found in WORKLOADS}
        return
    kubernetes_validate.validate(manifest, "1.34", strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda found: found["metadata"]["name"])
def test_workloads_have_no_rights(workload: dict[str, Any]) -> None:
    spec = workload["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    for container in spec["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_a_worker_has_time_to_drain_and_no_token() -> None:
    worker = next(found for found in WORKLOADS if found["metadata"]["name"] == "shap-supervisor-worker")
    spec = worker["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    settings = load_settings({variable["name"]: variable["value"] for variable in container["env"]})
    assert settings.drain_grace_s < spec["terminationGracePeriodSeconds"]
    assert [source["secretRef"]["name"] for source in container["envFrom"]] == ["shap-supervisor"]


def commands() -> list[list[str]]:
    """Whatever starts a process of ours."""
    image = re.findall(r"^CMD (\[.+\])$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    units = [re.search(r"^ExecStart=(.+)$", path.read_text(), re.MULTILINE) for path in UNITS]
    containers = [container for found in WORKLOADS for container in found["spec"]["template"]["spec"]["containers"]]
    return [
        *map(json.loads, image),
        *(found[1].split() for found in units if found),
        COMPOSE["services"]["worker"]["command"],
        *(container["command"] for container in containers if container["name"] == "worker"),
    ]


def test_commands_are_modules_of_ours() -> None:
    assert len(commands()) == 5
    for command in commands():
        assert [Path(command[0]).name, *command[1:3]] == ["python", "-P", "-m"]
        assert find_spec(f"{command[3]}.__main__")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    service = unit["Service"]
    load_settings(dict(pair.split("=") for pair in service["Environment"].split()))
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert "MemoryMax" in service


def test_a_dashboard_has_a_place_for_each_panel() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_an_alert_says_what_to_do() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "action"}
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
