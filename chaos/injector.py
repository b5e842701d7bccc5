"""Carries faults out, each in a task of its own, and heals what it broke. Runs in the campaign.

One rule bends the draws: the last supervisor that works is not taken away, since nobody could then recover anything;
the fault takes the other one, or misses. Does not draw: see `faults`.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from typing import TypeVar

import psutil
from redis.exceptions import RedisError

from chaos.deployment import Deployment, Host, ended, send
from chaos.faults import Fault, Kind
from chaos.findings import Findings
from chaos.proxy import Proxy
from chaos.recovery import Recoveries
from cli.processes import Process

DEPTHS = {Kind.KILL_FORKSERVER: 1, Kind.KILL_TEMPLATE: 2, Kind.KILL_CHILD: 3}
"""Generations below the supervisor."""
HINDERING = (Kind.KILL_STORE, Kind.FULL_STORE, Kind.CUT, Kind.LOSE_REPLIES, Kind.REFUSE, Kind.DELAY, Kind.STALL)
"""What a supervisor needs to take up a dead one's chunks is the store."""
WEB_STOP_S = 25.0
"""Its requests may take 20 s to end."""
FULL_BYTES = 1_000_000
"""A limit below what Valkey needs for itself: every command that may grow is refused."""


T = TypeVar("T")


class Missed(Exception):
    """There was nothing that this fault could hit."""


