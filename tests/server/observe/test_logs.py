"""The log of a process: one line for each request, and never a key or the words of a request."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.support.guards import PATIENCE
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY

PROMPT = "planted-prompt-7f3a"
KEY = "planted-key-91bc"
CLIENT = "planted-client-key-55d0"


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_no_key_and_no_prompt_is_ever_written(tmp_path, log_format):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"ADAPTER_CLIENT_KEYS": CLIENT, "ADAPTER_UPSTREAM_KEYS": KEY, "ADAPTER_LOG_FORMAT": log_format}
    command = [sys.executable, "-m", "adapter", "serve", "--port", str(port), "--upstream-url", "http://127.0.0.1:9"]
    process = subprocess.Popen(
        [*command, "--log-level", "debug", "--store", "memory"],
        cwd=REPOSITORY,
        env={**bare_environment(tmp_path), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(f"{url}/healthz", process)
        bodies = [{"model": "m", "messages": [{"role": "user", "content": PROMPT}]}, {"model": PROMPT}, PROMPT]
        for body in bodies:
            for key in (CLIENT, KEY):
                headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
                request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
                with pytest.raises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request, timeout=PATIENCE)
                caught.value.close()
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE)
    assert PROMPT not in output
    assert KEY not in output
    assert CLIENT not in output
    lines = [
        line
        for line in output.splitlines()
        if " /v1/chat/completions" in line or '"path":"/v1/chat/completions"' in line
    ]
    assert len(lines) == 6
    if log_format == "json":
        assert {json.loads(line)["status"] for line in lines} >= {400, 401}
