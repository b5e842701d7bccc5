"""`python -m api`: reads the environment, starts the web process, and ends it in order on SIGTERM.

Does not start Redis or a supervisor.
"""

import signal
import sys
from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from api.app import create_app
from api.door import Door
from jobs import logs, traces
from jobs.access import access_denied
from jobs.allocator import return_large_buffers
from jobs.blob_location import check_blobs
from jobs.settings import InvalidSettings, Settings, load_settings
from jobs.undumpable import close_to_others

FAILED, USAGE = 1, 2
GRACE_S = 20
"""For requests under way at the end: below the 30 s after which most hosts kill."""
KEEP_ALIVE_S = 30


def main() -> int:
    """Returns the exit code: 0 after an orderly end, 1 when the port is taken, 2 for an unusable environment
    or a Redis that refuses us."""
    try:
        settings = load_settings()
        check_blobs(settings)
        server = _server(settings)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return USAGE
    if reason := access_denied(settings):
        print(reason, file=sys.stderr)
        return USAGE
    close_to_others()
    return_large_buffers()
    logs.configure(settings.log_level, settings.log_format)
    structlog.get_logger().info("web_starting", host=settings.host, port=settings.port, redis=settings.redis_address)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again when it has shut down
    try:
        with traces.sent("shap-supervisor-web"):
            server.run()
    except KeyboardInterrupt:
        structlog.get_logger().info("web_stopped")
    except SystemExit:  # uvicorn has logged why it could not start
        return FAILED
    return 0 if server.started else FAILED


class Server(uvicorn.Server):
    """Also tells the app when it is leaving, so that those who wait for a job get its id instead of a cut line."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.leaving = True
        super().handle_exit(sig, frame)


def _server(settings: Settings) -> Server:
    """Raises InvalidSettings."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Door,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config, app)


if __name__ == "__main__":
    sys.exit(main())
