"""Values as the inference protocols of KServe and MLServer want them: tensors (V2), or a list by instance (V1). Pure;
used in the web process.

Both are JSON; NaN is null. `shap_values` comes last, so that it can be streamed: see `result_writers`.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from api.result_table import Table
from api.result_writers import IdsStand, JsonWriter, Values, floats
from jobs.results import Id

SHAP_VALUES, BASE_VALUES, FEATURES, OUTPUTS = "shap_values", "base_values", "features", "outputs"
TENSORS = (BASE_VALUES, FEATURES, OUTPUTS, SHAP_VALUES)
"""What a response holds, in this order."""
_encode = msgspec.json.Encoder().encode


class OutputTensor(msgspec.Struct, kw_only=True):
    """One output; flat, in row-major order."""

    name: str
    datatype: str
    shape: list[int]
    data: Values


class InferResponse(msgspec.Struct, kw_only=True):
    """SHAP values as tensors: base_values (outputs,), the names of features and outputs, and shap_values (rows,
    features), with several outputs (rows, features, outputs), of interactions with features twice.
    """

    model_name: str
    id: str | None = None
    parameters: dict[str, str]
    """Of the job that computed them: job_id, explainer, engine."""
    outputs: list[OutputTensor]


class Explanations(msgspec.Struct, kw_only=True):
    """SHAP values by instance: a number for each feature; with several outputs a list for each."""

    job_id: str
    explainer: str
    engine: str
    features: list[str]
    outputs: list[str]
    base_values: list[float | None]
    explanations: Values


class TensorWriter:
    """V2's response."""

    suffix = "json"
    ids: IdsStand = ""

    def __init__(self, table: Table, model: str, request_id: str | None, wanted: Collection[str]) -> None:
        self._table, self._model, self._request_id = table, model, request_id
        self._wanted = wanted or TENSORS
        self._began = False

    def begin(self) -> bytes:
        document = _encode(self._response())
        return document.removesuffix(b"]}]}" if self._has_values else b"")

    def write(self, batch: bytes) -> bytes:
        if not self._has_values:
            return b""
        before, self._began = b"," if self._began else b"", True
        return before + _encode(floats(batch))[1:-1]

    def give(self, _ids: Sequence[Id], /) -> bytes:
        """There is no place for them."""
        return b""

    def end(self) -> bytes:
        return b"]}]}\n" if self._has_values else b"\n"

    def length(self) -> int | None:
        return None

    @property
    def _has_values(self) -> bool:
        return SHAP_VALUES in self._wanted

    def _response(self) -> InferResponse:
        about = self._table.about()
        parameters = {name: about[name] for name in ("job_id", "explainer", "engine")}
        outputs = [_tensor(name, about, self._table) for name in TENSORS if name in self._wanted]
        return InferResponse(model_name=self._model, id=self._request_id, parameters=parameters, outputs=outputs)


class ExplanationsWriter(JsonWriter):
    """V1's response."""

    def _without_values(self) -> Any:
        about = self._table.about()
        about = {name: value for name, value in about.items() if name in Explanations.__struct_fields__}
        return Explanations(**about, explanations=[])


def _tensor(name: str, about: dict[str, Any], table: Table) -> OutputTensor:
    """Without data, what comes later."""
    if name == SHAP_VALUES:
        return OutputTensor(name=name, datatype="FP64", shape=table.shape, data=[])
    data = [found if isinstance(found, str) or math.isfinite(found) else None for found in about[name]]
    return OutputTensor(name=name, datatype="FP64" if name == BASE_VALUES else "BYTES", shape=[len(data)], data=data)
