"""The sequence of inputs that a seed gives: each drawn by its number alone, so that any can be drawn again. Pure.

Every kind of input has a row in KINDS. Where a target holds the name of a job's state in capitals, its client puts the
id of such a job there: see `client`. Does not send anything.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from fuzz import hosts, messages, packing
from fuzz.damage import INTEGERS, TEXTS, Draw, drawn, in_document, value_like
from fuzz.files import damaged
from fuzz.messages import JSON, MULTIPART, Headers, Part
from fuzz.samples import Sample, Samples
from fuzz.tables import as_json, tensors

JOBS = ("FINISHED-JOB", "FAILED-JOB", "CANCELLED-JOB", "LATEST-JOB")
"""Placeholders in targets."""
MODEL_NAMES = ("first", "second", "third")
WAITS: Headers = [("Prefer", "wait=1")]
OPTIONS: dict[str, Any] = {
    "explainer": "auto",
    "interactions": False,
    "model_output": "auto",
    "batch_size": 3,
    "check_additivity": True,
    "seed": 7,
    "max_evals": 50,
    "may_shrink": True,
    "dry_run": False,
    "nsamples": 50,
}
CHOICES = (
    "tree",
    "linear",
    "exact",
    "permutation",
    "kernel",
    "raw",
    "probability",
    "auto",
    True,
    False,
    None,
    2.0,
    1002.0,
    "3",
    2**31 - 1,
)
Document = dict[str, Any]


class Input(msgspec.Struct, kw_only=True, frozen=True):
    """What one client sends on one connection."""

    name: str
    raw: bytes
    whole: bool = True
    """A request that HTTP knows and that must be answered; of others the answer, if there is one."""
    must_finish: bool = False
    """Nothing is wrong with it: its job must finish."""


def inputs(seed: int, samples: Samples, document: Document) -> Iterator[Input]:
    """Without end. `document` is the service's /openapi.json."""
    kinds, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
    for number, draw in enumerate(drawn(seed), 1):
        (kind,) = draw.choices(kinds, weights)
        raw = KINDS[kind][1](draw, samples, document)
        whole = kind not in ("socket", "header", "target")
        yield Input(name=f"{number} {kind}", raw=raw, whole=whole, must_finish=kind == "valid")


def _submission(draw: Draw, parts: list[Part]) -> bytes:
    headers: Headers = [("Content-Type", MULTIPART), *(WAITS if draw.random() < 0.3 else [])]
    return messages.request("POST", "/analyze", headers, messages.multipart(parts))


def _parts(draw: Draw, sample: Sample) -> list[Part]:
    """What is accepted, in one of the formats."""
    parts = [Part("model", sample.model), Part("data", draw.choice(sample.tables).raw)]
    if sample.needs_background or draw.random() < 0.1:
        parts.append(Part("background", draw.choice(sample.tables).raw))
    return parts


def _any_model(draw: Draw, samples: Samples) -> Sample:
    """Each format as often as another: those that only the libraries read take most of a campaign's time."""
    kind = draw.choice(sorted({sample.format for sample in samples.models}))
    return draw.choice([sample for sample in samples.models if sample.format == kind])


def _model(draw: Draw, samples: Samples, _: Document) -> bytes:
    sample = _any_model(draw, samples)
    model, *others = _parts(draw, sample)
    return _submission(draw, [model._replace(content=damaged(draw, sample.format, sample.model)), *others])


def _rows(draw: Draw, samples: Samples, _: Document) -> bytes:
    """Of `data`, or of `background`."""
    sample = _any_model(draw, samples)
    model, data, *_rest = _parts(draw, sample)
    kind = draw.choice(sorted({table.format for table in sample.tables}))
    rows = draw.choice([table.raw for table in sample.tables if table.format == kind])
    broken = Part(draw.choice(("data", "data", "background")), damaged(draw, kind, rows))
    return _submission(draw, [model, broken] if broken.name == "data" else [model, data, broken])


def _expected(draw: Draw, samples: Samples, _: Document) -> bytes:
    sample = draw.choice([sample for sample in samples.models if sample.predictions])
    formats = {
        "json": as_json(draw.choice((sample.predictions, {"predictions": sample.predictions}))),
        "csv": "\n".join(["p", *map(repr, sample.predictions)]).encode(),
        "npy": samples.npy,
    }
    kind = draw.choice(list(formats))
    return _submission(draw, [*_parts(draw, sample), Part("expected", damaged(draw, kind, formats[kind]))])


