"""What the numbers were measured on."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Clock(NamedTuple):
    """When a run began, and how many processes wanted the machine in the minute before."""

    began: datetime
    load: float

    @classmethod
    def start(cls) -> "Clock":
        """Now."""
        return cls(datetime.now(UTC), os.getloadavg()[0])


def facts(command: Sequence[str], device: str, clock: Clock) -> dict[str, Any]:
    """Processor, cores, GPU if it was used, versions, when, how long, and by which command."""
    return {
        "processor": _processor(),
        "system": platform.platform(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "matrix_products_by": "MKL" if torch.backends.mkl.is_available() else "OpenBLAS or another",
        "load_before": round(clock.load, 2),
        "began": clock.began.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(UTC) - clock.began).total_seconds() / 60, 1),
        "command": " ".join(["python -m isthmus.bench", *command]),
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _processor() -> str:
    """The processor's name, as Linux tells it; elsewhere its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
