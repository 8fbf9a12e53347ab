"""The life of a process: graceful shutdown, key reload, and a watchdog for the event loop."""
