"""Tables and model of a PE type reach their folder together or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="needs the [characterize] extra")
pytest.importorskip("sklearn", reason="needs the [characterize] extra")

from characterization import publish as publish_module
from characterization.publish import prepare, publish
from dse.errors import RunError
from pe_library.heldout import heldout_errors, read_points
from pe_library.model import PE_LIBRARY
from pe_library.registers import STATIONARY, register_row

FILES = ("heldout.csv", "model.json", "pe.yaml", "synthesis.csv", "systolic.csv")


def shipped_rows() -> list[dict[str, str]]:
    return [row for file in ("synthesis", "heldout") for row in read_points(PE_LIBRARY / "w4a8" / f"{file}.csv")]


def systolic_rows() -> list[Mapping[str, str]]:
    return [register_row("w4a8", dataflow) for dataflow in STATIONARY]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_shipped_rows_published_elsewhere_are_the_shipped_files_and_a_readable_library(tmp_path: Path) -> None:
    prepare(tmp_path, ["w4a8"])
    folder = publish("w4a8", shipped_rows(), systolic_rows(), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert contents(folder) == {name: (PE_LIBRARY / "w4a8" / name).read_bytes() for name in FILES}
    assert heldout_errors("w4a8", tmp_path) == heldout_errors("w4a8")


def test_a_failing_fit_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, ["w4a8"])
    (tmp_path / "w4a8" / "model.json").write_text("old")
    with pytest.raises(RunError, match="points to fit"):
        publish("w4a8", shipped_rows()[:3], systolic_rows(), tmp_path)

    def interrupted(name: str, library: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(publish_module, "write_pe_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish("w4a8", shipped_rows(), systolic_rows(), tmp_path)
    assert [path.name for path in (tmp_path / "w4a8").iterdir()] == ["model.json"]
    assert (tmp_path / "w4a8" / "model.json").read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX")
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make .*w4a8.*-o"):
        prepare(tmp_path / "file", ["w4a8"])
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(RunError, match=r"cannot write to .*w4a8.*-o"):
        prepare(tmp_path, ["w4a8"])
