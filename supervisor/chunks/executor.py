"""One attempt, from lease to commit, as a pipeline of named steps. Runs in the supervisor, one task a slot.

    lease -> model in a template -> child -> conversation -> exit -> verdict -> commit or settle

Does not lease, renew or rescue: see `daemon`. Every wait is bounded by the chunk's timer, which kills the child: the
conversation then ends by itself, as it does for every other kind of death.
"""

import time
from typing import Any

import structlog

from jobs.blobs import BlobGone
from jobs.connection import RedisError
from jobs.errors import InputLost, Problem
from jobs.outcomes import MEMORY_OUTCOMES, Attempt, Evidence, Outcome
from jobs.protocol import Close, Done, Explain, Failed, Open, Plan, Request, Values
from jobs.queue import Lease, Queue
from jobs.records import Job, Layout, ModelInfo, row_bytes
from jobs.settings import Settings
from supervisor.children.conversation import LastWord, results
from supervisor.children.inputs import Parts, job_parts, partials_part, sizes
from supervisor.children.limits import oom_kills
from supervisor.children.pool import ProcessPool
from supervisor.children.spawner import Child, ForkserverLost
from supervisor.children.templates import LoadFailed, template_key, wait_for_exit
from supervisor.children.watch import Sample
from supervisor.chunks.decide import decide
from supervisor.chunks.judge import Ending, Verdict, exit_code, exit_signal, judge
from supervisor.redis_link import RedisLink, Timer

log = structlog.get_logger()


class Run:
    """The state of one attempt while it lasts."""

    def __init__(self, lease: Lease, job: Job, pool: ProcessPool) -> None:
        self.lease = lease
        self.job = job
        self.pool = pool
        self.started = time.monotonic()
        self.oom_kills = oom_kills()
        self.child: Child | None = None
        self.sample = Sample()
        """What the watch sees of it."""
        self.loading = False
        self.template_key = ""
        self.changing_chunk = False
        """Its lease is passing from `open` to the job's only chunk: a renewal may name the wrong one."""
        self.stopped_as: Outcome | None = None
        self.inherited_bytes = 0
        """What the child already had beyond its forkserver's baseline: its model."""
        self.model: ModelInfo | None = job.model
        self.layout: Layout | None = job.layout
        self.plan: Plan | None = None
        """A plan of several chunks, to be committed when the attempt has succeeded."""
        self.pieces = 0
        self.value_bytes = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def spawned(self, child: Child, sample: Sample) -> None:
        """From now on this is the process to kill if the run is stopped."""
        self.child, self.sample = child, sample
        if self.stopped_as:
            child.kill(self.stopped_as)

    def end(self) -> None:
        """Nothing of this attempt is left running, not even when it broke off."""
        if self.child:
            self.child.kill(Outcome.CRASHED)
            self.child.close()

    def stop(self, reason: Outcome) -> None:
        """End the attempt: its process is killed, now or as soon as there is one."""
        self.stopped_as = self.stopped_as or reason
        if self.child:
            self.child.kill(self.stopped_as)


