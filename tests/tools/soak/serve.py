"""`adapter serve` with small limits for what the store keeps in memory, so that its cache is full within a minute.

What is full no longer grows, and any growth that is left is a leak. Everything else is as it is served.
"""

from functools import partial

from adapter.cli import main
from adapter.server import app
from adapter.store import StoreLimits, open_store

LIMITS = StoreLimits(max_entries=2_000, memory_bytes=4 * 1024 * 1024)

if __name__ == "__main__":
    vars(app)["open_store"] = partial(open_store, limits=LIMITS)
    main()
