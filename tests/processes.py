import psutil


def gone(process: psutil.Process | int) -> bool:
    """Whether it (or who has this pid) has ended, reaped or not; between two questions to the system it may vanish."""
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
