"""Property tests explore new examples on a desk, the same ones in continuous integration; fixtures of reports."""

from __future__ import annotations

import os
from functools import cache

import pytest
from hypothesis import settings

from dse.report.run import open_run
from tests.kept_studies import rows_of, study_of, swept
from tests.synthetic_run import JOINT, SMALL, rated, write_rated_run

settings.register_profile("desk", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the drawing to files out where a test is about numbers."""

    def save(draw, stem, provenance):
        draw()  # raises SkipFigureError as ever
        return stem.with_suffix(".png"), stem.with_suffix(".pdf")

    monkeypatch.setattr("dse.report.figures.save", save)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """A run that keeps all points, with accuracies."""
    return open_run(write_rated_run(tmp_path_factory.mktemp("rated") / "ordinary", rated(), space=SMALL))


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """A run that keeps the front of networks that compete."""
    return open_run(write_rated_run(tmp_path_factory.mktemp("rated") / "joint", rated(), JOINT, "front", space=SMALL))


@pytest.fixture(scope="session")
def all_rows(tmp_path_factory):
    """The rows of a sweep of `tests.kept_studies` that keeps all points, by what its config says besides."""

    @cache
    def rows(extra):
        folder = tmp_path_factory.mktemp("all")
        study = study_of(folder, extra + "keep: all\n")
        return rows_of(swept(study, folder / "run").path)

    return rows
