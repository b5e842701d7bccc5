"""The trees of a model that its library has loaded: read into arrays, and compared with the model itself.

Runs once a model, in a process with all libraries. Models that are read without theirs are compared in the tests.
"""

import math

import numpy as np

from child.models import parity
from child.models.model import Model, Rows
from jobs.errors import ConversionFailed
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.rules import Link

_NATIVE = ("path_length", "margin", "probability", "prediction", "label")


def convert(model: Model) -> Ensemble:
    """The arrays of a model, not compared yet. Raises ModelError, whose reason says why there are none."""
    if not model.trees:
        raise UnsupportedModel(model.name, "nothing here reads its trees")
    outputs = {key: output.names for key, output in model.outputs.items()}
    about = About(
        family=model.family,
        name=model.name,
        n_features=model.n_features,
        features=model.features,
        takes_missing=model.takes_missing,
        outputs=outputs,
        native=next(key for key in _NATIVE if key in outputs),
        warnings=model.warnings,
        texts={place: own.values for place, own in model.words.items()},
        doubt=model.doubt,
    )
    return Ensemble(about=about, trees=model.trees())


def compare(ensemble: Ensemble, model: Model) -> None:
    """Ask both for their output on parity rows. Raises ConversionFailed where they differ."""
    rows = parity.rows(ensemble)
    allowed = model.relative_error * max(1.0, ensemble.trees.magnitude)
    _compare(ensemble, ensemble.about.native, model, rows, allowed)
    if ensemble.trees.link == Link.LOGISTIC and "probability" in model.outputs:
        _compare(ensemble, "probability", model, rows, allowed)


def _compare(ensemble: Ensemble, key: str, model: Model, rows: Rows, allowed: float) -> None:
    own = ensemble.predict(key, rows)
    with np.errstate(all="ignore"):  # sums of the largest numbers there are, on the way to finding none infinite
        asked = model.outputs[key].call(rows)[:, -own.shape[1] :]
    error = float(np.abs(own - asked).max())
    if math.isnan(error) or error > allowed:
        raise ConversionFailed(model=model.name, largest_error=error, tolerance=allowed)
