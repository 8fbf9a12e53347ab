"""The gateways: how each is started, and the form of its requests."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from benchmarks.workloads import ABSENT_MODEL, MODEL, Workload

ROOT = Path(__file__).parent.parent
GATEWAY_CORE, OTHER_CORE = 0, 1
BARE = ("nginx", "httpx2", "aiohttp")
"""Gateways that pass bodies on as they are."""


class Gateway(NamedTuple):
    """A running gateway."""

    name: str
    port: int
    pid: int
    started_in: float

    @property
    def is_translating(self) -> bool:
        """Whether its answers are OpenAI's."""
        return self.name not in BARE

    def head(self, path: str, method: str) -> bytes:
        """Return the bytes of a request's head, without the body's length; `method` is Gemini's."""
        headers = ""
        if self.name == "nginx":
            path = f"/v1beta/models/{method}"
        if self.name == "LiteLLM":
            headers = "authorization: Bearer sk-bench\r\n"
        if self.name == "Portkey":
            headers = "x-portkey-provider: google\r\nauthorization: Bearer k\r\n"
            headers += f"x-portkey-custom-host: http://127.0.0.1:{UPSTREAM_PORT}/v1beta\r\n"
        return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}".encode()

    def plan(self, workload: Workload, count: int, warm: int = 0) -> dict[str, Any]:
        """Return the plan for `benchmarks.load`: the measured requests and those of the warm-up."""
        method = f"{MODEL}:streamGenerateContent?alt=sse" if workload.stream else workload.method
        return {
            "head": self.head(workload.path, method).decode(),
            "seed_head": self.head("/v1/chat/completions", f"{MODEL}:generateContent").decode(),
            "body": base64.b64encode(json.dumps(workload.body, separators=(",", ":")).encode()).decode(),
            "turns": workload.turns,
            "is_translated": self.is_translating,
            "model": MODEL,
            "concurrency": workload.concurrency,
            "count": count,
            "warm": warm,
            "stream": workload.stream,
            "port": self.port,
            "mark": workload.mark,
        }

    def request(self, workload: Workload) -> bytes:
        """Return the bytes of one request."""
        plan = self.plan(workload, 1)
        body = base64.b64decode(plan["body"])
        head: str = plan["head"]
        return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body

    def cpu(self) -> float:
        """Seconds of user and system time so far, of the process and its children."""
        return sum(cpu_of(pid) for pid in tree(self.pid))

    def memory(self) -> float:
        """Resident megabytes, shared pages counted once."""
        return sum(pss_of(pid) for pid in tree(self.pid)) / 1024


BASE_PORT = int(os.environ.get("BENCHMARKS_PORT", "18900"))
"""The first of a hundred ports; another lets two runs at once (of what is not measured in time)."""

UPSTREAM_PORT = BASE_PORT + 1
VALGRIND = [
    "valgrind",
    "--trace-children=yes",
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
]
_COUNT = re.compile(r"I +refs: +([\d,]+)")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    below: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            below += tree(int(child))
    return [pid, *below]


def counted_by_valgrind(log: Path) -> int:
    """Read the number of instructions at the end of valgrind's log; 0 while the process runs."""
    found = _COUNT.search(log.read_text())
    return int(found[1].replace(",", "")) if found else 0


def cpu_of(pid: int) -> float:
    """Seconds of all its threads, also of those that have ended, to the nanosecond (Linux: a pid has a clock)."""
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def pss_of(pid: int) -> float:
    """Resident kilobytes of a process; of a page that several share it has its part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


_SCHEDULED = 2
"""The kind of a process's clock that counts processor time (clock_getcpuclockid(3))."""


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that what was started is stopped: by itself SIGTERM would end this program at once."""
    raise SystemExit(128 + number)


@contextmanager
def run_process(
    command: list[str],
    core: int = GATEWAY_CORE,
    cwd: Path = ROOT,
    *,
    pipes: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process pinned to a core; stop it and its descendants at the end, also if SIGTERM ends this program."""
    signal.signal(signal.SIGTERM, _leave)
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.PIPE if pipes else None,
        stdout=subprocess.PIPE if pipes else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        for pid in reversed(tree(process.pid)):
            subprocess.run(["kill", str(pid)], check=False, stderr=subprocess.DEVNULL)
        process.communicate()


