"""Where entries come from in bulk: files, and simulated worlds."""
