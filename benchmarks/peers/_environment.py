"""A Python environment for each peer, made once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.peers._peer import Peer, Version

INSTALL_LIMIT_S = 1800


class NotRunError(Exception):
    """Why a peer could not be run, in a line."""


def cache_folder() -> Path:
    """Where environments are kept: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dse" / "peers"


def environment(peer: Peer, say: Callable[[str], None]) -> Path:
    """The interpreter that runs the peer, its packages installed. Raises NotRunError."""
    if not peer.requirements:
        return Path(sys.executable)
    python, version = find_python(peer.pythons)
    key = hashlib.sha256(repr((version, peer.requirements)).encode()).hexdigest()[:8]
    folder = cache_folder() / f"{peer.name}-{key}"
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / "ready"
    if not (ready.exists() and _version(inside)):
        say(f"{peer.name}: installing {' '.join(peer.requirements)} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        _run([str(python), "-m", "venv", str(folder)])
        pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *peer.requirements])
        ready.touch()
    return inside


def find_python(pythons: tuple[Version, Version | None]) -> tuple[Path, Version]:
    """An interpreter in the range and its version, this one if it fits. Raises NotRunError."""
    least, below = pythons
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and least <= version and (below is None or version < below):
            return candidate, version
    upper = "" if below is None else f" and below {below[0]}.{below[1]}"
    raise NotRunError(f"needs Python {least[0]}.{least[1]} or later{upper}, which is not at hand")


def _candidates() -> Iterator[Path]:
    """This interpreter, those on the PATH, those of pyenv."""
    yield Path(sys.executable)
    found = (shutil.which(f"python3.{minor}") for minor in range(8, 20))
    yield from (Path(path) for path in found if path)
    yield from sorted(Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob("versions/3.*/bin/python3"))


def _version(python: Path) -> Version | None:
    """Major and minor version, None where the interpreter does not start."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=True)
        major, minor = answer.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return int(major), int(minor)


def _run(command: list[str]) -> None:
    """Raises NotRunError with the last line that says what went wrong."""
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise NotRunError(f"not installed: {reason_of(error.stderr or error.stdout)}") from error
    except subprocess.TimeoutExpired as error:
        raise NotRunError(f"not installed within {INSTALL_LIMIT_S} s") from error


def reason_of(output: str, limit: int = 200) -> str:
    """The last line that names an error, else the last line; without addresses and folders, which are the machine's."""
    lines = [line.strip() for line in output.splitlines() if line.strip(" |")]
    named = [line for line in lines if re.search(r"error|exception", line, re.IGNORECASE)]
    line = (named or lines or ["it ended without a message"])[-1]
    text = re.sub(r"\w+://\S+", "...", line)
    text = re.sub(r"(?<![\w.])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"]+[/\\])+", "", text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
