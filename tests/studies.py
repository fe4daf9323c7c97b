"""What the tests of sweeps share: a study from a text, progress that says nothing, the bytes of a run."""

from __future__ import annotations

from pathlib import Path

from dse.config import Study, load_study
from dse.sweep import Progress


def study_of(folder: Path, text: str) -> Study:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_study(path)


def quiet(progress: Progress) -> None:
    assert 0 <= progress.done <= progress.total


def points(run: Path) -> bytes:
    return (run / "points.parquet").read_bytes()
