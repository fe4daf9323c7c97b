"""The contract of a peer module, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent
Version = tuple[int, int]
OURS = "ours"


@dataclass(frozen=True)
class Peer:
    """A peer module as data; `name` and `path` are those of its file, the rest is described in the package."""

    name: str
    path: Path
    title: str
    requirements: tuple[str, ...]
    pythons: tuple[Version, Version | None]
    imports: tuple[str, ...]
    variants: Mapping[str, str]
    computes: str
    searches: str
    configured: str
    remark: str


def list_peers() -> tuple[str, ...]:
    """Names of all peers, this project's own measurement first."""
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    return tuple(sorted(names, key=lambda name: name != OURS))


def load_peer(name: str) -> Peer:
    """The peer of that name. Raises TypeError when its module lacks a part of the contract."""
    module = import_module(f"{__package__}.{name}")
    missing = [field for field in _FIELDS if not hasattr(module, field)]
    if missing:
        raise TypeError(f"{module.__name__} must define {', '.join(missing)}")
    return _peer(name, module)


_FIELDS = (
    "TITLE", "REQUIREMENTS", "PYTHONS", "IMPORTS", "VARIANTS", "COMPUTES", "SEARCHES", "CONFIGURED", "REMARK",
    "evaluate",
)  # fmt: skip


def _peer(name: str, module: ModuleType) -> Peer:
    return Peer(
        name=name,
        path=FOLDER / f"{name}.py",
        title=module.TITLE,
        requirements=module.REQUIREMENTS,
        pythons=module.PYTHONS,
        imports=module.IMPORTS,
        variants=module.VARIANTS,
        computes=module.COMPUTES,
        searches=module.SEARCHES,
        configured=module.CONFIGURED,
        remark=module.REMARK,
    )
