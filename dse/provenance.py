"""Which PEs results stand on: the hash of each, by name."""

from __future__ import annotations

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
