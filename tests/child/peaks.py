"""`python -m tests.child.peaks STACK SHAPE...`: the measured and the estimated peak of children, a JSON line a shape.

A process of its own, which is to its children what a template is: it has loaded a stack and a model and nothing else,
as what a test process has allocated and freed would hide what a child takes.
"""

import ctypes
import gc
import io
import json
import os
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import child
from child import sample
from jobs.protocol import Done, Explain, Plan
from jobs.sample import most_rows
from shaptrees import levels
from tests.child.support import Heard, Supervisor


@dataclass
class Case:
    """A chunk to be explained."""

    model: str
    rows: int
    features: int
    outputs: int = 1
    background: int = 0
    options: dict[str, Any] | None = None


def main(stack: str, cases: list[dict[str, Any]]) -> None:
    """`numpy` is the lean stack without the C kernel."""
    child.warm("lean" if stack == "numpy" else stack)
    if stack == "numpy":
        levels.kernel = None
    for case in cases:
        print(json.dumps(measure(Case(**case))), flush=True)


def measure(case: Case) -> dict[str, Any]:
    parts = {"model": MODELS[case.model](case), "data": npy(case.rows, case.features)}
    if case.background:
        parts["background"] = npy(case.background, case.features)
    supervisor = Supervisor(parts)
    heard = load(supervisor, case.options or {})
    assert supervisor.prepared, heard.messages
    plan = supervisor.open(batch_size=1).one(Plan)
    span = plan.spans[0].__class__(
        first=0, last=case.rows - 1, span_first=0, start=plan.spans[0].start, end=plan.spans[-1].end
    )
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the case before has left would hide what a child takes
    kept = most_rows(1000, case.features, case.outputs)
    request = Explain(sizes=supervisor.sizes, layout=plan.layout, span=span, rows=case.rows, sample_rows=kept)
    _, heard = supervisor.ask(request, in_child, supervisor.prepared)
    measured = heard.one(Done).memory.peak_bytes
    estimated = supervisor.prepared.needs_bytes(case.rows)
    estimated += sample.sampler_bytes(supervisor.prepared, min(case.rows, kept))
    return {"measured": measured, "estimated": estimated}


def load(supervisor: Supervisor, options: dict[str, Any]) -> Heard:
    """Trees are converted in a process of their own, and read as arrays."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trees"
        pid = os.fork()
        if pid == 0:
            try:
                supervisor.load(into=file, **options)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        return supervisor.load(ensemble=file if file.exists() else None, **options)


def in_child(connection: socket.socket, prepared: Any) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            child.run(connection, prepared)
        finally:
            os._exit(0)
    connection.close()
    os.waitpid(pid, 0)


def npy(rows: int, features: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).normal(size=(rows, features)))
    return file.getvalue()


def lightgbm_text(case: Case) -> bytes:
    """Trees that split on every feature in turn, written by hand: no library is loaded."""
    depth, trees = 5, 20 * case.outputs
    leaves = 2**depth
    inner = leaves - 1
    left = [2 * i + 1 if 2 * i + 1 < inner else ~(2 * i + 1 - inner) for i in range(inner)]
    right = [2 * i + 2 if 2 * i + 2 < inner else ~(2 * i + 2 - inner) for i in range(inner)]
    names = " ".join(f"Column_{i}" for i in range(case.features))
    head = [
        "tree", "version=v4", f"num_class={case.outputs}", f"num_tree_per_iteration={case.outputs}", "label_index=0",
        f"max_feature_idx={case.features - 1}",
        f"objective={'multiclass num_class:' + str(case.outputs) if case.outputs > 1 else 'regression'}",
        f"feature_names={names}", "feature_infos=" + " ".join(["[-9:9]"] * case.features), "",
    ]  # fmt: skip
    random = np.random.default_rng(0)
    for tree in range(trees):
        lines = {
            "num_leaves": leaves,
            "num_cat": 0,
            "split_feature": " ".join(str((tree * inner + i) % case.features) for i in range(inner)),
            "split_gain": " ".join(["1"] * inner),
            "threshold": " ".join(f"{value:.3f}" for value in random.normal(size=inner)),
            "decision_type": " ".join(["2"] * inner),
            "left_child": " ".join(map(str, left)),
            "right_child": " ".join(map(str, right)),
            "leaf_value": " ".join(f"{value:.3f}" for value in random.normal(size=leaves)),
            "leaf_weight": " ".join(["1"] * leaves),
            "leaf_count": " ".join(["10"] * leaves),
            "internal_value": " ".join(["0"] * inner),
            "internal_weight": " ".join(["0"] * inner),
            "internal_count": " ".join(str(10 * leaves // 2 ** (i + 1).bit_length() * 2) for i in range(inner)),
            "is_linear": 0,
            "shrinkage": 1,
        }
        head += [f"Tree={tree}", *(f"{name}={value}" for name, value in lines.items()), "", ""]
    return "\n".join([*head, "end of trees", "", "pandas_categorical:null", ""]).encode()


def skops_linear(case: Case) -> bytes:
    from sklearn.linear_model import LinearRegression

    return _fitted(LinearRegression(), case)


def skops_network(case: Case) -> bytes:
    from sklearn.neural_network import MLPRegressor

    return _fitted(MLPRegressor(hidden_layer_sizes=(16,), max_iter=5), case)


def _fitted(estimator: Any, case: Case) -> bytes:
    import skops.io

    random = np.random.default_rng(0)
    x = random.normal(size=(200, case.features))
    dumped: bytes = skops.io.dumps(estimator.fit(x, random.normal(size=(200, case.outputs)).squeeze()))
    return dumped


MODELS = {"trees": lightgbm_text, "linear": skops_linear, "network": skops_network}

if __name__ == "__main__":
    main(sys.argv[1], [json.loads(case) for case in sys.argv[2:]])
