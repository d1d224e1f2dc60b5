"""``make bench``: every benchmark, or those named on the command line."""

from argparse import ArgumentParser
from importlib import import_module

from tests.bench.measure import server

ALL = ("append", "bulk", "catch_up", "rebuild", "as_of", "pages", "seals", "growth")


def main() -> None:
    """Run the benchmarks and print one line a result."""
    parser = ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(ALL)}")
    parser.add_argument("--entries", type=int, help="how far growth goes: 1000000 if not said")
    asked = parser.parse_args()
    with server() as url:
        for name in asked.names or ALL:
            options = {"entries": asked.entries} if name == "growth" and asked.entries else {}
            for result in import_module(f"tests.bench.{name}").results(url, **options):
                print(result, flush=True)


if __name__ == "__main__":
    main()
