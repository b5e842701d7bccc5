"""Mixed jobs for a small machine: honest ones, whose values are computed aside, and greedy ones, which want 2 GB each.

Runs in the test's own process. Does not submit: see `test_campaign`.
"""

import functools
import io
import json
import pickle
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import shap
import skops.io
import xgboost
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR

GREEDY_BYTES = 2 * 1024**3
FEW = 4
"""Features of the models that are explained by every coalition, which leaves nothing to chance."""
TOLERANCE = 1e-6
WAVE = 60


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is sent, and what must come of it."""

    kind: str
    data: bytes
    model: bytes | None = None
    model_id: str | None = None
    background: bytes | None = None
    options: dict[str, Any] = field(default_factory=dict)
    expected: Any = None
    """The values; None for what must fail by name."""
    trees: bool = False
    """Explained by a lean process."""


def npy(rows: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


class Honest:
    """Kinds of jobs that fit: one model a kind, any rows."""

    def __init__(self) -> None:
        x, y = load_diabetes(return_X_y=True)
        few = x[:, :FEW]
        self._pool, self._few, self._background = x[200:260], few[200:260], x[:50]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._kinds = [
                *(self._trees(model.fit(x, y)) for model in _forests()),
                self._trees(
                    xgboost.XGBRegressor(n_estimators=30, max_depth=4).fit(x, y),
                    raw=lambda model: bytes(model.get_booster().save_raw("json")),
                ),
                self._trees(
                    lightgbm.LGBMRegressor(n_estimators=30, verbose=-1).fit(x, y),
                    raw=lambda model: model.booster_.model_to_string().encode(),
                ),
                self._linear(Ridge().fit(x, y)),
                self._additive(Ridge().fit(x, y)),
                self._coalitions(SVR().fit(few, y)),
                self._coalitions(MLPRegressor(hidden_layer_sizes=(16,), max_iter=20, random_state=0).fit(few, y)),
            ]

    def submissions(self) -> Iterator[Submission]:
        """Without end; kinds take turns, rows differ."""
        rows = np.random.default_rng(0)
        while True:
            for kind in self._kinds:
                first = int(rows.integers(0, 50))
                yield kind(slice(first, first + int(rows.integers(1, 10))))

    def _trees(self, model: Any, raw: Callable[[Any], bytes] = skops.io.dumps) -> Callable[[slice], Submission]:
        values = shap.TreeExplainer(model).shap_values(self._pool)
        return self._kind(type(model).__name__, raw(model), self._pool, values, trees=True)

    def _linear(self, model: Any) -> Callable[[slice], Submission]:
        return self._kind("linear", skops.io.dumps(model), self._pool, self._of_ridge(model), npy(self._background))

    def _additive(self, model: Any) -> Callable[[slice], Submission]:
        """Whatever the permutations are, those of a linear model give the same values."""
        values, background = self._of_ridge(model), npy(self._background)
        dumped = skops.io.dumps(model)
        return self._kind("permutation", dumped, self._pool, values, background, explainer="permutation")

    def _of_ridge(self, model: Any) -> Any:
        return (self._pool - self._background.mean(axis=0)) * model.coef_

    def _coalitions(self, model: Any) -> Callable[[slice], Submission]:
        background = self._background[:20, :FEW]
        values = shap.KernelExplainer(model.predict, background).shap_values(self._few, silent=True, l1_reg=False)
        dumped = skops.io.dumps(model)
        return self._kind("kernel", dumped, self._few, values, npy(background), explainer="kernel")

    @staticmethod
    def _kind(
        name: str,
        model: bytes,
        pool: Any,
        values: Any,
        background: bytes | None = None,
        *,
        trees: bool = False,
        **options: Any,
    ) -> Callable[[slice], Submission]:
        def submission(rows: slice) -> Submission:
            return Submission(
                kind=name,
                model=model,
                data=npy(pool[rows]),
                background=background,
                options=options,
                expected=values[rows],
                trees=trees,
            )

        return submission


class Greedy:
    """Kinds of jobs that want GREEDY_BYTES for a single row, or for a model."""

    def __init__(self, trusted_dir: Path) -> None:
        self._kinds = [
            *(functools.partial(self._hoarder, name) for name in write_hoarders(trusted_dir)),
            self._interactions(),
            self._kernel_background(),
            self._wide_layer(),
        ]

    def submissions(self) -> Iterator[Submission]:
        while True:
            yield from (kind() for kind in self._kinds)

    @staticmethod
    def _hoarder(name: str) -> Submission:
        return Submission(kind=f"greedy {name}", model_id=name, data=npy(np.zeros((3, FEW))))

    @staticmethod
    def _interactions() -> Callable[[], Submission]:
        """2,001 x 2,001 x 64 x 8 bytes a row."""
        x, y = make_classification(640, 2000, n_informative=20, n_classes=64, n_clusters_per_class=1, random_state=0)
        model = skops.io.dumps(RandomForestClassifier(2, max_depth=3, random_state=0).fit(x, y))
        return functools.partial(
            Submission, kind="greedy interactions", model=model, data=npy(x[:3]), options={"interactions": True}
        )

    @staticmethod
    def _kernel_background() -> Callable[[], Submission]:
        """2,168 samples x 2,000 rows x 60 features x 8 bytes."""
        x = np.random.default_rng(0).normal(size=(2000, 60))
        model = skops.io.dumps(Ridge().fit(x, x[:, 0]))
        options = {"explainer": "kernel"}
        return functools.partial(
            Submission, kind="greedy background", model=model, data=npy(x[:2]), background=npy(x), options=options
        )

    @staticmethod
    def _wide_layer() -> Callable[[], Submission]:
        """A layer of 100,000 cells, predicted for all coalitions of all background rows at once, and rows to spare."""
        x = np.random.default_rng(0).normal(size=(600, FEW))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = MLPRegressor(hidden_layer_sizes=(100_000,), max_iter=1, random_state=0).fit(x[:20], x[:20, 0])
        del network._optimizer
        options = {"explainer": "permutation", "batch_size": 100_000}
        return functools.partial(
            Submission,
            kind="greedy rows",
            model=skops.io.dumps(network),
            data=npy(x),
            background=npy(x),
            options=options,
        )


class Call:
    """Pickles as a call: whoever loads it runs it."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __reduce__(self) -> Any:
        return exec, (self._code,)


