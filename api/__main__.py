"""``python -m api`` is the ``daybook`` command."""

from .cli import main

main()
