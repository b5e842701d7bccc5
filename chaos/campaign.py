"""One campaign: start, break things under load, heal, wait, judge, stop. Runs in the campaign's only process."""

import asyncio
import contextlib
from pathlib import Path

import httpx2
import msgspec
from redis.exceptions import RedisError

from chaos import checks
from chaos.deployment import Deployment
from chaos.faults import Kind, sequence
from chaos.findings import Findings
from chaos.injector import FaultInjector
from chaos.ledger import Ledger
from chaos.load import Load
from chaos.recovery import Recoveries
from chaos.report import report
from chaos.sample_jobs import SampleJob, sample_jobs

KEEP_S = 0.1
QUIET_START_S = 2.0
"""Load without faults, so that the first ones hit something."""
STUCK_S = 30.0
"""Beyond two leases: once everything is healed, no job may stand still for longer."""


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """What is asked of a campaign. It ends after `seconds`, or after `faults` when that comes first."""

    seconds: float
    faults: int | None
    seed: int
    lease_s: float
    kinds: tuple[Kind, ...] = tuple(Kind)


async def campaign(plan: Plan, directory: Path) -> Findings:
    """Print the report, and return what is wrong."""
    findings, ledger = Findings(checks.CATEGORIES), Ledger()
    deployment = Deployment(directory, lease_s=plan.lease_s)
    recoveries = Recoveries(deployment.direct)
    injector = FaultInjector(deployment, recoveries, findings)
    try:
        samples = sample_jobs(plan.seed)
        await deployment.start()
        background = [asyncio.create_task(recoveries.watch()), asyncio.create_task(_keep(deployment, findings))]
        await _break_things(plan, deployment, injector, samples, ledger)
        async with httpx2.AsyncClient(base_url=deployment.url, timeout=30, trust_env=False) as http:
            await checks.wait_for_ends(http, ledger, 2 * plan.lease_s + STUCK_S)
            await checks.check_jobs(http, ledger, findings)
        for task in background:
            task.cancel()
        await _close(deployment, ledger, findings)
    finally:
        await deployment.close()
    report(injector.injected, injector.missed, ledger, recoveries, findings)
    return findings


async def _break_things(
    plan: Plan, deployment: Deployment, injector: FaultInjector, samples: list[SampleJob], ledger: Ledger
) -> None:
    """Faults under load until the time is over, then everything healed and every submission at hand accepted."""
    load = Load(deployment.url, samples, plan.seed, ledger)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(QUIET_START_S)
    deadline = asyncio.get_running_loop().time() + plan.seconds
    for fault in sequence(plan.seed, plan.kinds):
        await asyncio.sleep(fault.pause_s)
        enough = plan.faults is not None and injector.injected.total() >= plan.faults
        if enough or asyncio.get_running_loop().time() > deadline:
            break
        injector.inject(fault)
    await injector.heal()
    load.stop.set()
    await running


async def _keep(deployment: Deployment, findings: Findings) -> None:
    """Notice who is there, and who left without being told to; start the latter again."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            await deployment.look()
        for host in deployment.hosts:
            if not host.busy and (ending := host.process.ending):
                findings.add("ended by itself", f"supervisor {host.name}: {ending}")
                host.start(other_name=False)
        if not deployment.web_busy and (ending := deployment.web.ending):
            findings.add("ended by itself", f"web: {ending}")
            deployment.start_web()
        if not deployment.store_busy and (ending := deployment.store.ending):
            findings.add("ended by itself", f"store: {ending}")
            deployment.store.start()
        await asyncio.sleep(KEEP_S)


async def _close(deployment: Deployment, ledger: Ledger, findings: Findings) -> None:
    for name, ending in (await deployment.stop()).items():
        if ending != "exit code 0":
            findings.add("not in order", f"{name}, told to stop at the end: {ending}")
    await checks.check_processes(deployment, findings)
    await checks.check_keys(deployment, ledger, findings)
    checks.check_logs(deployment.directory, findings)
