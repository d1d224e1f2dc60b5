"""How a command that goes on and on is asked to stop."""

import signal
import sys
import threading


def told_to_stop(*, attached: bool) -> threading.Event:
    """An event that Ctrl-C and SIGTERM set, and the end of another process where the command is attached to one."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if attached:
        # Whatever becomes of the process that started this one, the system closes the pipe between them.
        threading.Thread(target=_stop_with_stdin, args=(stopping,), daemon=True).start()
    return stopping


def _stop_with_stdin(stopping: threading.Event) -> None:
    sys.stdin.read()
    stopping.set()
