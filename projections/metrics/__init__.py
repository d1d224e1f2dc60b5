"""The metrics, one to a file, each with its definition and source."""
