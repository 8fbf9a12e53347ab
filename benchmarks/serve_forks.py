"""Serves the adapter of the current directory in forks of one process, so that valgrind sees its imports once.

`python benchmarks/serve_forks.py` reads lines from standard input: the arguments of `adapter` as JSON. For each it
forks a process that runs them, and prints its id.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path[0] = str(Path.cwd())

from adapter.cli import main  # noqa: E402 - the adapter of the current directory, which may be of another commit


def serve() -> None:
    """Fork a server for each line."""
    # Servers that ended must be gone, so that it can be seen that they have.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            # A server must not read what is for its parent, nor write among the ids.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(nothing, 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            main(json.loads(line))
        print(child, flush=True)


if __name__ == "__main__":
    serve()
