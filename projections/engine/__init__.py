"""The machinery of read models: declaration, tables, posting, rebuilding."""
