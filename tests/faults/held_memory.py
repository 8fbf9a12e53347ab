"""The memory that a process holds, as the kernel counts it."""

from pathlib import Path

MB = 1024 * 1024


class Held:
    """The memory of a process, and how much more it has held since `begin`."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")
        self.before = 0

    def _read(self, name: str) -> int:
        line = next(line for line in (self._proc / "status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    def begin(self) -> None:
        """Count from now on."""
        (self._proc / "clear_refs").write_text("5")
        self.before = self._read("VmRSS")

    @property
    def now(self) -> int:
        """Bytes more than before."""
        return self._read("VmRSS") - self.before

    @property
    def most(self) -> int:
        """Bytes more than before, at the most."""
        return self._read("VmHWM") - self.before
