"""Starts processes that do for the web process what is too large for it. They are given no secret."""

import asyncio
import os
import sys

_PASSED = ("PATH", "PYTHONPATH", "HOME", "LANG", "FONTCONFIG_PATH")


async def start(module: str) -> asyncio.subprocess.Process:
    """`python -P -m module`, its streams in our hands."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _PASSED if name in os.environ},
    )
