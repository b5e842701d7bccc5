"""The machine of `state_machine`, and what callers do beside submitting: models, quotas, and what is not theirs."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobs import errors
from jobs.callers import Caller
from jobs.formats import ModelFormat
from jobs.options import Options
from jobs.records import Input
from jobs.states import ENDED
from jobs.store import Store
from tests.jobs.state_machine import CALLERS, NAMES, PICK, Machine

CALLER = st.sampled_from(CALLERS)


class CallersMachine(Machine):
    """Counters are compared with what is there after every step: see `invariants.check_callers`."""

    def store_of(self, caller: str, **quota: int) -> Store:
        return self.store.of(Caller(name=caller, **quota))

    @precondition(lambda self: self.picture.lists.get("turns"))
    @rule(name=st.sampled_from(NAMES))
    def take_turn(self, name: str) -> None:
        """Whose turn comes has a job that waits, and it is its own."""
        incarnation, expected = self.incarnations[name], self.picture.lists["turns"][0]
        assert self.wait(incarnation.queue.next_caller()) == expected
        lease = self.wait(incarnation.held_leases.draw(caller=expected))
        assert lease.fields.get(b"caller", b"").decode() == expected
        self.leases.append((incarnation, lease))

    @precondition(lambda self: self.jobs)
    @rule(job=PICK, caller=CALLER)
    def ask_for_anothers(self, job: int, caller: str) -> None:
        job_id = self.jobs[job % len(self.jobs)]
        if self.picture.jobs[job_id].get("caller", "") == caller:
            return
        store = self.store_of(caller)
        for act in (store.cancel, store.job, store.forget_values):
            try:
                self.wait(act(job_id))
            except errors.UnknownJob:
                continue
            raise AssertionError("another's job is none")
        assert self.look() == self.picture

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(caller=CALLER, most=st.integers(1, 2))
    def submit_with_a_quota(self, caller: str, most: int) -> None:
        own = [fields for fields in self.picture.jobs.values() if fields.get("caller", "") == caller]
        refused = sum(fields["state"] not in ENDED for fields in own) >= most
        store, inputs = self.store_of(caller, most_jobs=most), {"data": Input(blob=self.upload())}
        try:
            self.jobs.append(self.wait(store.submit(inputs, Options())))
        except errors.TooManyJobs:
            assert refused
        else:
            assert not refused

    @rule(caller=CALLER, times=st.integers(1, 2))
    def register(self, caller: str, times: int) -> None:
        blob = self.upload()
        for _ in range(times):
            self.wait(self.store_of(caller).models.put("m", blob, ModelFormat.SKOPS))

    @rule(caller=CALLER, times=st.integers(1, 2))
    def unregister(self, caller: str, times: int) -> None:
        for _ in range(times):
            self.wait(self.store_of(caller).models.delete("m"))

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(caller=CALLER)
    def submit_on_a_model(self, caller: str) -> None:
        store = self.store_of(caller)
        model: Any = self.wait(store.models.get("m"))
        if model:
            named = Input(blob=model.blob, registered="m")
            inputs = {"data": Input(blob=self.upload()), "model": named}
            self.jobs.append(self.wait(store.submit(inputs, Options())))

    @precondition(lambda self: self.ended)
    @rule(job=PICK)
    def forget(self, job: int) -> None:
        job_id = list(self.ended)[job % len(self.ended)]
        self.wait(self.store.forget_values(job_id))
