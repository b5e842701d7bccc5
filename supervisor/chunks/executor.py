"""One attempt, from lease to commit, as a pipeline of named steps. Runs in the supervisor, one task a slot.

    lease -> model in a template -> child -> conversation -> exit -> verdict -> commit or settle

Does not lease, renew or rescue: see `daemon`. Every wait is bounded by the chunk's timer, which kills the child: the
conversation then ends by itself, as it does for every other kind of death.
"""

import logging
import time

import structlog

from jobs import traces
from jobs.blobs import IDS, BlobGone
from jobs.connection import RedisError
from jobs.errors import InputLost, Problem, UnreadableRecord
from jobs.outcomes import MEMORY_OUTCOMES, Attempt, Outcome
from jobs.protocol import Close, Done, Explain, Ids, Open, Plan, Request, Values, Whole
from jobs.queue import Decision, Lease, OpenedJob, Queue
from jobs.records import Job, JobError
from jobs.settings import Settings
from supervisor.children.conversation import LastWord, results
from supervisor.children.inputs import Parts, job_parts, partials_part, read_ahead, sizes
from supervisor.children.pool import ProcessPool
from supervisor.children.spawner import Child, ForkserverLost
from supervisor.children.templates import LoadFailed, template_key, wait_for_exit
from supervisor.chunks.decide import decide
from supervisor.chunks.evidence import attempt_of, ending_of, evidence_of, refused, unless_incomplete
from supervisor.chunks.judge import Ending, Verdict, judge
from supervisor.chunks.run import Run
from supervisor.redis_link import RedisLink, Timer

ROWS_WITHOUT_VALUES = 10_000
"""In a chunk of a job that keeps no rows: the records of small ones would be all that such a job leaves."""
log = structlog.get_logger()


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
        try:
            job = lease.job
        except UnreadableRecord as problem:
            await self._bury(lease, problem)
            return
        assert job
        with traces.span(f"chunk {lease.chunk.kind}", "consumer", job.traceparent, _attributes(lease)):
            await self._run(lease, job, pool)

    async def _run(self, lease: Lease, job: Job, pool: ProcessPool) -> None:
        run = self.running[lease.token] = Run(lease, job, pool, wanted_rows=self._settings.sample_rows)
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

    async def _bury(self, lease: Lease, problem: Problem) -> None:
        """A job whose record cannot be read ends at once: no attempt of any supervisor could do anything for it."""
        error = JobError(code=problem.code, message=problem.message, detail=problem.detail)
        decision = Decision(action="fail", counts="", error=error)
        log.warning("record_unreadable", job_id=lease.job_id, chunk=lease.chunk.id, error=problem.detail["reason"])
        await self._link.try_once(lambda: self._queue.settle(lease, None, decision))

    def abort(self) -> None:
        """The supervisor must leave: children are killed, and their chunks handed back for nothing."""
        self.draining = True
        for run in list(self.running.values()):
            run.stop(Outcome.SUPERVISOR_LOST)

    async def _work(self, run: Run) -> Ending:
        """Everything up to the ending; nothing is written about it yet."""
        try:
            if run.lease.chunk.kind == "close":
                return await self._close(run)
            return await self._open_or_explain(run)
        except BlobGone:  # the usual reason is that the job has ended meanwhile; then nothing of this is written
            return refused(InputLost())
        except Problem as problem:
            return refused(problem)
        except LoadFailed as failed:
            return _ending(run, failed.child, failed.message)
        except ForkserverLost:
            return Ending(parent_lost=True, killed_as=run.stopped_as)

    async def _close(self, run: Run) -> Ending:
        assert run.job.model
        assert run.job.layout
        partials = await self._link.retry(lambda: partials_part(self._queue, run.job.job_id))
        parts = self._link.parts({"partials": partials})
        request = Close(sizes=sizes(parts), model=run.job.model, layout=run.job.layout, options=run.job.options)
        async with run.pool.lean_child(run.spawned) as child:
            return await self._converse(run, child, parts, request)

    async def _open_or_explain(self, run: Run) -> Ending:
        inputs = job_parts(self._queue.blobs, run.job.inputs, self._settings.trusted_model_dir, run.lease.chunk)
        parts = self._link.parts(inputs)
        run.data_bytes = parts["data"].size
        trusted = run.job.inputs["model"].trusted_name is not None
        run.loading, run.template_key = True, template_key(run.job, parts)
        async with (
            read_ahead(parts["data"]) as data,
            run.pool.borrow(run.job, parts, trusted=trusted, on_spawn=run.spawned) as template,
        ):
            run.loading, run.child = False, None  # the template is not this attempt's to kill any more
            run.model = template.model
            run.inherited_bytes = template.growth_bytes
            child = await template.take()
            run.spawned(child, run.pool.watched(template, child))
            return await self._converse(run, child, parts, self._request(run, parts, await data))

    def _request(self, run: Run, parts: Parts, data: bytes) -> Request:
        chunk = run.lease.chunk
        if chunk.kind == "open":
            options = run.job.options
            usual = self._settings.shap_batch_size
            if options.reduce and isinstance(usual, int):
                usual = max(usual, ROWS_WITHOUT_VALUES)
            batch_size = options.batch_size or usual
            return Open(
                sizes=sizes(parts),
                batch_size=batch_size,
                cap_bytes=run.sample.cap_bytes - run.inherited_bytes,
                model_bytes=run.inherited_bytes,
                slots=run.pool.plan.slots,
                dry_run=run.job.options.dry_run,
                sample_rows=run.sample_rows,
                data=data,
            )
        assert run.layout
        rows = run.job.rows or 0
        return Explain(
            sizes=sizes(parts),
            layout=run.layout,
            span=chunk.span,
            rows=rows,
            sample_rows=run.sample_rows,
            data=data,
        )

    async def _converse(self, run: Run, child: Child, parts: Parts, request: Request) -> Ending:
        last: LastWord | None = None
        await child.pipe.send(request)
        async for message in results(child, parts):
            if not run.can_be(message):
                child.kill(Outcome.CRASHED)
                break
            if isinstance(message, Plan):
                await self._planned(run, message)
            elif isinstance(message, Ids):
                await self._received_ids(run, message)
            elif isinstance(message, Values):
                await self._received(run, message)
            elif isinstance(message, Whole):
                run.take_whole(message)
                last = message.done
            else:
                last = message
        if not isinstance(last, Done):  # how it ended is evidence; a child that is done may go while we commit
            await wait_for_exit(child)
        return _ending(run, child, last)

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

    async def _received_ids(self, run: Run, ids: Ids) -> None:
        run.has_ids = True
        if not await self._link.retry(lambda: self._queue.put_values(run.lease, IDS, ids.data)):
            run.stop(Outcome.CANCELLED)

    async def _received(self, run: Run, values: Values) -> None:
        if not await self._link.retry(lambda: self._queue.put_values(run.lease, run.pieces, values.data)):
            run.stop(Outcome.CANCELLED)
        run.pieces += 1
        run.value_bytes += len(values.data)

    async def _commit(self, run: Run, ending: Ending) -> None:
        """Write down what became of it: the result, the plan, or what follows from its failure."""
        verdict = unless_incomplete(judge(ending), complete=run.is_complete(ending.message))
        if verdict.outcome is not Outcome.SUCCEEDED:
            run.let_whole_go()
        attempt = self._record(run, ending, verdict)
        if verdict.outcome is Outcome.SUCCEEDED:
            held = await self._link.retry(lambda: self._finish(run, ending, attempt))
        else:  # asked once, for it may have to be written more than once
            narrow = verdict.outcome in MEMORY_OUTCOMES and run.pool.widen(run.template_key)
            held = await self._link.retry(lambda: self._settle(run, verdict, attempt, narrow=narrow))
        _log_ended(run, attempt, held=held)
        _trace_ended(run, attempt)

    async def _finish(self, run: Run, ending: Ending, attempt: Attempt) -> bool:
        if run.plan:
            return await self._commit_plan(run, run.plan, attempt)
        done = ending.message
        assert isinstance(done, Done)
        if run.whole:
            return await self._queue.finish_at_once(run.lease, attempt, _opened(run, run.whole.plan), run.whole)
        return await self._queue.finish(run.lease, attempt, done)

    async def _settle(self, run: Run, verdict: Verdict, attempt: Attempt, *, narrow: bool) -> bool:
        decision = decide(
            run.lease.chunk,
            verdict,
            attempt.evidence,
            max_attempts=self._settings.chunk_max_attempts,
            detail=attempt.detail,
            loading=run.loading,
            draining=self.draining,
            narrow=narrow,
        )
        return await self._queue.settle(run.lease, attempt, decision)

    async def _commit_plan(self, run: Run, plan: Plan, attempt: Attempt | None) -> bool:
        return await self._queue.plan(run.lease, _opened(run, plan), attempt)

    def _record(self, run: Run, ending: Ending, verdict: Verdict) -> Attempt:
        evidence = evidence_of(ending, run.sample, inherited_bytes=run.inherited_bytes, seconds=run.seconds)
        supervisor, ended_at = self._queue.supervisor, time.time()
        return attempt_of(run.lease.chunk, ending, verdict, evidence, supervisor=supervisor, ended_at=ended_at)


