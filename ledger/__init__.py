"""How entries are kept: appending, reading, sealing, the vault, and the sources entries are imported from."""
