import psutil


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, reaped or not; between two questions to the system it may also vanish."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
