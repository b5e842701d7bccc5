"""The store as a state machine: whatever callers, supervisors and the network do in whatever order, it stays whole.

Leases expire by lowering their deadline; a lost reply is a call whose answer is dropped; a crash is a supervisor that
forgets what it held. After every step `invariants.check` looks at everything there is. In the end everything that is
left must come to its end: nothing is stuck.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jobs import errors
from jobs.audit import Audit
from jobs.callers import Caller
from jobs.options import Options
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import Plan, Whole
from jobs.queue import Lease
from jobs.records import Blob, Input
from jobs.spans import Span, Spans
from jobs.states import ENDED
from jobs.store import Store
from supervisor.chunks.decide import decide
from supervisor.chunks.judge import Verdict
from supervisor.chunks.rescue import adopt, give_back, rescue
from tests.jobs.invariants import DUMP, Picture, check
from tests.jobs.steps import LAYOUT, PARTIAL, Incarnation, done, found, repeated, sample

MAX_ATTEMPTS = 3
NAMES = ("one", "two")
CALLERS = ("", "alice", "bob")
OUTCOMES = (Outcome.REFUSED, Outcome.RAISED, Outcome.MEMORY_CAP, Outcome.TIMED_OUT, Outcome.CRASHED)
PICK = st.integers(0, 7)


class Machine(RuleBasedStateMachine):
    """Its server and its loop are given by whoever runs it."""

    loop: asyncio.AbstractEventLoop
    redis: Any
    waiting: Any
    fresh = False
    """Nothing has been called since the last look."""

    def __init__(self) -> None:
        super().__init__()
        # Ids in order: leases, and jobs that end at once, stand in their ids' order, and what is drawn picks by that.
        self.store = Store(self.redis, job_ttl_s=60, new_id=partial(next, map("{:024x}".format, count())))
        self.dump = self.redis.register_script(DUMP)
        self.jobs: list[str] = []
        self.leases: list[tuple[Incarnation, Lease]] = []
        """Every lease that anybody ever had in hands."""
        self.ended: dict[str, str] = {}
        self.blobs = 0

    def wait(self, call: Awaitable[Any]) -> Any:
        self.fresh = False
        return self.loop.run_until_complete(call)

    def look(self) -> Picture:
        picture = Picture(self.wait(self.dump()))
        self.fresh = True
        return picture

    @initialize(rows=st.integers(0, 6), per_chunk=st.integers(1, 3))
    def begin(self, rows: int, per_chunk: int) -> None:
        """An empty store, or a job that is cut into chunks already: what is interesting lies behind that."""
        self.wait(self.redis.flushall())
        self.incarnations = {name: Incarnation(self.redis, name) for name in NAMES}
        self.picture = self.look()
        if rows:
            self.submit(None, 0, False, "")
            self.is_whole()
            self.lease(NAMES[0], 0)
            self.plan(0, rows, per_chunk, 1)
            self.is_whole()
            self.lease(NAMES[0], 0)

    # --- callers -----------------------------------------------------------------------------------------------

    @rule(
        key=st.sampled_from([None, None, "k"]),
        seed=st.integers(0, 1),
        twice=st.booleans(),
        caller=st.sampled_from(CALLERS),
    )
    def submit(self, key: str | None, seed: int, twice: bool, caller: str) -> None:
        if len(self.jobs) > 2:
            return
        self.store._submit = repeated(Store(self.redis, job_ttl_s=60)._submit, 1 + twice)
        store, inputs = self.store.of(Caller(name=caller)), {"data": Input(blob=self.upload())}
        try:
            job_id = self.wait(store.submit(inputs, Options(seed=seed), key))
        except errors.IdempotencyMismatch:
            assert key
            return
        assert self.wait(store.job(job_id)).caller == caller
        if job_id not in self.jobs:
            self.jobs.append(job_id)

    def upload(self) -> Blob:
        self.blobs += 1
        blob = Blob(id=f"b{self.blobs}", size=4, sha256="same")
        self.wait(self.redis.hset(f"shap:blob:{blob.id}", "0", "rows"))
        self.wait(self.redis.expire(f"shap:blob:{blob.id}", 3600))
        return blob

    @precondition(lambda self: self.jobs)
    @rule(job=PICK, often=st.booleans())
    def cancel(self, job: int, often: bool) -> None:
        if job < len(self.jobs) and often:  # seldom: it ends what could have become interesting
            self.wait(self.store.cancel(self.jobs[job]))

    @precondition(lambda self: self.ended)
    @rule(job=PICK, parts=st.sets(st.sampled_from(["chunks", "attempts", "values", "results", "idempotency"])))
    def time_passes_over_an_ended_job(self, job: int, parts: set[str]) -> None:
        job_id = _pick(list(self.ended), job)
        self.wait(self.redis.delete("shap:nothing", *(f"shap:job:{job_id}:{part}" for part in sorted(parts))))
        kept = f"caller:{self.picture.jobs[job_id].get('caller', '')}:kept"
        charges = [entry for entry in self.picture.lists.get(kept, ()) if entry.startswith(job_id)]
        if "results" in parts and charges:  # both at the same moment
            self.wait(self.redis.zadd(f"shap:{kept}", dict.fromkeys(charges, 1)))

    # --- supervisors -------------------------------------------------------------------------------------------

    @precondition(lambda self: self.jobs)
    @rule(name=st.sampled_from(NAMES), job=PICK)
    def lease(self, name: str, job: int) -> None:
        incarnation, job_id = self.incarnations[name], _pick(self.jobs, job)
        if self.picture.lists.get("turns"):
            self.wait(incarnation.queue.next_caller())
        lease = self.wait(incarnation.held_leases.draw(job_id))
        assert (lease is None) == (f"job:{job_id}:pending" not in self.picture.lists)
        if lease:
            assert lease.token > max((known.token for _, known in self.leases), default=0)
            self.leases.append((incarnation, lease))

    @precondition(lambda self: self.jobs)
    @rule(name=st.sampled_from(NAMES), job=PICK)
    def lease_and_lose_the_reply(self, name: str, job: int) -> None:
        self.wait(self.incarnations[name].queue.lease(_pick(self.jobs, job)))

    @precondition(lambda self: self.leases)
    @rule(number=PICK)
    def renew(self, number: int) -> None:
        incarnation, lease = self.any_lease(number)
        self.call(lease, lambda: incarnation.queue.renew(lease))

    @precondition(lambda self: self.leases)
    @rule(number=PICK, rows=st.integers(1, 6), per_chunk=st.integers(1, 3), times=st.integers(1, 2))
    def plan(self, number: int, rows: int, per_chunk: int, times: int) -> None:
        incarnation, lease = self.any_lease(number)
        if lease.chunk.kind != "open":
            return
        before = copy.deepcopy(lease)
        cut = Spans.at(rows, per_chunk, [(0, 1)] * -(-rows // per_chunk))
        spans = [_span(span.first, span.last) for span in cut]
        one = len(spans) == 1
        attempt = None if one else _attempt(lease, Outcome.SUCCEEDED)
        for sent in [lease, *(copy.deepcopy(before) for _ in range(times - 1))]:  # sent again when the reply was lost
            picture = self.picture if self.fresh else self.look()
            opens = picture.holds(lease.job_id, "open", lease.token)
            done_before = one and picture.holds(lease.job_id, spans[0].chunk_id, lease.token)
            answer = self.wait(incarnation.queue.plan(sent, found(*spans), attempt))
            assert answer == (opens or done_before)
            assert opens or self.look() == picture
        self.leases.insert(0, (incarnation, before))

    @precondition(lambda self: self.leases)
    @rule(number=PICK, rows=st.integers(1, 6), times=st.integers(1, 2))
    def finish_at_once(self, number: int, rows: int, times: int) -> None:
        """A small job: opened and explained, and all of it written together."""
        incarnation, lease = self.any_lease(number)
        if lease.chunk.kind != "open":
            return
        span, plan = _span(0, rows - 1), Plan(layout=LAYOUT, spans=Spans.at(rows, rows, [(0, 1)]))
        whole = Whole(plan=plan, values=b"x", done=done(PARTIAL, {}))
        lease.chunk = lease.chunk.opened(span)
        for _ in range(times):
            before = self.look()
            valid = any(before.holds(lease.job_id, chunk, lease.token) for chunk in ("open", span.chunk_id))
            answer = self.wait(
                incarnation.queue.finish_at_once(lease, _attempt(lease, Outcome.SUCCEEDED), found(span), whole)
            )
            assert answer == valid
            assert valid or self.look() == before, "a stale token changed something"
        incarnation.held_leases.release(lease, begun=True)

    @precondition(lambda self: self.leases)
    @rule(number=PICK, times=st.integers(1, 2))
    def store_values(self, number: int, times: int) -> None:
        incarnation, lease = self.any_lease(number)
        for _ in range(times):
            if lease.chunk.kind == "rows":
                self.call(lease, lambda: incarnation.queue.put_values(lease, 0, b"x"))
            else:
                assert not self.wait(incarnation.queue.put_values(lease, 0, b"x"))

    @precondition(lambda self: self.leases)
    @rule(number=PICK, summed=st.booleans(), times=st.integers(1, 2))
    def finish(self, number: int, summed: bool, times: int) -> None:
        """A summary where none is due is what a hostile child could send."""
        incarnation, lease = self.any_lease(number)
        if lease.chunk.kind != "open":
            self.finish_for(incarnation, lease, summed or lease.chunk.kind == "close", times)

    def finish_for(self, incarnation: Incarnation, lease: Lease, summed: bool, times: int = 1) -> None:
        partial = PARTIAL if lease.chunk.kind == "rows" else None
        if partial:
            self.call(lease, lambda: incarnation.queue.put_values(lease, 0, b"x"))
        attempt, summary = _attempt(lease, Outcome.SUCCEEDED), {"a": 1} if summed else None
        kept = sample(lease.chunk.first) if partial and lease.chunk.first % 2 == 0 else None
        for _ in range(times):
            self.call(lease, lambda: incarnation.queue.finish(lease, attempt, done(partial, summary, kept)))
        incarnation.held_leases.release(lease, begun=True)

    @precondition(lambda self: self.leases)
    @rule(number=PICK, outcome=st.sampled_from(OUTCOMES), times=st.integers(1, 2), loading=st.booleans())
    def fail(self, number: int, outcome: Outcome, times: int, loading: bool) -> None:
        incarnation, lease = self.any_lease(number)
        verdict = Verdict(outcome=outcome, code=outcome.value, message="as drawn")
        self.settle(incarnation, lease, verdict, times, loading=loading)

    @precondition(lambda self: self.leases)
    @rule(number=PICK, times=st.integers(1, 2))
    def hand_back(self, number: int, times: int) -> None:
        """As a supervisor that shuts down in order."""
        incarnation, lease = self.any_lease(number)
        verdict = Verdict(outcome=Outcome.SUPERVISOR_LOST, code="drained", message="as drawn")
        self.settle(incarnation, lease, verdict, times, draining=True)

    def settle(self, incarnation: Incarnation, lease: Lease, verdict: Verdict, times: int, **how: bool) -> None:
        follows = decide(lease.chunk, verdict, Evidence(), max_attempts=MAX_ATTEMPTS, detail={"empty": []}, **how)
        attempt = _attempt(lease, verdict.outcome, verdict.code)
        for _ in range(times):
            self.call(lease, lambda: incarnation.queue.settle(lease, attempt, follows))
        incarnation.held_leases.release(lease, begun=True)

    # --- losses ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.picture.lists.get("leases"))
    @rule(number=PICK)
    def expire(self, number: int) -> None:
        member = _pick(sorted(self.picture.lists["leases"]), number)
        self.wait(self.redis.zadd("shap:leases", {member: 1}))

    @rule(name=st.sampled_from(NAMES))
    def rescue(self, name: str) -> None:
        self.wait(rescue(self.incarnations[name].queue, max_attempts=MAX_ATTEMPTS))
        left, _ = self.wait(self.incarnations[name].queue.expired())
        assert not left

    @rule(name=st.sampled_from(NAMES), adopts=st.booleans())
    def crash(self, name: str, adopts: bool) -> None:
        """A new process under the name; what the old one had in hands may still arrive later."""
        incarnation = self.incarnations[name] = Incarnation(self.redis, name)
        if adopts:
            self.wait(adopt(incarnation.queue, max_attempts=MAX_ATTEMPTS))
            assert not self.wait(incarnation.queue.own())

    @precondition(lambda self: self.leases)
    @rule(number=PICK, begun=st.booleans())
    def break_off(self, number: int, begun: bool) -> None:
        """An attempt ends without having been settled."""
        incarnation, lease = self.any_lease(number)
        incarnation.held_leases.release(lease, begun=begun)

    @rule(name=st.sampled_from(NAMES))
    def reconcile(self, name: str) -> None:
        incarnation = self.incarnations[name]
        self.wait(self._reconcile(incarnation))
        assert self.wait(incarnation.held_leases.returnable()) == ([], [])

    async def _reconcile(self, incarnation: Incarnation) -> None:
        drawn, broken_off = await incarnation.held_leases.returnable()
        await give_back(incarnation.queue, drawn, broken_off, max_attempts=MAX_ATTEMPTS)

    # --- what must hold ----------------------------------------------------------------------------------------

    def any_lease(self, number: int) -> tuple[Incarnation, Lease]:
        """The newest ones are drawn more often."""
        return self.leases[-1 - number % len(self.leases)]

    def call(self, lease: Lease, act: Callable[[], Awaitable[bool]]) -> bool:
        """A call under a token: it does what it says exactly if the token is the chunk's valid one."""
        before = self.picture if self.fresh else self.look()
        valid = before.holds(lease.job_id, lease.chunk.id, lease.token)
        answer = self.wait(act())
        assert answer == valid
        if not valid:
            assert self.look() == before, "a stale token changed something"
        return bool(answer)

    @invariant()
    def is_whole(self) -> None:
        self.picture = self.look()
        check(self.picture)
        for job_id, fields in sorted(self.picture.jobs.items()):
            if job_id in self.ended:
                assert fields["state"] == self.ended[job_id], "a terminal state was left"
            elif fields["state"] in ENDED:
                self.ended[job_id] = fields["state"]

    def teardown(self) -> None:
        """An honest supervisor alone brings everything to its end."""
        for _ in range(100):
            leases = self.picture.lists.get("leases", [])
            if leases:
                self.wait(self.redis.zadd("shap:leases", dict.fromkeys(leases, 1)))
                self.rescue("one")
            waiting = self.wait(self.redis.lrange("shap:turns", 0, -1))
            for caller in waiting:
                self._do_one(caller.decode())
            self.is_whole()
            if not waiting and not self.picture.lists.get("leases"):
                break
        assert set(self.jobs) == set(self.ended)
        assert not Audit(self.waiting, job_ttl_s=60).run()

    def _do_one(self, caller: str) -> None:
        incarnation = self.incarnations["one"]
        lease = self.wait(incarnation.held_leases.draw(caller=caller))
        if lease.chunk.kind == "open":
            self.wait(incarnation.queue.plan(lease, found(_span(0, 0)), None))
        self.finish_for(incarnation, lease, summed=lease.chunk.kind == "close")


def _pick(items: list[Any], number: int) -> Any:
    return items[number % len(items)]


def _span(first: int, last: int) -> Span:
    return Span(first=first, last=last, span_first=first, start=first, end=last + 1)


def _attempt(lease: Lease, outcome: Outcome, code: str | None = None) -> Attempt:
    return Attempt(chunk=lease.chunk.id, attempt=lease.chunk.attempts + 1, outcome=outcome, supervisor="s", code=code)