def _odd_options(draw: Draw) -> Document:
    chosen = {name: OPTIONS[name] for name in draw.sample(list(OPTIONS), draw.randint(1, 4))}
    changes = {name: draw.choice((*CHOICES, value_like(draw, value))) for name, value in chosen.items()}
    return chosen | {name: value for name, value in changes.items() if draw.random() < 0.5}


def _options(draw: Draw, samples: Samples, _: Document) -> bytes:
    options: Any = _odd_options(draw)
    text = as_json(options if draw.random() < 0.8 else in_document(draw, options))
    parts = _parts(draw, _any_model(draw, samples))
    return _submission(draw, [*parts, Part("options", text, None)])


def _json_body(draw: Draw, samples: Samples, _: Document) -> bytes:
    sample = next(sample for sample in samples.models if sample.name == "xgboost")
    body = {"model": json.loads(sample.model), "data": samples.document, "options": _odd_options(draw)}
    if draw.random() < 0.3:
        body["expected"] = sample.predictions
    if draw.random() < 0.3:
        body |= {"background": samples.rows, "model_id": draw.choice((*MODEL_NAMES, *TEXTS))}
    return messages.request("POST", "/analyze", [("Content-Type", JSON)], as_json(in_document(draw, body)))


def _multipart(draw: Draw, samples: Samples, _: Document) -> bytes:
    parts = [*_parts(draw, _any_model(draw, samples)), Part("options", as_json(OPTIONS), None)]
    length = draw.choice((None, None, None, None, "1", "99", "-1", "1e3", str(2**63)))
    body = messages.damaged_multipart(draw, parts)
    return messages.request("POST", "/analyze", [("Content-Type", MULTIPART)], body, length=length)


def _registered(draw: Draw, samples: Samples, _: Document) -> bytes:
    """A model by name: put there, or used."""
    sample, name = _any_model(draw, samples), draw.choice(MODEL_NAMES)
    if draw.random() < 0.5:
        model = sample.model if draw.random() < 0.6 else damaged(draw, sample.format, sample.model)
        return messages.request("PUT", f"/models/{name}", [], model)
    return _submission(draw, [Part("model_id", name.encode(), None), *_parts(draw, sample)[1:]])


