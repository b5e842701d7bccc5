"""Rows a second of a large job on three boosted models, in pairs: the service, then shap alone, and again."""

import os
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy

from bench.alone import Alone
from bench.service import explain
from cli.client import Client
from cli.stack import Stack

MODELS = {"XGBoost": "xgboost.json", "LightGBM": "lightgbm.txt", "scikit-learn": "scikit-learn.skops"}
BATCH_SIZE = 500


class Throughput(NamedTuple):
    """Rows a second; the ratio is the median over the pairs."""

    model: str
    rows: int
    service: float
    alone: float
    ratio: float
    first_ratio: float
    peak_child_bytes: int
    difference: float


def measure(directory: Path, repeats: int) -> list[Throughput]:
    env = {**os.environ, "SHAP_BATCH_SIZE": str(BATCH_SIZE)}
    with Stack(env, private=True) as stack, Client(stack.url, os.environ.get("API_TOKEN")) as client:
        return [_measure(client, name, directory, repeats) for name in MODELS]


def _measure(client: Client, name: str, directory: Path, repeats: int) -> Throughput:
    model, rows = directory / MODELS[name], directory / "rows.npy"
    ours, theirs = directory / "ours.npy", directory / "theirs.npy"
    pairs: list[tuple[float, float]] = []
    peak = 0
    with Alone(model, rows, theirs) as alone:
        for _ in range(repeats):
            seconds, job = explain(client, model, rows, ours)
            peak = max(peak, job["peak_child_bytes"])
            pairs.append((seconds, sum(alone.measure().values())))
    count = len(numpy.load(rows, mmap_mode="r"))
    ratios = [theirs_s / ours_s for ours_s, theirs_s in pairs]
    return Throughput(
        model=name,
        rows=count,
        service=count / median(ours_s for ours_s, _ in pairs),
        alone=count / median(theirs_s for _, theirs_s in pairs),
        ratio=median(ratios),
        first_ratio=ratios[0],
        peak_child_bytes=peak,
        difference=float(numpy.abs(numpy.load(ours) - numpy.load(theirs)).max()),
    )