class Executor:
    """Runs leased chunks; `running` are the attempts under way, by fencing token."""

    def __init__(self, queue: Queue, settings: Settings, link: RedisLink) -> None:
        self._queue = queue
        self._settings = settings
        self._link = link
        self.running: dict[int, Run] = {}
        self.draining = False

    async def run(self, lease: Lease, pool: ProcessPool) -> None:
        """One attempt. Whatever happens, the chunk is settled here, or its lease expires and it is rescued."""
        job = lease.job
        assert job
        run = self.running[lease.token] = Run(lease, job, pool)
        timer = Timer(self._settings.chunk_timeout_s, self._link, lambda: run.stop(Outcome.TIMED_OUT))
        try:
            ending = await self._work(run)
            await self._commit(run, ending)
            if run.child:
                await wait_for_exit(run.child)
        except RedisError as error:
            log.warning("attempt_not_committed", job_id=lease.job_id, chunk=lease.chunk.id, error=str(error))
        finally:
            timer.cancel()
            run.end()
            del self.running[lease.token]

    async def _work(self, run: Run) -> Ending:
        """Everything up to the ending; nothing is written about it yet."""
        try:
            if run.lease.chunk.kind == "close":
                return await self._close(run)
            return await self._open_or_explain(run)
        except BlobGone:  # the usual reason is that the job has ended meanwhile; then nothing of this is written
            return _refused(InputLost())
        except Problem as problem:
            return _refused(problem)
        except LoadFailed as failed:
            return self._ending(run, failed.child, failed.message)
        except ForkserverLost:
            return Ending(parent_lost=True, killed_as=run.stopped_as)

    async def _close(self, run: Run) -> Ending:
        assert run.job.model
        assert run.job.layout
        partials = await self._link.retry(lambda: partials_part(self._queue, run.job.job_id))
        parts = self._link.parts({"partials": partials})
        request = Close(sizes=sizes(parts), model=run.job.model, layout=run.job.layout)
        async with run.pool.lean_child(run.spawned) as child:
            return await self._converse(run, child, parts, request)

    async def _open_or_explain(self, run: Run) -> Ending:
        inputs = job_parts(self._queue.blobs, run.job.inputs, self._settings.trusted_model_dir, run.lease.chunk)
        parts = self._link.parts(inputs)
        trusted = run.job.inputs["model"].trusted_name is not None
        run.loading, run.template_key = True, template_key(run.job, parts)
        async with run.pool.borrow(run.job, parts, trusted=trusted, on_spawn=run.spawned) as template:
            run.loading, run.child = False, None  # the template is not this attempt's to kill any more
            run.model = template.model
            run.inherited_bytes = template.growth_bytes
            child = await template.take()
            run.spawned(child, run.pool.watched(template, child))
            return await self._converse(run, child, parts, self._request(run, parts))

    def _request(self, run: Run, parts: Parts) -> Request:
        chunk = run.lease.chunk
        if chunk.kind == "open":
            batch_size = run.job.options.batch_size or self._settings.shap_batch_size
            return Open(
                sizes=sizes(parts),
                batch_size=batch_size,
                cap_bytes=run.sample.cap_bytes - run.inherited_bytes,
                model_bytes=run.inherited_bytes,
                slots=run.pool.plan.slots,
                dry_run=run.job.options.dry_run,
            )
        assert run.layout
        return Explain(sizes=sizes(parts), layout=run.layout, span=chunk.span)

    async def _converse(self, run: Run, child: Child, parts: Parts, request: Request) -> Ending:
        last: LastWord | None = None
        await child.pipe.send(request)
        async for message in results(child, parts):
            if isinstance(message, Plan):
                await self._planned(run, message)
            elif isinstance(message, Values):
                await self._received(run, message)
            else:
                last = message
        if not isinstance(last, Done):  # how it ended is evidence; a child that is done may go while we commit
            await wait_for_exit(child)
        return self._ending(run, child, last)

    async def _planned(self, run: Run, plan: Plan) -> None:
        """Several chunks wait for the attempt's success; a single one is explained in this same attempt."""
        run.layout = plan.layout
        if len(plan.spans) != 1:
            run.plan = plan
            return
        run.changing_chunk = True
        if not await self._link.retry(lambda: self._commit_plan(run, plan, attempt=None)):
            run.stop(Outcome.CANCELLED)
        run.changing_chunk = False

    async def _received(self, run: Run, values: Values) -> None:
        if not await self._link.retry(lambda: self._queue.put_values(run.lease, run.pieces, values.data)):
            run.stop(Outcome.CANCELLED)
        run.pieces += 1
        run.value_bytes += len(values.data)

    def _ending(self, run: Run, child: Child, message: LastWord | None) -> Ending:
        return Ending(
            message=message,
            exited=child.exited.result() if child.exited.done() else None,
            killed_as=child.killed_as,
            parent_lost=child.parent_lost,
            kernel_killed=oom_kills() > run.oom_kills,
            stderr=child.stderr.text(),
            vm_peak_bytes=run.sample.vm_peak_bytes,
            vm_limit_bytes=run.sample.vm_limit_bytes,
            cap_bytes=run.sample.cap_bytes,
            machine_full=run.sample.machine_full,
        )

    async def _commit(self, run: Run, ending: Ending) -> None:
        """Write down what became of it: the result, the plan, or what follows from its failure."""
        verdict = _unless_incomplete(run, ending, judge(ending))
        attempt = self._record(run, ending, verdict)
        held = await self._link.retry(lambda: self._write(run, ending, verdict, attempt))
        log.log(
            20 if verdict.outcome is Outcome.SUCCEEDED else 30,
            "attempt_ended",
            job_id=run.job.job_id,
            chunk=attempt.chunk,
            attempt=attempt.attempt,
            outcome=verdict.outcome,
            child_pid=run.child.pid if run.child else None,
            peak_bytes=attempt.evidence.peak_bytes,
            cap_bytes=attempt.evidence.cap_bytes,
            seconds=attempt.evidence.seconds,
            **({} if held else {"stale": True}),
            **({"message": verdict.message} if verdict.message else {}),
        )

    async def _write(self, run: Run, ending: Ending, verdict: Verdict, attempt: Attempt) -> bool:
        if verdict.outcome is not Outcome.SUCCEEDED:
            follows = decide(
                run.lease.chunk,
                verdict,
                attempt.evidence,
                max_attempts=self._settings.chunk_max_attempts,
                detail=attempt.detail,
                loading=run.loading,
                draining=self.draining,
                narrow=verdict.outcome in MEMORY_OUTCOMES and run.pool.widen(run.template_key),
            )
            return await self._queue.settle(run.lease, attempt, follows)
        if run.plan:
            return await self._commit_plan(run, run.plan, attempt)
        assert isinstance(ending.message, Done)
        return await self._queue.finish(run.lease, attempt, ending.message.partial, ending.message.summary)

    async def _commit_plan(self, run: Run, plan: Plan, attempt: Attempt | None) -> bool:
        assert run.model
        return await self._queue.plan(
            run.lease,
            model=run.model,
            layout=plan.layout,
            rows=plan.spans.rows,
            spans=plan.spans,
            cap_bytes=run.sample.cap_bytes,
            attempt=attempt,
        )

    def _record(self, run: Run, ending: Ending, verdict: Verdict) -> Attempt:
        failed = ending.message if isinstance(ending.message, Failed) else None
        return Attempt(
            chunk=run.lease.chunk.id,
            attempt=run.lease.chunk.attempts + 1,
            outcome=verdict.outcome,
            supervisor=self._queue.supervisor,
            code=verdict.code if verdict.outcome is not Outcome.SUCCEEDED else None,
            message=verdict.message or None,
            detail=failed.detail if failed else {},
            evidence=self._evidence(run, ending),
            ended_at=time.time(),
        )

    def _evidence(self, run: Run, ending: Ending) -> Evidence:
        sample = run.sample
        report = ending.message.memory if isinstance(ending.message, Done | Failed) else None
        own_peak = report.peak_bytes + run.inherited_bytes if report else 0
        signalled = exit_signal(ending.exited)
        evidence = Evidence(
            exit_code=exit_code(ending.exited),
            signal=signalled.name if signalled else None,
            seconds=round(run.seconds, 4),
            cap_bytes=sample.cap_bytes or None,
            peak_bytes=max(own_peak, sample.peak_growth_bytes),
            vm_peak_bytes=max(report.vm_peak_bytes if report else 0, sample.vm_peak_bytes),
            vm_limit_bytes=sample.vm_limit_bytes or None,
            stderr=ending.stderr[-500:] or None,
        )
        if report:
            evidence.vm_hwm_bytes = report.vm_hwm_bytes
        return evidence


def _refused(problem: Problem) -> Ending:
    """What the supervisor finds wrong with a job counts like what a child finds."""
    return Ending(message=Failed(kind="refused", code=problem.code, message=problem.message, detail=problem.detail))


def _unless_incomplete(run: Run, ending: Ending, verdict: Verdict) -> Verdict:
    """A child that says it is done but has not sent what belongs to it has not succeeded."""
    if verdict.outcome is not Outcome.SUCCEEDED or _is_complete(run, ending.message):
        return verdict
    return Verdict(outcome=Outcome.CRASHED, code="incomplete", message="The child's result is not complete.")


def _is_complete(run: Run, message: Any) -> bool:
    chunk = run.lease.chunk
    if not isinstance(message, Done):
        return False
    if chunk.kind == "close":
        return message.summary is not None
    if chunk.kind == "open":
        return message.summary is not None if run.job.options.dry_run else bool(run.plan and run.plan.spans)
    assert run.model
    assert run.layout
    expected = chunk.span.rows * row_bytes(run.layout, run.model, run.job.options)
    return message.partial is not None and run.value_bytes == expected
