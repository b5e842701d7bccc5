"""render.yaml against Render's specification, and against the Procfile and the settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.settings import load_settings
from tests.packaging import blueprint_keys as keys

ROOT = Path(__file__).parents[2]
BLUEPRINT: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
SERVICES = {service["name"]: service for service in BLUEPRINT["services"]}
SERVERS = [service for service in SERVICES.values() if service["type"] in {"web", "worker"}]
STORE = next(service for service in SERVICES.values() if service["type"] == "keyvalue")
GROUPS = {group["name"]: group for group in BLUEPRINT["envVarGroups"]}


def variables(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A service's variables by name, those of its groups included."""
    found = {}
    for variable in service["envVars"]:
        members = GROUPS[variable["fromGroup"]]["envVars"] if "fromGroup" in variable else [variable]
        found.update({member["key"]: member for member in members})
    return found


def test_only_known_keys():
    assert set(BLUEPRINT) <= keys.ROOT
    assert set(STORE) <= keys.KEY_VALUE
    for server in SERVERS:
        assert set(server) <= keys.SERVER
    for group in GROUPS.values():
        assert set(group) <= keys.GROUP


@pytest.mark.parametrize("variable", [v for owner in [*SERVERS, *GROUPS.values()] for v in owner["envVars"]], ids=str)
def test_variables_have_one_source_and_known_keys(variable):
    assert any(set(variable) <= allowed for allowed in keys.VARIABLES)
    if source := variable.get("fromService"):
        assert set(source) <= keys.FROM_SERVICE
        assert source["property"] in keys.SERVICE_PROPERTIES
        assert SERVICES[source["name"]]["type"] == source["type"]


def test_plans_exist():
    assert STORE["plan"] in keys.KEY_VALUE_PLANS
    assert all(server["plan"] in keys.SERVER_PLANS for server in SERVERS)


def test_the_store_keeps_jobs_and_is_private():
    assert STORE["maxmemoryPolicy"] == "noeviction"
    assert STORE["ipAllowList"] == []
    assert STORE["plan"] != "free"


def test_procfile_and_blueprint_start_the_same_commands():
    lines = (ROOT / "Procfile").read_text().splitlines()
    procfile = dict(line.split(": ", 1) for line in lines)
    assert procfile == {server["type"]: server["startCommand"] for server in SERVERS}


def test_both_processes_get_the_store():
    for server in SERVERS:
        found = variables(server)
        assert found["REDIS_URL"]["fromService"]["name"] == STORE["name"]
        assert re.fullmatch(r"3\.1[1-4]\.\d+", found["PYTHON_VERSION"]["value"])


def test_only_the_web_app_gets_tokens():
    for server in SERVERS:
        tokens = {name: found for name, found in variables(server).items() if "TOKEN" in name}
        assert set(tokens) == ({"API_TOKEN", "ADMIN_TOKEN"} if server["type"] == "web" else set())
        assert all(found["generateValue"] is True for found in tokens.values())


def test_the_web_app_listens_where_render_looks():
    web = next(server for server in SERVERS if server["type"] == "web")
    assert web["healthCheckPath"] == "/livez"
    assert variables(web)["HOST"]["value"] == "0.0.0.0"


def test_shutdown_delays_are_allowed():
    assert all(1 <= server["maxShutdownDelaySeconds"] <= 300 for server in SERVERS)


def test_a_worker_may_drain_before_it_is_killed():
    worker = next(server for server in SERVERS if server["type"] == "worker")
    assert float(variables(worker)["DRAIN_GRACE_S"]["value"]) < worker["maxShutdownDelaySeconds"]


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server["type"])
def test_the_environment_is_valid(server):
    env = {name: str(variable.get("value", "generated")) for name, variable in variables(server).items()}
    settings = load_settings(env | {"REDIS_URL": "redis://store:6379", "PORT": "10000"})
    assert settings.log_format == "json"
