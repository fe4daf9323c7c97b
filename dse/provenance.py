"""What results stand on: the hash of each PE by name, and the line that says all of it."""

from __future__ import annotations

from collections.abc import Mapping

import dse
from dse.dataflow import load_dataflow
from dse.space import DesignSpace
from pe_library.model import load_pe_model
from pe_library.registers import register_pe_sha256


def pe_sha256(pe_type: str, dataflow: str) -> str:
    """Hash of what predicts the PE of a type on a dataflow: its fitted model, or its measurement if it has no spads."""
    if load_dataflow(dataflow).PE == "spads":
        return load_pe_model(pe_type).sha256
    return register_pe_sha256(pe_type, dataflow)


def pe_hashes(space: DesignSpace) -> dict[str, str]:
    """Hash of every PE of a space: by PE type those with spads, by PE type and dataflow the others."""
    return {
        pe_type if dataflow in space.spad_dataflows else f"{pe_type} {dataflow}": pe_sha256(pe_type, dataflow)
        for pe_type in space.pe_type
        for dataflow in space.dataflow
    }


def provenance_line(name: str, config_sha256: str, seed: int, pe_models: Mapping[str, str]) -> str:
    """What begins every table of a run and goes into its figures; PE models by the first digits of their hashes."""
    models = ", ".join(f"{pe} {sha256[:8]}" for pe, sha256 in sorted(pe_models.items()))
    return f"dse {dse.__version__} config {config_sha256} run {name} seed {seed} PE models {models}"
