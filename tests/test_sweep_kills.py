"""Fifty kills at random moments of one sweep, in every phase, and then the bytes of an unbroken one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

KILLS, MAX_STEPS, SEED = 50, 15, 2025
LEAST = {"evaluation": 5, "part": 3, "merge": 5}  # kills in each phase

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16, int8]
  rows: [8, 12]
  cols: [14, 16]
  filter_spad_words: [112, 224]
  glb_kib: [64, 108]
  dram_gb_s: [1, 8]
  clock_mhz: [max, 150]
"""

# Says which phase a step belongs to, and makes it long enough to be hit. A kill is drawn as a number of steps, not of
# seconds alone: how far it comes does not hang on the machine's speed then. The merge has more steps than MAX_STEPS, so
# that the sweep does not end before its last kill.
SLOW_SWEEP = """
import os, time
from pathlib import Path
from dse import run_directory, sweep
from dse.config import load_study

def slowed(phase, seconds, function):
    def slow(*args, **options):
        os.write(1, phase)
        time.sleep(seconds)
        return function(*args, **options)
    return slow

sweep.BLOCK_DESIGNS = 2
sweep.block_points = slowed(b"e", 0.01, sweep.block_points)
run_directory.os.fsync = slowed(b"p", 0.01, os.fsync)
sweep.decode = slowed(b"m", 0.01, sweep.decode)
sweep.sweep(load_study("config.yaml"), Path("killed"), 1, False, lambda progress: None)
"""
UNBROKEN = SLOW_SWEEP.replace("0.01", "0").replace('"killed"', '"unbroken"')
PHASES = {"e": "evaluation", "p": "part", "m": "merge"}


def killed_after(steps: int, seconds: float, folder: Path) -> str:
    """Kill a sweep so long after the beginning of its step of that number; returns the phase it was in."""
    with subprocess.Popen([sys.executable, "-c", SLOW_SWEEP], cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout
        said = b"".join(os.read(process.stdout.fileno(), 1) for _ in range(steps))
        time.sleep(seconds)
        process.kill()
        said += process.stdout.read()
    assert process.returncode == -signal.SIGKILL, said
    return PHASES[chr(said[-1])]


@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    subprocess.run([sys.executable, "-c", UNBROKEN], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    draw = random.Random(SEED)
    hit = Counter(killed_after(draw.randint(1, MAX_STEPS), draw.uniform(0, 0.03), tmp_path) for _ in range(KILLS))
    assert hit.total() == KILLS
    assert all(hit[phase] >= least for phase, least in LEAST.items()), hit
    assert not (tmp_path / "killed" / "run.json").exists()

    end = subprocess.run(
        [sys.executable, "-c", UNBROKEN.replace('"unbroken"', '"killed"')], cwd=tmp_path, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, check=True, text=True,
    )  # fmt: skip
    assert end.stderr == ""  # no part was torn
    assert (tmp_path / "killed" / "points.parquet").read_bytes() == (tmp_path / "unbroken/points.parquet").read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [".lock", "points.parquet", "run.json"]
