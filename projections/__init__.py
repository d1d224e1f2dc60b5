"""What the entries mean: read models posted from the ledger, and metrics over them.

One file for each read model; adding one means adding a file. ``metrics/`` holds one file for each metric, ``engine/``
the machinery that makes tables of the declarations and posts them.
"""