def _inference(draw: Draw, samples: Samples, _: Document) -> bytes:
    """A registered model over KServe's and MLServer's protocols."""
    name = draw.choice((*MODEL_NAMES, *MODEL_NAMES, quote(draw.choice(TEXTS), errors="replace", safe="")))
    if draw.random() < 0.2:
        body: Document = {"instances": samples.rows}
        path = f"/v1/models/{name}:explain"
    else:
        columns = samples.document["columns"]
        rows = dict(zip(columns, zip(*samples.document["data"], strict=True), strict=True))
        flat = [cell for row in samples.document["data"] for cell in row]
        one = {"name": "x", "datatype": "FP64", "shape": [len(flat) // len(columns), len(columns)], "data": flat}
        inputs = draw.choice((tensors(rows), [one]))
        body = {"id": "1", "inputs": inputs, "parameters": _odd_options(draw) if draw.random() < 0.3 else {}}
        path = f"/v2/models/{name}/infer"
    whole = body if draw.random() < 0.2 else in_document(draw, body)
    headers: Headers = [("Content-Type", JSON)]
    if draw.random() < 0.05:
        headers.append(("Inference-Header-Content-Length", str(draw.choice(INTEGERS))))
    return messages.request("POST", path, headers, as_json(whole))


def _elsewhere(draw: Draw, samples: Samples, _: Document) -> bytes:
    """Files that lie with another host, and ends that are to be told to one."""
    at = draw.randrange(len(samples.models))
    model, data, *more = _parts(draw, samples.models[at])
    if draw.random() < 0.5:
        model = Part("model_url", hosts.url(draw, f"/file/{2 * at}").encode("utf-8", "replace"), None)
    if draw.random() < 0.5:
        data = Part("data_url", hosts.url(draw, f"/file/{2 * at + 1}").encode("utf-8", "replace"), None)
    told = [name for name in ("callback_url", "result_url", "background_url") if draw.random() < 0.4]
    fields = [Part(name, hosts.url(draw, "/ok").encode("utf-8", "replace"), None) for name in told]
    return _submission(draw, [model, data, *more, *fields])


def _packed(draw: Draw, samples: Samples, _: Document) -> bytes:
    """A part, or the whole body, in gzip or Zstandard that is not quite right."""
    parts = _parts(draw, _any_model(draw, samples))
    if draw.random() < 0.6:
        at = draw.randrange(len(parts))
        parts[at] = parts[at]._replace(content=packing.damaged(draw, parts[at].content)[1])
        return _submission(draw, parts)
    encoding, body = packing.damaged(draw, messages.multipart(parts))
    headers = [("Content-Type", MULTIPART), ("Content-Encoding", encoding)]
    return messages.request("POST", "/analyze", headers, body)


def _valid(draw: Draw, samples: Samples, _: Document) -> bytes:
    """Now and then packed, in its parts or as a whole."""
    sample = draw.choice([sample for sample in samples.models if sample.name != "catboost json"])
    parts = _parts(draw, sample)
    if draw.random() < 0.2:
        parts = [part._replace(content=packing.packed(draw, part.content)[1]) for part in parts]
    if draw.random() < 0.8:
        return _submission(draw, parts)
    encoding, body = packing.packed(draw, messages.multipart(parts))
    headers = [("Content-Type", MULTIPART), ("Content-Encoding", encoding)]
    return messages.request("POST", "/analyze", headers, body)


def _target(draw: Draw, document: Document) -> tuple[str, str]:
    """Method and target of an operation, its parameters mostly what they may be."""
    path, methods = draw.choice(list(document["paths"].items()))
    method = draw.choice(list(methods))
    job = draw.choice((*JOBS, *JOBS, *TEXTS, "%00", "%2e%2e%2f", "-" * 65))
    name = draw.choice((*MODEL_NAMES, *TEXTS, "%2F", "a" * 300))
    path = path.replace("{job_id}", job if job in JOBS else quote(job, errors="replace", safe="%"))
    path = path.replace("{name}", quote(name, errors="replace", safe="%"))
    known = [found for found in methods[method].get("parameters", []) if found["in"] == "query"]
    asked = [found["name"] for found in known if draw.random() < 0.6] + (["nonsense"] if draw.random() < 0.1 else [])
    values = (*INTEGERS, *TEXTS, "0-2", "3-1", "0-0", "true", "1", "50", "-", "%zz")
    query = "&".join(f"{one}={quote(str(draw.choice(values)), errors='replace', safe='%')}" for one in asked)
    return method.upper(), path + (f"?{query}" if query else "")


def _route(draw: Draw, _: Samples, document: Document) -> bytes:
    method, target = _target(draw, document)
    accepted = draw.choice(("*/*", "application/json", "text/csv", "application/x-npy", "application/octet-stream"))
    headers: Headers = [("Accept", accepted)]
    if "events" in target and draw.random() < 0.5:
        headers.append(("Last-Event-ID", "end"))
    return messages.request(method if draw.random() < 0.9 else "HEAD", target, headers)


def _header(draw: Draw, samples: Samples, document: Document) -> bytes:
    if draw.random() < 0.5:
        return messages.request(*_target(draw, document), messages.odd_headers(draw))
    body = messages.multipart(_parts(draw, samples.models[0]))
    headers = [*messages.odd_headers(draw, 2), ("Content-Type", MULTIPART)]
    return messages.request("POST", "/analyze", headers, body)


def _odd_target(draw: Draw, _: Samples, document: Document) -> bytes:
    target = _target(draw, document)[1]
    odd = draw.choice(
        (target + draw.choice(TEXTS), "//" + target, target.replace("/", "/./"), "*", "http://h" + target, "")
    )
    return messages.request(draw.choice(messages.METHODS), odd, [])


def _socket(draw: Draw, samples: Samples, document: Document) -> bytes:
    return messages.bare(draw, draw.choice((_valid, _route))(draw, samples, document))


KINDS: dict[str, tuple[float, Callable[[Draw, Samples, Document], bytes]]] = {
    "model": (30, _model),
    "rows": (20, _rows),
    "packed": (6, _packed),
    "expected": (6, _expected),
    "options": (8, _options),
    "JSON body": (8, _json_body),
    "multipart": (8, _multipart),
    "registered": (4, _registered),
    "inference": (6, _inference),
    "elsewhere": (6, _elsewhere),
    "valid": (4, _valid),
    "route": (9, _route),
    "header": (5, _header),
    "target": (2, _odd_target),
    "socket": (5, _socket),
}
"""How often each kind is drawn, and what draws it."""
