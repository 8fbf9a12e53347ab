"""The environment of processes that tests start."""

import os
from collections.abc import Mapping

WHOLE_BUNDLE = "TESTS_WHOLE_BUNDLE"
"""The machine's trusted certificates; `SSL_CERT_FILE` names few of them while tests run."""


def downloading(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for programs that download packages: it trusts the machine's certificates."""
    rest = {name: value for name, value in environment.items() if name not in (WHOLE_BUNDLE, "SSL_CERT_DIR")}
    whole = os.environ.get(WHOLE_BUNDLE)
    return {**rest, "SSL_CERT_FILE": whole} if whole else rest