def answers(url: str, seconds: float = 90) -> float:
    """Wait until a server answers anything; how long that took."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        try:
            urllib.request.urlopen(url, timeout=2).read()
        except urllib.error.HTTPError:
            return time.perf_counter() - begun
        except OSError:
            time.sleep(0.01)
        else:
            return time.perf_counter() - begun
    raise SystemExit(f"no answer from {url}")


@contextmanager
def upstream() -> Iterator[None]:
    """Run the fake Gemini."""
    with run_process([sys.executable, "-m", "benchmarks.upstream", str(UPSTREAM_PORT)], OTHER_CORE) as process:
        answers(f"http://127.0.0.1:{UPSTREAM_PORT}/set/text/0")
        if process.poll() is not None:
            raise SystemExit(f"port {UPSTREAM_PORT} is in use: does another benchmark run?")
        yield


@contextmanager
def gateway(name: str, port: int, rivals: Path, *, under: Sequence[str] = (), root: Path = ROOT) -> Iterator[Gateway]:
    """Run one gateway, `under` a program that watches it; the adapter is that of the tree `root`."""
    with tempfile.TemporaryDirectory() as scratch:
        command, variables = _command(name, port, Path(scratch), rivals)
        begun = time.perf_counter()
        with run_process([*under, *command], cwd=root if name in FLAGS else ROOT, variables=variables) as process:
            answers(f"http://127.0.0.1:{port}/healthz", 900 if under else 90)
            yield Gateway(name, port, process.pid, time.perf_counter() - begun)


TWO_WORKERS = "adapter, 2 workers"
FLAGS: dict[str, tuple[str, ...]] = {
    "adapter": (),
    "adapter without page": ("--no-inspector",),
    TWO_WORKERS: ("--workers", "2"),
}
"""The adapter in its forms."""


def adapter_arguments(port: int) -> list[str]:
    """Return the arguments of `adapter`."""
    upstream_url = f"http://127.0.0.1:{UPSTREAM_PORT}"
    arguments = ["serve", "--port", str(port), "--upstream-url", upstream_url]
    return [*arguments, "--fallback-models", f"{ABSENT_MODEL}={MODEL}"]


def environment(state: Path) -> dict[str, str]:
    """Return the adapter's environment: a key, and the place of its store."""
    return {"ADAPTER_UPSTREAM_KEYS": "k", "XDG_STATE_HOME": str(state)}


def _command(name: str, port: int, scratch: Path, rivals: Path) -> tuple[list[str], dict[str, str]]:
    if name in FLAGS:
        return [sys.executable, "-m", "adapter", *adapter_arguments(port), *FLAGS[name]], environment(scratch)
    match name:
        case "httpx2" | "aiohttp":
            return [sys.executable, "-m", "benchmarks.passthrough", name, str(port), str(UPSTREAM_PORT)], {}
        case "nginx":
            return ["nginx", "-c", str(_nginx(scratch, port)), "-p", str(scratch)], {}
        case "LiteLLM":
            return _litellm(scratch, port, rivals)
        case "Portkey":
            script = rivals / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
            return ["node", str(script), f"--port={port}", "--headless"], {"NODE_ENV": "production"}
    raise SystemExit(f"no gateway {name}")


def _nginx(scratch: Path, port: int) -> Path:
    config = scratch / "nginx.conf"
    config.write_text(f"""
        daemon off; worker_processes 1; pid {scratch}/pid; error_log {scratch}/error.log;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; client_max_body_size 64m; client_body_buffer_size 2m; keepalive_requests 1000000;
            client_body_temp_path {scratch}/a; proxy_temp_path {scratch}/b; fastcgi_temp_path {scratch}/c;
            uwsgi_temp_path {scratch}/d; scgi_temp_path {scratch}/e;
            upstream gemini {{ server 127.0.0.1:{UPSTREAM_PORT}; keepalive 512; keepalive_requests 1000000; }}
            server {{
                listen 127.0.0.1:{port} backlog=1024;
                location / {{
                    proxy_pass http://gemini; proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_buffering off;
                }}
            }}
        }}
    """)
    return config


def _litellm(scratch: Path, port: int, rivals: Path) -> tuple[list[str], dict[str, str]]:
    base: dict[str, Any] = {
        "model": "gemini/gemini-3.5-flash",
        "api_key": "k",
        "api_base": f"http://127.0.0.1:{UPSTREAM_PORT}/v1beta/models/gemini-3.5-flash",
    }
    config = {"model_list": [{"model_name": "gemini-3.5-flash", "litellm_params": base}]}
    (scratch / "config.yaml").write_text(json.dumps({**config, "general_settings": {"master_key": "sk-bench"}}))
    program = str(rivals / "litellm/bin/litellm")
    environment = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return [program, "--config", str(scratch / "config.yaml"), "--port", str(port), "--host", "127.0.0.1"], environment


def is_installed(name: str) -> bool:
    """Return whether a gateway is installed here."""
    return name != "nginx" or shutil.which("nginx") is not None