class FaultInjector:
    """`inject` starts a fault; `heal` ends those that last."""

    def __init__(self, deployment: Deployment, recoveries: Recoveries, findings: Findings) -> None:
        self._deployment = deployment
        self._findings = findings
        self._recoveries = recoveries
        self._healing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.injected: Counter[Kind] = Counter()
        self.missed: Counter[Kind] = Counter()
        self._acts = {
            **dict.fromkeys(DEPTHS, self._kill_below),
            Kind.KILL_SAME_NAME: self._kill_supervisor,
            Kind.KILL_OTHER_NAME: self._kill_supervisor,
            Kind.KILL_AND_WAIT: self._kill_supervisor,
            Kind.STOP: self._stop,
            Kind.TERM: self._terminate,
            Kind.CLOCK: self._jump,
            Kind.KILL_WEB: self._end_web,
            Kind.TERM_WEB: self._end_web,
            Kind.KILL_STORE: self._kill_store,
            Kind.FULL_STORE: self._fill_store,
            Kind.CUT: self._cut,
            Kind.LOSE_REPLIES: self._lose_replies,
            Kind.REFUSE: self._refuse,
            Kind.DELAY: self._delay,
            Kind.STALL: self._delay,
        }

    def inject(self, fault: Fault) -> None:
        """In the background: faults overlap."""
        task = asyncio.create_task(self._inject(fault))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def heal(self) -> None:
        """Every fault that lasts ends now."""
        self._healing.set()
        await asyncio.gather(*self._tasks)

    async def _inject(self, fault: Fault) -> None:
        hinders = self._recoveries.hindrance() if fault.kind in HINDERING else contextlib.nullcontext()
        try:
            with hinders:
                await self._acts[fault.kind](fault)
        except (Missed, psutil.Error, ProcessLookupError):
            self.missed[fault.kind] += 1
        else:
            self.injected[fault.kind] += 1

    async def _last(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._healing.wait(), seconds)

    # --- processes ---------------------------------------------------------------------------------------------

    async def _kill_below(self, fault: Fault) -> None:
        victims = [pid for host in self._deployment.hosts for pid in _below(host.process, DEPTHS[fault.kind])]
        os.kill(_pick(victims, fault.share), signal.SIGKILL)

    def _expendable(self, fault: Fault) -> Host:
        """A supervisor that has settled, when every other one works, too."""
        if not all(host.working for host in self._deployment.hosts):
            raise Missed
        return _pick([host for host in self._deployment.hosts if host.settled], fault.share)

    async def _kill_supervisor(self, fault: Fault) -> None:
        host = self._expendable(fault)
        host.busy = True
        try:
            send(host.process, signal.SIGKILL)
            death = self._recoveries.death(same_name=fault.kind is Kind.KILL_SAME_NAME)
            await ended(host.process)
            await self._recoveries.note(death, host.name)
            await self._last(fault.seconds)
            host.start(other_name=fault.kind is not Kind.KILL_SAME_NAME)
        finally:
            host.busy = False

    async def _stop(self, fault: Fault) -> None:
        host = self._expendable(fault)
        host.busy = True
        send(host.process, signal.SIGSTOP)
        try:
            await self._last(fault.seconds)
        finally:
            send(host.process, signal.SIGCONT)
            host.busy = False

    async def _terminate(self, fault: Fault) -> None:
        host = self._expendable(fault)
        host.busy = True
        try:
            send(host.process, signal.SIGTERM)
            self._expect_order(host.name, await ended(host.process))
            host.start(other_name=False)
        finally:
            host.busy = False

    async def _jump(self, fault: Fault) -> None:
        """Forward or back; the offset stays until the next jump."""
        host = _pick(self._deployment.hosts, fault.share)
        forward = (fault.share * len(self._deployment.hosts)) % 1 < 0.5
        host.set_clock(fault.seconds if forward else -fault.seconds)

    async def _end_web(self, fault: Fault) -> None:
        deployment = self._deployment
        if deployment.web_busy or not deployment.web_ready:  # one that is still starting has no handler for SIGTERM yet
            raise Missed
        deployment.web_busy = True
        try:
            if fault.kind is Kind.KILL_WEB:
                send(deployment.web, signal.SIGKILL)
                await ended(deployment.web)
            else:
                send(deployment.web, signal.SIGTERM)
                self._expect_order("web", await ended(deployment.web, within_s=WEB_STOP_S))
            deployment.start_web()
        finally:
            deployment.web_busy = False

    def _expect_order(self, name: str, ending: str) -> None:
        if ending != "exit code 0":
            self._findings.add("not in order", f"{name}, told to stop: {ending}")

    # --- the store ---------------------------------------------------------------------------------------------

    async def _kill_store(self, fault: Fault) -> None:
        deployment = self._deployment
        if deployment.store_busy:
            raise Missed
        deployment.store_busy = True
        try:
            send(deployment.store, signal.SIGKILL)
            await ended(deployment.store)
            await self._last(fault.seconds)
            deployment.store.start()
            await deployment.store_answers()
        finally:
            deployment.store_busy = False

    async def _fill_store(self, fault: Fault) -> None:
        deployment = self._deployment
        if deployment.store_busy:
            raise Missed
        deployment.store_busy = True
        try:
            await deployment.direct.config_set("maxmemory", FULL_BYTES)
            await self._last(fault.seconds)
            await deployment.direct.config_set("maxmemory", 0)
        except (RedisError, OSError):
            raise Missed from None
        finally:
            deployment.store_busy = False

    # --- the wire ----------------------------------------------------------------------------------------------

    def _wire(self, fault: Fault) -> Proxy:
        return _pick(self._deployment.proxies, fault.share)

    async def _cut(self, fault: Fault) -> None:
        self._wire(fault).cut()

    async def _lose_replies(self, fault: Fault) -> None:
        wire = self._wire(fault)
        wire.losing_replies = True
        await self._last(fault.seconds)
        wire.losing_replies = False

    async def _refuse(self, fault: Fault) -> None:
        wire = self._wire(fault)
        wire.refusing = True
        wire.cut()
        await self._last(fault.seconds)
        wire.refusing = False

    async def _delay(self, fault: Fault) -> None:
        """`delay`: a few milliseconds more a command, for a while. `stall`: one long silence."""
        wire = self._wire(fault)
        wire.delay_s = fault.seconds if fault.kind is Kind.STALL else 0.02 + 0.2 * fault.share
        await self._last(fault.seconds)
        wire.delay_s = 0.0


def _pick(items: list[T], share: float) -> T:
    if not items:
        raise Missed
    return items[int(share * len(items))]


def _below(process: Process, depth: int) -> list[int]:
    """Living processes so many generations below."""
    try:
        generation = [psutil.Process(process.pid)]
        for _ in range(depth):
            generation = [child for parent in generation for child in parent.children()]
        return sorted(found.pid for found in generation if found.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return []
