"""Parts of a submission that lie elsewhere: `data_url`, `model_url` and `background_url`. In the web process.

They are judged and stored as they come, like those that a caller sends. Does not decide whom it may ask: see
`destinations`.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from api.outgoing import FAILURES, Exchange, told
from api.resources import Resources
from api.submission import URLS, Submission
from jobs.blobs import BATCH_BYTES
from jobs.errors import NotFetched, TooLarge
from jobs.protocol import PIECE_BYTES

MEMORY_BYTES = 4 * BATCH_BYTES
"""What one part takes of this process on its way."""
LONGEST_S = 600.0
WAY_OUT = "Split the rows into several jobs, or let the operator raise MAX_UPLOAD_MB."


async def fetch(house: Resources, submission: Submission) -> None:
    """All that are named. Raises ForbiddenUrl, NotFetched, TooLarge, Busy, StorageFull; and what parts are refused."""
    for field, name in URLS.items():
        url = submission.text(field)
        if url is not None:
            await _fetch(house, submission, field, name, url)


async def _fetch(house: Resources, submission: Submission, field: str, name: str, url: str) -> None:
    part = submission.begin_fetched(name, field)
    try:
        async with (
            asyncio.timeout(LONGEST_S),
            house.outgoing.request("GET", url, {"Accept": "*/*"}, field=field) as exchange,
        ):
            status = await exchange.status()
            if status != HTTPStatus.OK:
                raise NotFetched(field=field, reason=f"it answered {status}")
            size = exchange.announced_bytes
            _check_size(size, field, house)
            async with house.admission.admit_pieces(_pieces(exchange), size, memory_bytes=MEMORY_BYTES) as pieces:
                received = 0
                async for data in pieces:
                    received += len(data)
                    _check_size(received, field, house)
                    await part.write(data)
    except FAILURES as error:
        raise NotFetched(field=field, reason=told(error)) from None
    await part.finish()


async def _pieces(exchange: Exchange) -> AsyncIterator[bytes]:
    while data := await exchange.read(PIECE_BYTES):
        yield data


def _check_size(size: int, field: str, house: Resources) -> None:
    limit_bytes = house.settings.max_upload_bytes
    if size > limit_bytes:
        raise TooLarge(field=f"What {field} leads to", limit_bytes=limit_bytes, way_out=WAY_OUT)
