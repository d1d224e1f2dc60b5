"""The ``daybook`` command's own beginning: it is there before the second that loading the rest takes."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it at any moment without a word."""
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
