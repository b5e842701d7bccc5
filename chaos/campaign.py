"""One campaign: start, break things under load, heal, wait, judge, stop. Runs in the campaign's only process."""

import asyncio
import contextlib
from pathlib import Path

import httpx2
import msgspec
from redis.exceptions import RedisError

from chaos import trial
from chaos.faults import Kind, sequence
from chaos.house import House
from chaos.inflict import Inflictor
from chaos.ledger import Ledger
from chaos.load import Load
from chaos.recovery import Recoveries
from chaos.report import report
from chaos.specimens import Specimen, specimens
from chaos.trial import Findings

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
    findings, ledger = Findings(), Ledger()
    house = House(directory, lease_s=plan.lease_s)
    recoveries = Recoveries(house.direct)
    inflictor = Inflictor(house, recoveries, findings)
    try:
        kinds = specimens(plan.seed)
        await house.start()
        background = [asyncio.create_task(recoveries.watch()), asyncio.create_task(_keep(house, findings))]
        await _break_things(plan, house, inflictor, kinds, ledger)
        async with httpx2.AsyncClient(base_url=house.url, timeout=30, trust_env=False) as http:
            await trial.wait_for_ends(http, ledger, 2 * plan.lease_s + STUCK_S)
            await trial.try_jobs(http, ledger, findings)
        for task in background:
            task.cancel()
        await _close(house, ledger, findings)
    finally:
        await house.close()
    report(inflictor.inflicted, inflictor.missed, ledger, recoveries, findings)
    return findings


async def _break_things(plan: Plan, house: House, inflictor: Inflictor, kinds: list[Specimen], ledger: Ledger) -> None:
    """Faults under load until the time is over, then everything healed and every submission at hand accepted."""
    load = Load(house.url, kinds, plan.seed, ledger)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(QUIET_START_S)
    deadline = asyncio.get_running_loop().time() + plan.seconds
    for fault in sequence(plan.seed, plan.kinds):
        await asyncio.sleep(fault.pause_s)
        enough = plan.faults is not None and inflictor.inflicted.total() >= plan.faults
        if enough or asyncio.get_running_loop().time() > deadline:
            break
        inflictor.inflict(fault)
    await inflictor.heal()
    load.stop.set()
    await running


async def _keep(house: House, findings: Findings) -> None:
    """Notice who is there, and who left without being told to; start the latter again."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            await house.look()
        for place in house.places:
            if not place.busy and (ending := place.process.ending):
                findings.add("ended by itself", f"supervisor {place.name}: {ending}")
                place.start(other_name=False)
        if not house.web_busy and (ending := house.web.ending):
            findings.add("ended by itself", f"web: {ending}")
            house.start_web()
        if not house.store_busy and (ending := house.store.ending):
            findings.add("ended by itself", f"store: {ending}")
            house.store.start()
        await asyncio.sleep(KEEP_S)


async def _close(house: House, ledger: Ledger, findings: Findings) -> None:
    for name, ending in (await house.stop()).items():
        if ending != "exit code 0":
            findings.add("not in order", f"{name}, told to stop at the end: {ending}")
    await trial.try_processes(house, findings)
    await trial.try_keys(house, ledger, findings)
    trial.try_logs(house.directory, findings)
