"""Machine code in the user's cache: used again, made again where it is damaged, done without where it cannot be."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from dse.mapping.compiled.machine import cache_folder, compiled

ASSEMBLY = """
define void @doubled(double* %value, i64 %times) {
  %old = load double, double* %value
  %new = fadd double %old, %old
  store double %new, double* %value
  ret void
}
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def doubled(number: float) -> float:
    value = ctypes.c_double(number)
    compiled(ASSEMBLY, "doubled", 1, 1)(ctypes.addressof(value), 1)
    return value.value


def test_code_from_the_cache_does_what_new_code_does() -> None:
    assert doubled(21.0) == 42.0
    (kept,) = cache_folder().iterdir()
    before = kept.stat().st_mtime_ns
    assert doubled(4.0) == 8.0
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "damage", [lambda code: b"", lambda code: code[: len(code) // 2], lambda code: bytes(len(code))]
)
def test_damaged_code_is_made_again(damage: object) -> None:
    doubled(1.0)
    (kept,) = cache_folder().iterdir()
    whole = kept.read_bytes()
    assert callable(damage)
    kept.write_bytes(damage(whole))
    assert doubled(21.0) == 42.0
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "dse").write_text("a file where the folder would be")
    assert doubled(21.0) == 42.0
