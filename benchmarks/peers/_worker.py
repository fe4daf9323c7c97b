"""Runs one peer once, in the peer's own environment; needs the standard library only.

    python -I _worker.py JOB.json

A job names the peer's file, the variant, the network, the layers, the folders of configurations and for scratch, and
the file for events. `evaluate(job)` of the peer yields one mapping per step: `shapes` (how many layer shapes it
covered), `designs` where more than one, and results summed over the layers of these shapes: `cycles`, `energy_macs`,
... What runs between two yields is timed, unless the mapping says `untimed`. Events are lines of JSON, written as they
happen, so that a run that is stopped leaves what it did.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import sys
import time
from importlib import metadata
from typing import Any

try:
    import resource
except ImportError:  # not on Windows: children are not counted there
    resource = None  # type: ignore[assignment]


def cpu_seconds() -> float:
    """Processor time of this process, all threads, and of its finished children."""
    own = time.process_time()
    if resource is None:
        return own
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + children.ru_utime + children.ru_stime


def load(path: str) -> Any:
    """The module in a file, whatever its name is called elsewhere."""
    spec = importlib.util.spec_from_file_location("peer_file", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def version_of(requirements: Any) -> str:
    """The installed version of the first requirement."""
    if not requirements:
        return ""
    name = requirements[0]
    for mark in "<>=!~[ ":
        name = name.partition(mark)[0]
    return metadata.version(name)


def main(job_path: str) -> None:
    """Load, evaluate, and write an event for each."""
    with open(job_path, encoding="utf-8") as file:
        job = json.load(file)
    sys.path[:0] = job["paths"]
    with open(job["events"], "a", encoding="utf-8") as events:

        def write(event: str, **values: Any) -> None:
            events.write(json.dumps({"event": event, **values}) + "\n")
            events.flush()

        cpu, wall = cpu_seconds(), time.perf_counter()
        peer = load(job["peer"])
        for name in peer.IMPORTS:
            importlib.import_module(name)
        write("loaded", cpu_s=cpu_seconds() - cpu, wall_s=time.perf_counter() - wall,
              python=platform.python_version(), version=version_of(peer.REQUIREMENTS))  # fmt: skip
        os.chdir(job["scratch"])
        steps = iter(peer.evaluate(job))
        while True:
            cpu, wall = cpu_seconds(), time.perf_counter()
            result = next(steps, None)
            if result is None:
                break
            write("step", cpu_s=cpu_seconds() - cpu, wall_s=time.perf_counter() - wall, result=result)
        write("end", peak_mb=peak_mb())


def peak_mb() -> float | None:
    """Most memory this process held, in 1e6 bytes; None where it is not known."""
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, else in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main(sys.argv[1])
