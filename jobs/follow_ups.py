"""What is to follow a job's end: its values put somewhere, and its end told to somebody. Used by the web process.

A job that has one is put among FOLLOW_UPS by whatever ends it, in the same step. A web process takes it from there for
TAKEN_S, and puts it back for later, or strikes it out: one that is killed meanwhile is followed by another, so that
everybody is told at least once. Does not speak to anybody: see `api.follow_ups`.
"""

from jobs import keys
from jobs.connection import RedisClient
from jobs.records import Delivery, json_text
from jobs.scripts import bare

TAKEN_S = 300.0
"""Longer than all that follows one end may take."""


class FollowUps:
    """Over one Redis client."""

    def __init__(self, redis: RedisClient) -> None:
        self._take = redis.register_script(bare("take_follow_up"))
        self._note = redis.register_script(bare("note_follow_up"))

    async def take(self) -> str | None:
        """The id of a job whose follow-up is due; it is ours for TAKEN_S."""
        found = await self._take(keys=[keys.FOLLOW_UPS], args=[TAKEN_S])
        return found.decode() if found else None

    async def note(self, job_id: str, delivery: Delivery, *, again_in_s: float | None) -> None:
        """How the attempt went, and when the next one is due: None for never. Nothing of a job that has gone."""
        args = [job_id, json_text(delivery), "" if again_in_s is None else again_in_s]
        await self._note(keys=[keys.FOLLOW_UPS, keys.job(job_id)], args=args)
