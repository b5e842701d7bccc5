"""JSON answers of the web process. NaN and infinity are written as null.

Does not write problems (see `problems`) nor streamed values (see `result_writers`).
"""

from typing import Any

import msgspec
from starlette.responses import Response


class JsonResponse(Response):
    """A small document."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content, enc_hook=str)


class HealthResponse(JsonResponse):
    """A health document, as draft-inadarei-api-health-check names it."""

    media_type = "application/health+json"
