"""``make bench``: every benchmark, or those named on the command line."""

import sys
from importlib import import_module

from tests.bench.measure import server

ALL = ("append", "bulk", "catch_up", "as_of", "pages")


def main(names: list[str]) -> None:
    """Run the benchmarks and print one line a result."""
    with server() as url:
        for name in names or ALL:
            for result in import_module(f"tests.bench.{name}").results(url):
                print(result, flush=True)


main(sys.argv[1:])
