"""``python -m api`` is the ``daybook`` command."""

from .command import main

main()
