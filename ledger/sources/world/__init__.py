"""The simulated world: its parameters, the lives in it, and the words spoken in it."""
