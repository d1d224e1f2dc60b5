"""Key services: a command of the operator's asks one, with a text on stdin and the answer on stdout."""

import subprocess
from collections.abc import Sequence

COMMAND_S_MAX = 30
"""Why: a key service answers within a second; what takes longer hangs, and whoever needs it tries again."""


class KeyServiceError(Exception):
    """The command failed, or gave no answer; the message goes on after what the command is called."""


def ask(command: Sequence[str], text: str, wanted: str) -> bytes:
    """What a command gives for a text, without blanks around; raises :class:`KeyServiceError`.

    ``wanted`` is what it is asked for, in words.
    """
    try:
        done = subprocess.run(  # noqa: S603  (the operator's own command, split without a shell)
            command, input=text.encode(), capture_output=True, timeout=COMMAND_S_MAX, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise KeyServiceError(f"failed: {said[-1] if said else error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise KeyServiceError(f"gave no {wanted}: {error}") from None
    return done.stdout.strip()
