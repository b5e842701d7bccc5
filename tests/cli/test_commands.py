"""The commands against a real service: what they print and how they end."""

import json
import subprocess
import sys

import numpy
import pytest

from cli.stack import Stack
from tests.cli.conftest import FEATURES, ROWS


@pytest.fixture
def job_id(command, stack: Stack, files) -> str:
    ended = command("submit", "--model", files / "model.json", "--data", files / "rows.csv", "--url", stack.url)
    assert ended.returncode == 0, ended.stderr
    return str(ended.stdout.strip())


def test_submit_wait_status_result(command, stack, files, job_id, tmp_path):
    env = {"SHAP_SUPERVISOR_URL": stack.url}
    waited = command("wait", job_id, "--timeout", 60, env=env)
    assert waited.returncode == 0, waited.stderr
    assert "finished" in waited.stdout

    status = json.loads(command("status", job_id, "--json", env=env).stdout)
    assert (status["job_id"], status["status"], status["rows"]) == (job_id, "finished", ROWS)

    for ending in ("npy", "csv", "json"):
        assert command("result", job_id, "--output", tmp_path / f"v.{ending}", env=env).returncode == 0
    values = numpy.load(tmp_path / "v.npy")
    assert values.shape == (ROWS, FEATURES)
    assert len((tmp_path / "v.csv").read_text().splitlines()) == ROWS + 1
    assert json.loads((tmp_path / "v.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.csv", "v.json", "v.npy"]

    printed = command("result", job_id, "--rows", "0-1", env=env)
    assert len(printed.stdout.splitlines()) == 3


def test_submitting_and_waiting(command, stack, files, tmp_path):
    asked = ("submit", "--model", files / "model.json", "--wait", "--url", stack.url, "--data")
    ended = command(*asked, files / "rows.csv")
    assert ended.returncode == 0, ended.stderr
    assert "finished" in ended.stdout
    (tmp_path / "other.csv").write_text("x\n1\n")
    failed = command(*asked, tmp_path / "other.csv")
    assert failed.returncode == 1
    assert "[feature_count]" in failed.stderr
    (tmp_path / "own.csv").write_text("7\n" * 3)
    differs = command(*asked, files / "rows.csv", "--expected", tmp_path / "own.csv")
    assert differs.returncode == 1
    assert "[expected_differs]" in differs.stderr


def test_a_model_that_cannot_be_read_fails_with_exit_code_1(command, stack, files, tmp_path):
    broken = tmp_path / "model.json"
    broken.write_text((files / "model.json").read_text()[:-20])
    ended = command(
        "run", "--model", broken, "--data", files / "rows.csv", "--url", stack.url, "--json", "--timeout", 60
    )
    assert ended.returncode == 1
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["status"] == "failed"
    assert report["error"]["code"] == "unreadable_model"
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_what_the_service_refuses_ends_with_exit_code_2(command, stack, files):
    ended = command(
        *("run", "--model", files / "model.json", "--data", files / "rows.csv", "--url", stack.url, "--json"),
        *("--option", "seed=-1"),
    )
    assert ended.returncode == 2
    assert json.loads(ended.stdout.splitlines()[-1])["error"]["code"] == "invalid_options"
    assert "[invalid_options]" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--data", "missing.csv", "--model-id", "m"],
        ["run", "--data", __file__],
        ["run", "--data", __file__, "--model-id", "m", "--output", "values.xlsx"],
        ["run", "--data", __file__, "--model-id", "m", "--option", "seed"],
        ["run", "--data", __file__, "--model-id", "m", "--reduce", "summary", "--output", "values.npy"],
        ["nothing"],
    ],
)
def test_wrong_usage_ends_with_exit_code_2(command, arguments):
    ended = command(*arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_nobody_there_ends_with_exit_code_3(command):
    ended = command("status", "0" * 24, "--url", "http://127.0.0.1:1")
    assert ended.returncode == 3
    assert "shap-supervisor up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unusable_environment_names_every_fault(command):
    ended = command("up", env={"PORT": "many", "LEASE_S": "0"})
    assert ended.returncode == 2
    assert "PORT" in ended.stderr
    assert "LEASE_S" in ended.stderr


def test_cancelling_an_ended_job_says_how_it_ended(command, stack, job_id):
    assert command("wait", job_id, "--url", stack.url).returncode == 0
    assert command("cancel", job_id, "--url", stack.url).stdout.strip() == "finished"


NARROW = {"COLUMNS": "80"}


def fits(text):
    return max(map(len, text.splitlines())) <= 80 and "…" not in text


def test_info_shows_the_health(command, stack):
    ended = command("info", "--url", stack.url, env=NARROW)
    assert ended.returncode == 0
    assert "pass" in ended.stdout
    assert "pending chunks 0" in ended.stdout
    assert fits(ended.stdout)


def test_a_dry_run_says_what_it_would_take(command, stack, files):
    asked = ("submit", "--model", files / "model.json", "--data", files / "rows.csv", "--url", stack.url, "--dry-run")
    ended = command(*asked, "--batch-size", 7)
    assert ended.returncode == 0, ended.stderr
    assert "6 of up to 7 rows" in ended.stdout
    assert "is made of trees" in ended.stdout


def test_doctor_finds_nothing_wrong_here(command):
    ended = command("doctor", env={"REDIS_URL": ""})
    assert ended.returncode == 0, ended.stdout
    assert "memory limit" in ended.stdout


def test_doctor_names_a_store_that_is_away(command):
    ended = command("doctor", env={"REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert ended.returncode == 1
    assert "not reachable" in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr


def test_the_command_line_itself_stays_light():
    heavy = ["numpy", "shap", "sklearn", "pandas", "xgboost", "lightgbm", "skops", "scipy"]
    code = f"import sys, cli.main; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_version(command):
    assert command("--version").stdout.startswith("shap-supervisor, version ")


def test_memory_shows_processes_and_caps(command, stack, job_id):
    ended = command("memory", "--once", "--url", stack.url, env=NARROW)
    assert fits(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    for words in ("machine", "budget", "supervisor", "forkserver", "kills"):
        assert words in ended.stdout
    document = json.loads(command("memory", "--json", "--url", stack.url).stdout)
    assert document["supervisors"][0]["forkserver"]["pss_bytes"] > 0
    assert document["history"][-1]["in_use_bytes"] > 0


def test_pictures_and_reports_are_files(command, stack, job_id, tmp_path):
    env = {"SHAP_SUPERVISOR_URL": stack.url}
    assert command("wait", job_id, env=env).returncode == 0
    drawn = command("plot", job_id, "waterfall", "-o", tmp_path / "w.json", "--row", 1, "--top", 2, env=env)
    assert drawn.returncode == 0, drawn.stderr
    assert json.loads((tmp_path / "w.json").read_text())["title"]["text"] == "Row 1"
    refused = command("plot", job_id, "pie", "-o", tmp_path / "p.json", env=env)
    assert (refused.returncode, "beeswarm" in refused.stderr) == (2, True)
    assert command("plot", job_id, "bar", "-o", tmp_path / "b.gif", env=env).returncode == 2
    told = command("report", job_id, "-o", tmp_path / "r.html", "--rows", "0,2", env=env)
    assert told.returncode == 0, told.stderr
    assert "Row 2 starts from" in (tmp_path / "r.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "w.json"]