HOARDERS = {
    "at-once.pkl": f"import numpy; numpy.ones({GREEDY_BYTES} // 8)",
    "by-and-by.pkl": f"held = [bytearray(1 << 20) for _ in range({GREEDY_BYTES} >> 20)]",
    "stubborn.pkl": (
        "held = []\n"
        f"for _ in range({GREEDY_BYTES} >> 20):\n"
        "    try: held.append(bytearray(1 << 20))\n"
        "    except MemoryError: pass\n"
        "raise MemoryError\n"
    ),
    "with-friends.pkl": (
        "import os, time\n"
        "held = []\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        for _ in range(100):\n"
        "            held.append(b'x' * (1 << 20))\n"
        "            time.sleep(2)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    ),
}
"""Models that take GREEDY_BYTES while they load, the last one by way of 20 processes, by and by: the sandbox refuses
those. Where there is none, who starts many that grow faster than the watch looks meets the kernel."""


def write_hoarders(directory: Path) -> list[str]:
    for name, code in HOARDERS.items():
        (directory / name).write_bytes(pickle.dumps(Call(code)))
    return list(HOARDERS)


def mixed(jobs: int, greedy: int, trusted_dir: Path) -> Iterator[Submission]:
    """So many jobs, so many of them greedy, in waves of trees and others: no machine this small holds both at once."""
    honest, bad = Honest().submissions(), Greedy(trusted_dir).submissions()
    every = jobs // greedy
    jobs_in_turn = [next(bad if number % every == every - 1 else honest) for number in range(jobs)]
    for first in range(0, jobs, WAVE):
        yield from sorted(jobs_in_turn[first : first + WAVE], key=lambda submission: not submission.trees)


def form(submission: Submission) -> tuple[dict[str, Any], dict[str, str]]:
    """Files and fields of POST /analyze."""
    parts = {"data": submission.data, "model": submission.model, "background": submission.background}
    files = {name: (name, content) for name, content in parts.items() if content is not None}
    fields = {"options": json.dumps(submission.options)}
    return files, fields | ({"model_id": submission.model_id} if submission.model_id else {})


def _forests() -> list[Any]:
    return [
        RandomForestRegressor(20, max_depth=6, random_state=0),
        ExtraTreesRegressor(20, max_depth=6, random_state=0),
        GradientBoostingRegressor(random_state=0, n_estimators=30),
        HistGradientBoostingRegressor(max_iter=30),
    ]
