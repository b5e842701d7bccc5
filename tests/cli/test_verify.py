"""`verify` against real services: whole, without a worker, behind tokens, and away; and what its checks notice."""

import json

import numpy
import pytest
import shap
import xgboost

from cli import checks, reference_model
from cli.failures import JobFailed
from cli.stack import Stack
from tests.api.conftest import Web

ROWS = numpy.array([[numpy.nan if value is None else value for value in row] for row in reference_model.ROWS])


def test_the_known_values_are_xgboosts_and_shaps():
    booster = xgboost.Booster()
    booster.load_model(bytearray(reference_model.model_file()))
    own = booster.predict(xgboost.DMatrix(ROWS, feature_names=list(reference_model.FEATURES)), pred_contribs=True)
    numpy.testing.assert_allclose(own[:, :-1], reference_model.values(), atol=1e-6)
    numpy.testing.assert_allclose(own[:, -1], reference_model.base_value(), atol=1e-6)
    numpy.testing.assert_allclose(shap.TreeExplainer(booster).shap_values(ROWS), reference_model.values(), atol=1e-6)


def test_a_whole_service_passes(command, stack: Stack):
    ended = command("verify", stack.url)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}
    for name in (
        "health",
        "ready",
        "submit",
        "states",
        "rows",
        "values",
        "additivity",
        "refusal",
        "memory of child",
        "memory of web",
    ):
        assert any(line.startswith(f"ok      {name}:") for line in lines), name
    assert lines[-1] == f"Everything works at {stack.url}."


@pytest.fixture
def lonely(valkey_url: str, tmp_path):
    """A web process and a store, and nobody who works."""
    web = Web(valkey_url, tmp_path / "web.log")
    yield f"http://127.0.0.1:{web.port}"
    web.stop()


def test_without_a_worker_it_says_so_and_leaves_nothing(command, lonely: str, valkey_url: str):
    ended = command("verify", lonely, "--timeout", 1)
    assert ended.returncode == 4
    assert "failed  ready: missing: supervisors" in ended.stdout
    assert "warn    health: supervisors: no supervisor takes work; jobs wait" in ended.stdout
    assert "still queued after 1 s and was cancelled" in ended.stderr
    assert "Start `python -m supervisor`" in ended.stderr
    assert "Traceback" not in ended.stderr
    listed = json.loads(_get(lonely, "/jobs"))["jobs"]
    assert [job["status"] for job in listed] == ["cancelled"]


def _get(url: str, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(url + path) as answer:
        content: bytes = answer.read()
        return content


@pytest.fixture
def guarded(valkey_url: str, tmp_path):
    web = Web(valkey_url, tmp_path / "web.log", API_TOKEN="open", ADMIN_TOKEN="all")
    yield f"http://127.0.0.1:{web.port}"
    web.stop()


def test_without_tokens_it_names_them(command, guarded: str):
    ended = command("verify", guarded, "--timeout", 1)
    assert ended.returncode == 1
    assert "failed  submit:" in ended.stdout
    assert "API_TOKEN" in ended.stdout
    assert "skipped memory:" in ended.stdout
    assert "ADMIN_TOKEN" in ended.stdout
    with_tokens = command("verify", guarded, "--timeout", 1, env={"API_TOKEN": "open", "ADMIN_TOKEN": "all"})
    assert with_tokens.returncode == 4  # and now nobody works, which is another matter
    assert "ok      submit:" in with_tokens.stdout


def test_nobody_there_ends_with_exit_code_3(command):
    ended = command("verify", "http://127.0.0.1:1")
    assert ended.returncode == 3
    assert "Cannot reach" in ended.stderr


RESULT = {
    "features": list(reference_model.FEATURES),
    "base_values": [reference_model.base_value()],
    "values": reference_model.values(),
    "shape": [7, 3],
    "engine": "an engine",
}


def _with(row: int, column: int, value: object) -> list[list[object]]:
    found: list[list[object]] = [list(line) for line in reference_model.values()]
    found[row][column] = value
    return found


def test_right_values_pass_in_any_order_of_columns():
    assert checks.values(RESULT).status == "ok"
    turned = {
        "features": list(reference_model.FEATURES)[::-1],
        "values": [row[::-1] for row in reference_model.values()],
    }
    assert checks.values(RESULT | turned).status == "ok"


@pytest.mark.parametrize(
    "change",
    [
        {"values": _with(6, 2, 1e-5 + reference_model.values()[6][2])},
        {"values": _with(0, 0, None)},
        {"values": reference_model.values()[:-1]},
        {"values": reference_model.values()[::-1]},
        {"base_values": [0.5]},
        {"features": ["age", "height", "width"]},
    ],
)
def test_wrong_values_are_noticed(change):
    check = checks.values(RESULT | change)
    assert check.status == "failed"
    assert check.way_out


JOB = {"rows": 7, "rows_done": 7, "features": 3, "chunks": 3, "chunks_done": 3}


@pytest.mark.parametrize("change", [{"rows_done": 6}, {"rows": 8}, {"chunks_done": 4}, {"features": 2}, {"rows": None}])
def test_wrong_counts_are_noticed(change):
    assert checks.counts(JOB).status == "ok"
    assert checks.counts(JOB | change).status == "failed"


@pytest.mark.parametrize("seen", [["queued", "failed"], ["queued", "started"], ["queued", "finished", "started"]])
def test_wrong_states_are_noticed(seen):
    assert (
        checks.states(["queued", "started", "finished"]).status == checks.states(["queued", "finished"]).status == "ok"
    )
    assert checks.states(seen).status == "failed"


def test_a_refusal_that_names_no_cause_is_noticed():
    assert checks.refusal(JobFailed("Columns.", "feature_names")).status == "ok"
    for answer in (JobFailed("It died.", "crashed"), {"status": "queued"}, {"values": []}):
        assert checks.refusal(answer).status == "failed"
        assert checks.refusal(answer).way_out


def test_too_much_memory_is_noticed():
    supervisor = {"name": "a", "rss_bytes": 50 << 20, "limit_bytes": 512 << 20, "family_bytes": 150 << 20}
    document = {"web": {"rss_bytes": 81 << 20}, "supervisors": [supervisor, supervisor | {"limit_bytes": 120 << 20}]}
    assert [check.status for check in checks.memory(document)] == ["failed", "ok", "ok", "ok", "failed"]
    assert checks.caps({"peak_child_bytes": 2 << 20, "cap_bytes": 1 << 20}).status == "failed"
    assert checks.caps({"peak_child_bytes": None}).status == "failed"
