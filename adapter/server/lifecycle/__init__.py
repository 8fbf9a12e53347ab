"""The end of a process, new keys while it runs, and an event loop that is stuck."""
