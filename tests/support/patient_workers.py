"""`python -m tests.support.patient_workers`: the adapter, whose workers leave a connection to each other for longer.

A worker gives up on another one after a tenth of a second, and then takes all that wait. On a busy machine the other
may not have run by then, and time decides how connections are shared. Here it has as long as any test waits.

Each worker process imports this module again before it does anything else.
"""

from adapter.cli import main
from adapter.server.http import shared_listener
from tests.support.guards import PATIENCE

shared_listener.PATIENCE_S = PATIENCE

if __name__ == "__main__":
    main()
