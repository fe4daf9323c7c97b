"""Put the measured PEs and the fitted model of a PE type where `dse` reads them, all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from characterization.dataset import Texts, write_tables
from characterization.fit import write_pe_model
from dse.errors import RunError
from pe_library.model import PE_LIBRARY, load_pe_model
from pe_library.registers import register_row


def prepare(library: Path, pe_types: Sequence[str]) -> None:
    """Make the folders of the PE types. Raises RunError if one cannot be written: better before than after an hour."""
    for folder in (library / name for name in pe_types):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make {folder}: {error.strerror}; name another folder with -o") from error
        if not os.access(folder, os.W_OK):
            raise RunError(f"cannot write to {folder}: name another folder with -o")


def publish(pe_type: str, rows: Sequence[Texts], systolic: Sequence[Texts], library: Path) -> Path:
    """Fit `rows`, the measured points of a PE type, and write tables and model to its folder, which is returned.

    `systolic` are the rows of its systolic PEs, which need no model.
    All files are made in a draft folder and then moved into place: a failing fit changes nothing, and no file is ever
    half written. A folder outside the shipped library also gets the type's `pe.yaml`, which makes it readable.
    """
    folder = library / pe_type
    with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as name:
        draft = Path(name) / pe_type
        draft.mkdir()
        write_tables(rows, systolic, draft)
        write_pe_model(pe_type, draft.parent)
        if not (folder / "pe.yaml").exists():
            shutil.copyfile(PE_LIBRARY / pe_type / "pe.yaml", draft / "pe.yaml")
        for path in sorted(draft.iterdir()):
            os.replace(path, folder / path.name)
    load_pe_model.cache_clear()
    register_row.cache_clear()
    return folder
