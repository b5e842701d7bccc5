"""What the inference protocols of KServe and MLServer ask before they send rows: who answers, whether it works, and
what a model takes and gives. Used in the web process. Does not explain: see `inference`.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import model_lookup
from api.auth import Realm
from api.health import missing_for_work
from api.inference import FAILED, in_protocol
from api.resources import resources
from api.responses import JsonResponse
from api.routes import Answer, Routes
from api.tensor_writers import BASE_VALUES, FEATURES, OUTPUTS, SHAP_VALUES, TENSORS
from jobs.records import ModelInfo
from jobs.version import VERSION

routes = Routes(Realm.API)
open_routes = Routes(None)


class ServerMetadata(msgspec.Struct, kw_only=True):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(msgspec.Struct, kw_only=True):
    """-1 stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, kw_only=True):
    """What a model takes and gives here, as far as a first job has found out."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Live(msgspec.Struct, kw_only=True):
    live: bool


class Ready(msgspec.Struct, kw_only=True):
    ready: bool
    name: str | msgspec.UnsetType = msgspec.UNSET


@routes.get(
    "/v2/models/{name}",
    "getModelMetadata",
    "What a model takes and gives (V2)",
    Answer("Its tensors.", ModelMetadata),
    FAILED,
)
@in_protocol
async def metadata(request: Request) -> Response:
    """Of a model that no job has loaded yet the number of features is not known."""
    house, name = resources(request), request.path_params["name"]
    found = await model_lookup.resolve(name.encode(), house.operators, house.store)
    registered = await house.store.models.get(found.registered) if found.registered else None
    info = await house.store.models.info(registered) if registered else None
    platform = registered.format.value if registered else "shap-supervisor"
    return JsonResponse(ModelMetadata(name=name, platform=platform, **_tensors(info)))


@routes.get(
    "/v2/models/{name}/ready",
    "getModelReadiness",
    "Whether a model can be asked (V2)",
    Answer("It can.", Ready),
    FAILED,
)
@in_protocol
async def model_ready(request: Request) -> Response:
    """Raises UnknownModel."""
    house, name = resources(request), request.path_params["name"]
    await model_lookup.resolve(name.encode(), house.operators, house.store)
    return JsonResponse(Ready(ready=True, name=name))


@open_routes.get("/v2", "getServerMetadata", "Who answers (V2)", Answer("It.", ServerMetadata))
async def server(_: Request) -> Response:
    return JsonResponse(ServerMetadata(name="shap-supervisor", version=VERSION, extensions=[]))


@open_routes.get("/v2/health/live", "getServerLiveness", "The process answers (V2)", Answer("It does.", Live))
async def live(_: Request) -> Response:
    """Never asks Redis."""
    return JsonResponse(Live(live=True))


@open_routes.get(
    "/v2/health/ready",
    "getServerReadiness",
    "Work is taken (V2)",
    Answer("It is.", Ready),
    Answer("Something is missing: see /readyz.", Ready, status=503),
)
async def ready(request: Request) -> Response:
    """As /readyz."""
    missing = await missing_for_work(resources(request))
    return JsonResponse(Ready(ready=not missing), 503 if missing else 200)


def _tensors(info: ModelInfo | None) -> dict[str, list[TensorMetadata]]:
    """What goes in and comes out, with -1 for what nobody knows yet."""
    width = info.n_features if info else -1
    outputs = len(info.outputs) if info else -1
    shapes = {
        BASE_VALUES: [outputs],
        FEATURES: [width],
        OUTPUTS: [outputs],
        SHAP_VALUES: [-1, width, *([] if outputs == 1 else [outputs])],
    }
    types = {BASE_VALUES: "FP64", SHAP_VALUES: "FP64"}
    return {
        "inputs": [TensorMetadata(name="rows", datatype="FP64", shape=[-1, width])],
        "outputs": [
            TensorMetadata(name=name, datatype=types.get(name, "BYTES"), shape=shapes[name]) for name in TENSORS
        ],
    }
