"""The reference pages: what the declarations say, as Markdown and JSON Schema, in ``docs/reference/``.

``python -m api.reference`` writes them, ``python -m api.reference --check`` fails when a committed page differs.
One file of this package for each page; nothing is said here that a declaration does not say.
"""
