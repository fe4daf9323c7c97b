"""What surrounds the PE array: memory and wire technologies, each an explicit choice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dse.sparsity import Compression, Sparsity
from pe_library.memory.noc import NocParameters

OBJECTIVES = ("latency", "energy", "edp")


@dataclass(frozen=True)
class Technology:
    """Memory, NoC and scaling choices of a study; every number a model needs beyond the PE library."""

    glb_cell: str = "itrs-lop"
    dram_technology: str = "lpddr4"
    dram_pj_per_bit: float | None = None  # overrides the value of dram_technology
    noc: NocParameters = field(default_factory=NocParameters)
    energy_scale: float = 1.0  # one factor on all on-chip energy, to move the library to another node or voltage
    sparsity: Sparsity = field(default_factory=Sparsity)

    def with_sparsity(self, zero_gating: bool, compression: Compression | None) -> Technology:
        """The same, with zero gating and a code of feature maps where they are given."""
        own = self.sparsity
        return replace(self, sparsity=Sparsity(zero_gating or own.zero_gating, compression or own.compression))
