"""Progress: how far, how fast, how many designs are feasible, how long it will take."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.config import load_study
from dse.sweep import Progress, sweep
from dse.terminal.progress import show_progress

CONFIG = """
schema: 1
name: tiny
workloads: [resnet20-cifar10]
space:
  pe_type: [int16, int8]
  rows: [8, 12]
  clock_mhz: [max, 100000]
"""


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (Progress(400, 1000, 20.0, 0.254), "400 of 1,000 designs, 20/s, 25 % feasible, 30 s left"),
        (Progress(400, 10_000, 20.0, 1.0), "400 of 10,000 designs, 20/s, 100 % feasible, 8 min left"),
        (Progress(400, 10_000_000, 20.0, 0.0), "400 of 10,000,000 designs, 20/s, 0 % feasible, 138 h 53 min left"),
        (Progress(400, 400, 20.0, None), "400 of 400 designs, 20/s, 0 s left"),
    ],
)
def test_a_line_states_rate_feasible_share_and_time_left(
    now: Progress, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_progress("sweep") as show:
        show(Progress(0, now.total, 0.0))
        show(now)
    assert capsys.readouterr().err == line + "\n"


def test_what_a_resumed_sweep_found_done_does_not_count_as_speed(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("sweep") as show:
        show(Progress(900, 1000, 1.0))
        show(Progress(950, 1000, 26.0))
    assert capsys.readouterr().err == "950 of 1,000 designs, 2/s, 25 s left\n"


def test_the_share_of_feasible_points_is_that_of_all_so_far(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    seen: list[Progress] = []
    summary = sweep(load_study(tmp_path / "config.yaml"), tmp_path / "run", 1, False, seen.append)
    assert seen[0].feasible is None
    assert [now.feasible for now in seen[1:]] == [0.5] * (len(seen) - 1)  # no design reaches 100 GHz
    assert 2 * summary.feasible == summary.points


def test_a_search_counts_evaluations(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("optimize") as show:
        show(Progress(100, 1000, 0.0, what="evaluations"))
        show(Progress(600, 1000, 10.0, what="evaluations"))
    assert capsys.readouterr().err == "600 of 1,000 evaluations, 50/s, 8 s left\n"
