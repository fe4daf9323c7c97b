"""Speed of exact fronts: whole `dse sweep` processes, wall time and memory, and the same front with pruning off.

python -m benchmarks.exhaustive [--repeat 5] [--only twenty_million ...]    measures, writes docs/performance.json
python -m benchmarks.exhaustive --page                                      writes docs/performance.md from it
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
SPACES = ROOT / "benchmarks" / "spaces"
RECORD = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured: python -m benchmarks.exhaustive -->", "<!-- end -->"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# name of the row -> space, options of the sweep
RUNS: dict[str, tuple[str, list[str]]] = {
    "twenty_million": ("twenty_million", []),
    "hundreds_of_millions": ("hundreds_of_millions", []),
    "billion": ("billion", []),
    "sample": ("sample", []),
    "check, pruned": ("check", []),
    "check, every design": ("check", ["--no-prune"]),
}


def session_bytes(session: int) -> int:
    """Resident memory of all processes of a session (Linux)."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * PAGE_BYTES
    return total


def swept(space: str, options: list[str]) -> dict[str, Any]:
    """One whole sweep on two processes: seconds, most memory, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = [sys.executable, "-m", "cli", "sweep", str(SPACES / f"{space}.yaml")]
        command = [*sweep, "-o", folder, "--jobs", "2", "--fresh", *options]
        start, most = time.perf_counter(), 0
        process = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            most = max(most, session_bytes(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed")
        rows = pq.read_table(Path(folder) / "points.parquet")
        run = json.loads((Path(folder) / "run.json").read_text())
    digest = hashlib.sha256(repr(rows.to_pylist()).encode())
    return {"seconds": seconds, "bytes": most, "designs": run["designs"], "rows": rows.num_rows,
            "rows_sha256": digest.hexdigest()}  # fmt: skip


def measured(names: list[str], repeat: int) -> None:
    """Runs in turn, so that what else the machine does meets all of them; the record is kept after each."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"runs": {}}
    record |= {"date": date.today().isoformat(), "cpu": _cpu(), "cores": os.cpu_count()}
    record["python"] = platform.python_version()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            found[name].append(swept(*RUNS[name]))
            each = found[name][-1]
            print(f"{name}: {each['seconds']:.1f} s, {each['designs'] / each['seconds']:,.0f} designs/s", flush=True)
            record["runs"][name] = found[name]
            RECORD.write_text(json.dumps(record, indent=1) + "\n")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def table() -> str:
    """The record as Markdown."""
    record = json.loads(RECORD.read_text())
    machine = f"{record['cores']} cores of {record['cpu']}, Python {record['python']}, {record['date']}"
    lines = [
        f"{machine}. Wall time of the whole",
        "process (start, sweep on two processes, files written), median (least to most) of the runs; memory of all its",
        "processes together.",
        "",
        "| space (benchmarks/spaces) | designs | runs | seconds | designs/s | most memory, GB | rows kept |",
        "| --- | --: | --: | --- | --: | --: | --: |",
    ]
    for name, runs in record["runs"].items():
        seconds = [run["seconds"] for run in runs]
        median = statistics.median(seconds)
        lines.append(
            f"| {name.replace('_', ' ')} | {runs[0]['designs']:,} | {len(runs)} "
            f"| {median:.1f} ({min(seconds):.1f} to {max(seconds):.1f}) | {runs[0]['designs'] / median:,.0f} "
            f"| {max(run['bytes'] for run in runs) / 1e9:.2f} | {runs[0]['rows']} |"
        )
    pruned, every = (record["runs"].get(name) for name in ("check, pruned", "check, every design"))
    if pruned and every:
        same = {run["rows_sha256"] for run in pruned + every}
        lines += ["", f"Rows of the check with and without pruning: {'equal' if len(same) == 1 else 'NOT equal'}."]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", action="append", choices=list(RUNS), default=None)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    if not options.page:
        measured(options.only or list(RUNS), options.repeat)
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
