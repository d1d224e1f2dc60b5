"""``python -m api.reference [--check]``."""

import sys

from .pages import FormAltered, differing, made, write


def main() -> None:
    """Write the pages, or with ``--check`` say which differ and exit with 1."""
    if sys.argv[1:] == ["--check"]:
        if stale := differing(made()):
            sys.exit(f"docs/reference is out of date ({', '.join(stale)}); run: make schema")
    elif sys.argv[1:]:
        sys.exit("usage: python -m api.reference [--check]")
    else:
        try:
            written = write()
        except FormAltered as error:
            sys.exit(str(error))
        for name in written:
            sys.stdout.write(f"docs/reference/{name}\n")


main()
