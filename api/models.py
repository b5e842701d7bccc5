"""PUT, GET and DELETE /models: models that are uploaded once and named by any number of jobs. Used in the web process.

A model's document has

    name, source        source: registered, or operator for the files in TRUSTED_MODEL_DIR (no more is known of those)
    format              of jobs.formats.ModelFormat, as pickles are refused
    sha256, size_bytes, created_at
    family, model, features, outputs    null until a first job has loaded it

Does not load models, and takes no pickle. See `model_lookup` for what a `model_id` means.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import model_lookup, multipart_body, parameters
from api.auth import Realm
from api.representation import Timestamp, timestamp
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.routes import BINARY, Answer, Routes
from api.submission import Submission
from jobs.callers import Caller
from jobs.errors import ModelNameTaken, UnknownModel, UnsupportedMediaType
from jobs.formats import SNIFF_BYTES, ModelFormat, sniff_model
from jobs.records import Blob, ModelInfo
from jobs.registered import RegisteredModel

routes = Routes(Realm.API)
LISTED_CHARACTERS = 10_000
"""A list of models has the names of a model's features, and of its outputs, only where they are no longer than that."""


class ModelDetails(msgspec.Struct, kw_only=True, tag_field="source", tag="registered"):
    """A model that was uploaded once. family, model, features and outputs are null until a first job has loaded it."""

    name: str
    caller: str | msgspec.UnsetType = msgspec.UNSET
    """Whose it is; left out where that is the unnamed caller."""
    format: ModelFormat
    sha256: str
    size_bytes: int
    created_at: Timestamp | None
    family: str | None
    model: str | None
    features: list[str] | int | None
    """Their names, or their number where the model was fitted without."""
    outputs: list[str] | None


class OperatorsModel(msgspec.Struct, kw_only=True, tag_field="source", tag="operator"):
    """A file in TRUSTED_MODEL_DIR; no more is known of it."""

    name: str


class ModelList(msgspec.Struct, kw_only=True):
    """What `model_id` may name."""

    models: list[ModelDetails | OperatorsModel]


@routes.get(
    "/models",
    "listModels",
    "Models that jobs may name",
    Answer("Models.", ModelList),
    parameters=[parameters.CALLER],
    link="models",
)
async def listing(request: Request) -> Response:
    """Registered ones, then the operator's, each by name. Long lists of names stand only at the model itself."""
    house = resources(request)
    registered = [
        _document(model, _brief(await house.store.models.info(model)), name)
        for name in await house.store.whose()
        for model in await house.store.of(Caller(name=name)).models.all()
    ]
    operators = await house.operators.names(anew=True)
    by_name = [OperatorsModel(name=name) for name in sorted(operators or ())]
    return JsonResponse(ModelList(models=[*registered, *by_name]))


@routes.get(
    "/models/{name}",
    "getModel",
    "Format, hash, size, features",
    Answer("The model.", ModelDetails),
    parameters=[parameters.CALLER],
)
async def one(request: Request) -> Response:
    """A registered model."""
    store, name = resources(request).store, request.path_params["name"]
    model = await store.models.get(name)
    if model is None:
        raise UnknownModel(
            model_id=name[:128], known=", ".join(found.name for found in (await store.models.all())[:10])
        )
    return JsonResponse(_document(model, await store.models.info(model), store.caller.name))


@routes.put(
    "/models/{name}",
    "putModel",
    "Register a model: the body is its file",
    Answer("It takes another one's place.", ModelDetails, headers=("Location",)),
    Answer("Registered.", ModelDetails, status=201, headers=("Location",)),
    parameters=[parameters.CALLER],
    body={"application/octet-stream": BINARY},
)
async def put(request: Request) -> Response:
    """The body is the file. 201, or 200 where it takes another one's place."""
    house = resources(request)
    name = model_lookup.checked_name(request.path_params["name"])
    if name in (await house.operators.names(anew=True) or ()):
        raise ModelNameTaken(name=name)
    async with Submission(house) as submission:
        blob = await _receive(request, submission, house)
        head = await house.store.blobs.read(blob, 0, SNIFF_BYTES)
        submission.handed_over = True  # from here on the bytes may be a model's, even if the reply gets lost
        found = sniff_model(head)
        assert isinstance(found, ModelFormat)  # it was judged as it came in
        model, is_new = await house.store.models.put(name, blob, found)
    return JsonResponse(
        _document(model, None, house.store.caller.name), 201 if is_new else 200, {"Location": f"/models/{name}"}
    )


@routes.delete(
    "/models/{name}",
    "deleteModel",
    "Forget a model; jobs keep what they began with",
    Answer("Forgotten.", status=204),
    parameters=[parameters.CALLER],
)
async def delete(request: Request) -> Response:
    """Jobs that use it keep what they use."""
    name = request.path_params["name"]
    if not await resources(request).store.models.delete(name):
        raise UnknownModel(model_id=name[:128], known="see GET /models")
    return Response(status_code=204)


async def _receive(request: Request, submission: Submission, house: Resources) -> Blob:
    """Raises TooLarge, UnsupportedMediaType, and whatever an uploaded model is refused for."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        supported = "the file itself as the body (curl --upload-file model.json)"
        raise UnsupportedMediaType(field="The request body", found="multipart/form-data", supported=supported)
    announced, limit_bytes = parameters.content_length(request), house.settings.max_upload_bytes
    multipart_body.check_size(announced, limit_bytes)
    if await house.store.models.get(request.path_params["name"]) is None:  # else another one may make room
        await house.store.check_quota(announced, job=False)
    part, received = submission.begin("model"), 0
    async with house.admission.admit(request, memory_bytes=multipart_body.memory_bytes(announced)) as body:
        async for data in body:
            received += len(data)
            multipart_body.check_size(received, limit_bytes)
            await part.write(data)
    await part.finish()
    blob = submission.inputs()["model"].blob
    assert blob
    return blob


def _brief(info: ModelInfo | None) -> ModelInfo | None:
    """Without names that are too many or too long for a list."""
    if info is None:
        return None
    features = info.features if sum(map(len, info.features or ())) <= LISTED_CHARACTERS else None
    outputs = info.outputs if sum(map(len, info.outputs)) <= LISTED_CHARACTERS else []
    return msgspec.structs.replace(info, features=features, columns=None, outputs=outputs)


def _document(model: RegisteredModel, info: ModelInfo | None, caller: str) -> ModelDetails:
    return ModelDetails(
        name=model.name,
        caller=caller or msgspec.UNSET,
        format=model.format,
        sha256=model.blob.sha256,
        size_bytes=model.blob.size,
        created_at=timestamp(model.created_at),
        family=info.family if info else None,
        model=info.name if info else None,
        features=(info.features or info.n_features) if info else None,
        outputs=(info.outputs or None) if info else None,
    )
