"""The mistakes that everyone makes on the first day: each ends at once, with a sentence that says what to do."""

import io
import json
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import skops.io
import xgboost
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from cli.processes import ROOT, module_environment
from tests.api.conftest import Web
from tests.service.conftest import Service, csv, npy

DATA = load_diabetes()
X, NAMES = DATA.data[:20, :4], [str(name) for name in DATA.feature_names[:4]]
LINEAR = LinearRegression().fit(X, DATA.target[:20])


def booster() -> Any:
    trained = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, DATA.target[:20], feature_names=NAMES), 3)
    return bytes(trained.save_raw("json"))


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


ROWS = csv(NAMES, X)
MISTAKES: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    # what is sent, the code, and the way out
    "wrong names": (
        lambda: {"model": booster(), "data": csv(["id", *NAMES[1:]], X)},
        "feature_names",
        "Rename the col",
    ),
    "no names": (
        lambda: {"model": booster(), "data": npy(X[:, :3])},
        "feature_count",
        "Send the columns that it was tr",
    ),
    "a text column": (
        lambda: {"model": booster(), "data": ROWS + b"\nmale,1,2,3\n"},
        "not_numeric",
        "Encode text columns before",
    ),
    "a pickle": (lambda: {"model": pickle.dumps(LINEAR), "data": ROWS}, "pickle_refused", "`skops.io.dump` saves"),
    "no background": (
        lambda: {"model": skops.io.dumps(LINEAR), "data": ROWS},
        "background_required",
        "send some typical rows (about 100) as `background`",
    ),
    "model and data swapped": (
        lambda: {"model": ROWS, "data": booster()},
        "unsupported_media_type",
        "are `model` and `data` swapped?",
    ),
    "data and model swapped": (
        lambda: {"data": booster(), "model": ROWS},
        "unsupported_media_type",
        "are `model` and `data` swapped?",
    ),
    "a workbook": (
        lambda: {"model": booster(), "data": workbook()},
        "unsupported_media_type",
        "save the sheet as CSV",
    ),
    "no model": (lambda: {"data": ROWS}, "model_choice", "Send either `model`"),
    "no data": (lambda: {"model": booster()}, "missing_part", "Send the rows to explain as the file part `data`"),
    "the model twice": (
        lambda: {"model": booster(), "data": booster()},
        "unsupported_media_type",
        "are `model` and `data` swapped?",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_sent_by_mistake(service: Service, name: str) -> None:
    make, code, way_out = MISTAKES[name]
    answer = service.http.post("/analyze", files=make(), headers={"Prefer": "wait=50"})
    problem = answer.json()
    assert problem["code"] == code, problem
    assert 400 <= answer.status_code < 500
    assert way_out in problem["detail"]
    assert "Traceback" not in json.dumps(problem)


def test_a_wrong_token(valkey_url: str, tmp_path: Any) -> None:
    with Web(valkey_url, tmp_path / "web.log", API_TOKEN="right") as web:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = web.get("/jobs", **headers)
            assert answer.status in (401, 403)
            assert "Ask" in (said := json.loads(answer.read())["detail"])
            assert "API_TOKEN" in said


def command(*arguments: str, **env: str) -> tuple[int, str]:
    """How a command ended and what it said; without the log lines."""
    ended = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=module_environment({**os.environ, **env}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in ended.stderr + ended.stdout
    return ended.returncode, ended.stderr


def test_no_service() -> None:
    code, said = command("status", "0" * 24, "--url", "http://127.0.0.1:1")
    assert code == 3
    assert "Start the service with `shap-supervisor up`, or name its address with --url" in said


def test_a_port_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = command("up", PORT=port, REDIS_URL="")
    assert code == 3
    assert f"Port {port} on 127.0.0.1 cannot be used" in said
    assert "Choose another: PORT=" in said


def test_a_wrong_redis_url(tmp_path: Any) -> None:
    code, said = command("up", REDIS_URL="localhost:6379")
    assert code == 2
    assert "REDIS_URL: it must begin with redis://" in said
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    code, said = command("up", REDIS_URL="redis://:secret@127.0.0.1:1/0", PORT=port)
    assert code == 3
    assert (
        "The store at REDIS_URL (redis://127.0.0.1:1/0) has not answered for 15 s. Start it, correct REDIS_URL" in said
    )
    assert "secret" not in said


def test_a_file_that_is_not_there() -> None:
    code, said = command("run", "--model", "nowhere.json", "--data", "nowhere.csv")
    assert code == 2
    assert "nowhere" in said
