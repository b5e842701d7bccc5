"""Imports what a job may need, in the forkserver, so that a fork pays for none of it.

The lean stack explains trees that are arrays already, or in a file that needs no library to be read; the full one
does everything.

Never runs BLAS or OpenMP: a thread that they start would be missing in every fork, and its locks held for good.
"""

import importlib
import os
import sys
from pathlib import Path

from child.stack import Stack, declare

LEAN = (
    "numpy",
    "numpy.ma",  # what np.unique would import in every child
    "child.chunk",
    "child.explainers.additivity",
    "child.template",
    "shaptrees.engine",
    "shaptrees.readers.lightgbm",
    "shaptrees.readers.lightgbm_text",
    "shaptrees.readers.xgboost",
    "shaptrees.readers.xgboost_document",
    "shaptrees.readers.xgboost_head",
    "shaptrees.readers.xgboost_tree",
)
FULL = (
    *LEAN,
    "scipy.special",
    "scipy.sparse",
    "pandas",
    "joblib",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.discriminant_analysis",
    "sklearn.ensemble",
    "sklearn.gaussian_process",
    "sklearn.impute",
    "sklearn.kernel_ridge",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
    "skops.io",
    "encodings.cp437",  # of the names in a skops file, which is a ZIP file
    "xgboost",
    "lightgbm",
    "shap",
    "child.models.conversion",
    "child.models.lightgbm_model",
    "child.models.pickle_file",
    "child.models.sklearn_file",
    "child.models.xgboost_model",
    "shaptrees.readers.sklearn",
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # shap before 0.54 compiles some loops over numpy slices with numba at their first call: 8 s and 110 MB, for what
    # takes no longer in plain Python, as nearly all of the time goes into the model.
    "NUMBA_DISABLE_JIT": "1",
}
"""Read by the libraries when they are imported."""


UNWANTED = frozenset({"polars"})
"""CatBoost imports it wherever it finds it, with threads and 100 MB of its own; nothing here takes its data frames, and
pyarrow cannot be imported beside it under a cap."""


class Unwanted:
    """A finder of modules: those have not been installed, as far as this process knows."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in UNWANTED:
            raise ModuleNotFoundError(f"No module named {name!r} is wanted here", name=name)


class NotWarm(RuntimeError):
    """The process is not fit to be forked from."""


def warm(stack: Stack) -> None:
    """Import all modules of a stack, with ENVIRONMENT where nobody has set it.

    Raises ImportError when one is missing or broken, and NotWarm when the process ends up with a second thread.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.meta_path.insert(0, Unwanted())
    _hide("pyarrow")  # pandas imports it wherever it finds it: 42 MB that only a child with such a table needs
    for module in LEAN if stack == "lean" else (*FULL, *_explainers()):
        importlib.import_module(module)
    sys.modules.pop("pyarrow", None)
    declare(stack)
    threads = thread_count()
    if threads != 1:
        raise NotWarm(f"{threads} threads after the imports; a fork would keep only one of them")


def _hide(name: str) -> None:
    """A module that cannot be imported for the time being."""
    sys.modules[name] = None  # type: ignore[assignment]


def _explainers() -> list[str]:
    """Known only now, as their registry imports numpy, which reads ENVIRONMENT."""
    from child.explainers.kinds import KINDS

    return [kind.module for kind in KINDS]


def thread_count() -> int:
    """Threads of this process, native ones too where the platform tells."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        import threading

        return threading.active_count()
