"""Where bytes lie: in Redis itself, or where BLOB_URL points. Used once, at the start of either process.

An object store's library costs memory, and is imported only for who wants one.
"""

from jobs.blobs import BlobsAway, BlobStore, RedisBlobs
from jobs.connection import RedisClient
from jobs.settings import InvalidSettings, Settings


def open_blobs(settings: Settings, redis: RedisClient) -> BlobStore:
    """The store that the settings name."""
    if settings.blob_url is None:
        return RedisBlobs(redis)
    from jobs.object_store import ObjectBlobs, open_store

    return ObjectBlobs(redis, open_store(settings.blob_url))


def check_blobs(settings: Settings) -> None:
    """Write, read and delete something where BLOB_URL points. Raises InvalidSettings with the reason."""
    if settings.blob_url is None:
        return
    from jobs.object_store import open_store, probe

    try:
        probe(open_store(settings.blob_url))
    except BlobsAway as error:
        raise InvalidSettings([f"BLOB_URL: {error}"]) from None
