"""Structured logging, one way for every process of ours: JSON lines on stdout, readable ones on a terminal.

The standard library's loggers (uvicorn's, redis's) go through the same renderer.
"""

import logging
import sys
from typing import Any, Literal, TextIO

import structlog

from jobs import traces

Format = Literal["json", "console"]


def configure(level: str, log_format: Format | None, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's root logger; call once, before anything logs."""
    stream = stream or sys.stdout
    chosen = log_format or ("console" if stream.isatty() else "json")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        traces.add_ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow={"logger"})],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(chosen, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _renderer(chosen: Format, stream: TextIO) -> Any:
    if chosen == "console":
        return structlog.dev.ConsoleRenderer(colors=stream.isatty())
    return structlog.processors.JSONRenderer()