def _opened(run: Run, plan: Plan) -> OpenedJob:
    assert run.model
    cap_bytes = run.sample.cap_bytes
    return OpenedJob(model=run.model, layout=plan.layout, rows=plan.spans.rows, spans=plan.spans, cap_bytes=cap_bytes)


def _ending(run: Run, child: Child, message: LastWord | None) -> Ending:
    return ending_of(child, run.sample, message, kernel_killed=run.kernel_killed)


def _log_ended(run: Run, attempt: Attempt, *, held: bool) -> None:
    log.log(
        logging.INFO if attempt.outcome is Outcome.SUCCEEDED else logging.WARNING,
        "attempt_ended",
        job_id=run.job.job_id,
        chunk=attempt.chunk,
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        child_pid=run.child.pid if run.child else None,
        peak_bytes=attempt.evidence.peak_bytes,
        cap_bytes=attempt.evidence.cap_bytes,
        seconds=attempt.evidence.seconds,
        **({} if held else {"stale": True}),
        **({"message": attempt.message} if attempt.message else {}),
    )


def _attributes(lease: Lease) -> traces.Attributes:
    chunk = lease.chunk
    return {
        "shap.job.id": lease.job_id,
        "shap.chunk.id": chunk.id,
        "shap.chunk.attempt": chunk.attempts + 1,
        "shap.chunk.rows": chunk.span.rows if chunk.kind == "rows" else None,
    }


def _trace_ended(run: Run, attempt: Attempt) -> None:
    seen, succeeded = attempt.evidence, attempt.outcome is Outcome.SUCCEEDED
    known = {
        "shap.attempt.outcome": attempt.outcome.value,
        "error.type": None if succeeded else attempt.code or attempt.outcome.value,
        "shap.explainer": run.model.explainer if run.model else None,
        "shap.child.peak_bytes": seen.peak_bytes,
        "shap.child.cap_bytes": seen.cap_bytes,
    }
    traces.note(known, failure=None if succeeded else attempt.message or "")
