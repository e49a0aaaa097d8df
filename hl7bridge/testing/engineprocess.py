"""The engine as a child process: start it, wait until it is ready, kill it. For the demo, the kill test and benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hl7bridge.errors import HL7BridgeError

#: Seconds an engine may take to be ready.
READY_S = 60.0


class EngineProcess:
    """`hl7bridge run CONFIG --data DATA` in a process of its own; its log goes to a file beside the data folder."""

    def __init__(
        self,
        config: Path,
        data: Path,
        *,
        python: str = sys.executable,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.config = config
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self._python = python
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> float:
        """Starts it; with `wait` returns when it is ready, and gives the seconds that took. Raises HL7BridgeError."""
        began = time.monotonic()
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [self._python, "-m", "hl7bridge", "run", str(self.config), "--data", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
            )
        while wait and not self.ready_since(offset):
            if self._process.poll() is not None or time.monotonic() - began > READY_S:
                raise HL7BridgeError(
                    "the engine did not start",
                    code="no-engine",
                    hint=self.log.read_text(errors="replace")[-2000:].strip(),
                )
            time.sleep(0.02)
        return time.monotonic() - began

    def ready_since(self, offset: int) -> bool:
        """Whether the log says `ready` behind this byte."""
        with open(self.log, "rb") as log:
            log.seek(offset)
            return b" ready: process" in log.read()

    @property
    def started(self) -> bool:
        """Whether there is a process, running or ended."""
        return self._process is not None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """As the machine's end would: at once, with nothing written any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def ended(self, within_s: float) -> int:
        """Its exit status, when it ends by itself. Raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout=within_s)

    def stop(self) -> int:
        """In order; gives the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout=READY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    @property
    def writer_pid(self) -> int:
        """Of the process that writes the engine's store."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def rss_bytes(self, peak: bool = False) -> int:
        """Resident memory of the engine and its writer together, now or each at its peak."""
        return sum(_rss_bytes(pid, "VmHWM:" if peak else "VmRSS:") for pid in (self.pid, self.writer_pid))


def _rss_bytes(pid: int, word: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(word):
            return int(line.split()[1]) * 1024
    return 0
