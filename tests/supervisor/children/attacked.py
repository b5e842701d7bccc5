"""`python -m tests.supervisor.children.attacked MODE`: attackers in a real forkserver, under a sandbox of this mode.

A process of its own, so that it can be run as another user. Prints one line of JSON: the layers, and for each kind of
process what it tried and what works.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from typing import Any

from jobs.protocol import Data, Failed
from supervisor.children.sandbox import Policy
from supervisor.children.spawner import Child, Spawner
from supervisor.children.stacks import start_forkserver
from supervisor.children.usage import shares

CAP_BYTES = 256 * 1024 * 1024


async def attacked(mode: Any) -> dict[str, Any]:
    spawner, warm = await start_forkserver("tests.supervisor.children.attacker", "lean", Policy(mode=mode))
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as store:
        secret = os.path.join(directory, "secret")
        os.close(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600))
        targets = {
            "supervisor": os.getpid(),
            "forkserver": warm.pid,
            "sibling": warm.pid,
            "port": store.getsockname()[1],
            "secret": secret,
        }
        sibling, of_sibling, _ = await template(spawner, targets)
        targets["sibling"] = sibling.pid
        first, of_template, found = await template(spawner, targets)
        await of_template.warm
        child, _ = await of_template.fork("child", 0)
        lean, _ = await spawner.fork("child", CAP_BYTES)
        for one in (child, lean):
            found |= {"child" if one is child else "lean": await answer(one, targets)}
        found |= {
            "active": warm.sandbox_active,
            "missing": warm.sandbox_missing,
            "watched": shares(first.pid or 0) is not None,
        }
        of_template.close()
        of_sibling.close()
    await spawner.leave()
    return found


async def template(spawner: Spawner, targets: dict[str, Any]) -> tuple[Child, Spawner, dict[str, Any]]:
    forked, control = await spawner.fork("template", CAP_BYTES)
    assert control
    of_template = Spawner(control, forked)  # also decides about its forks
    return forked, of_template, {"template": await answer(forked, targets)}


async def answer(child: Child, targets: dict[str, Any]) -> dict[str, Any]:
    await child.pipe.send(Data(json.dumps(targets).encode()))
    async with asyncio.timeout(60):
        message = await child.pipe.receive()
    assert isinstance(message, Failed), child.stderr.text()
    return message.detail


if __name__ == "__main__":
    print(json.dumps(asyncio.run(attacked(sys.argv[1]))))
