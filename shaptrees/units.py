"""What a caller asks to have explained, in terms of a model: `model_output`. Runs where the library is used."""

from typing import Any

from shaptrees.fitted import Fitted
from shaptrees.losses import LOSSES, PROBABILITY, Transform
from shaptrees.rules import Link

NAMES = ("raw", "probability", "log_loss", "predict", "predict_proba")


def transform(model: Fitted, model_output: Any) -> tuple[Transform | None, bool]:
    """What the raw output is turned into, None for nothing, and whether both classes' probabilities are explained.

    Raises ValueError for a name that is none of NAMES, NotImplementedError where the model has no such output.
    """
    match model_output:
        case "raw":
            return None, False
        case "log_loss":
            return _loss(model), False
        case "probability" | "predict_proba":
            return _probability(model, doubled=model_output == "predict_proba")
        case "predict":
            _check_prediction(model)
            return None, False
    raise ValueError(f"model_output is one of {', '.join(NAMES)}, not {model_output!r}")


def _loss(model: Fitted) -> Transform:
    if model.loss is None:
        raise NotImplementedError("the model's loss is neither squared error nor the cross-entropy of two classes")
    return LOSSES[model.loss]


def _probability(model: Fitted, *, doubled: bool) -> tuple[Transform | None, bool]:
    if model.chances:
        return None, False
    if model.trees.link != Link.LOGISTIC or model.num_outputs != 1:
        raise NotImplementedError("only a model of two classes has a probability that follows from one raw output")
    if doubled and not model.classifier:
        raise ValueError("the model has no predict_proba: 'probability' explains that of the positive class")
    return PROBABILITY, doubled


def _check_prediction(model: Fitted) -> None:
    if model.classifier or model.trees.link != Link.IDENTITY:
        raise NotImplementedError("the model's predictions are not what its trees add up to")
