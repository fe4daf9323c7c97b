"""What time and events cost on each design: traffic in, cycles and energy out. Element-wise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.sparsity import Sparsity
from dse.traffic import OperandBits, Traffic

Number = Any  # float or array of any broadcastable shape


@dataclass(frozen=True)
class Prices:
    """Rates and energies of a set of designs of one PE type; `spad_` stands for operand registers in systolic PEs."""

    bits: OperandBits
    sparsity: Sparsity
    dram_cycles_per_bit: Number
    dram_pj_per_bit: Number
    clock_pj_per_cycle: Number  # of all PEs, working or not
    leakage_pj_per_cycle: Number
    cycle_pj: Number  # their sum
    mac_pj: Number
    control_pj: Number  # of the PE, per MAC
    spad_ifmap_read_pj: Number  # per word, as all below but where bits are named
    spad_ifmap_write_pj: Number
    spad_filter_read_pj: Number
    spad_filter_write_pj: Number
    spad_psum_read_pj: Number
    spad_psum_write_pj: Number
    noc_ifmap_pj: Number
    noc_filter_pj: Number
    noc_psum_pj: Number
    inter_pe_pj_per_bit: Number
    glb_read_pj_per_bit: Number
    glb_write_pj_per_bit: Number

    def cycles(self, traffic: Traffic) -> dict[str, Number]:
        """Cycles by metrics.CYCLE_PARTS: compute, what the GLB and then DRAM add to it, and exposed overheads."""
        compute, overhead = traffic.compute_cycles, traffic.overhead_cycles
        glb_stall = np.maximum(traffic.glb_cycles - compute, 0)
        on_chip = compute + glb_stall + overhead
        dram_stall = np.maximum(self._dram_cycles(traffic).astype(np.int64) - on_chip, 0)
        return {"compute": compute, "glb_stall": glb_stall, "dram_stall": dram_stall, "overhead": overhead}

    def total_cycles(self, traffic: Traffic) -> Number:
        """The sum of `cycles`, in few operations."""
        on_chip = np.maximum(traffic.compute_cycles, traffic.glb_cycles) + traffic.overhead_cycles
        return np.maximum(on_chip, self._dram_cycles(traffic))

    def _dram_cycles(self, traffic: Traffic) -> Number:
        return np.ceil(self.dram_bits(traffic) * self.dram_cycles_per_bit)

    def dram_bits(self, traffic: Traffic) -> Number:
        """Bits between DRAM and the chip, feature maps as they are coded."""
        activation, weight, _ = self._widths()
        ratio = self.sparsity.dram_ratio
        ifmap = traffic.dram_ifmap * ratio(traffic.ifmap_zeros, self.bits.activation)
        ofmap = traffic.dram_ofmap * ratio(traffic.ofmap_zeros, self.bits.activation)
        return (ifmap + ofmap) * activation + traffic.dram_filter * weight

    def glb_bits(self, traffic: Traffic) -> tuple[Number, Number]:
        """Bits read from and written to the GLB, as floats: words of the largest layers times bits leave int64."""
        t, activation, weight, psum = traffic, *self._widths()
        read = t.glb_ifmap_reads * activation + t.glb_filter_reads * weight + t.glb_psum_reads * psum
        written = t.glb_ifmap_writes * activation + t.glb_filter_writes * weight + t.glb_psum_writes * psum
        return read, written

    def _widths(self) -> tuple[float, float, float]:
        """Bits of activations, weights and psums, as floats."""
        return self.bits.activation * 1.0, self.bits.weight * 1.0, self.bits.psum * 1.0

    def access_pj(self, traffic: Traffic) -> dict[str, Number]:
        """Energy of what is done, whatever time it takes: MACs and accesses times the energy of each, by part."""
        t, activation, weight, psum = traffic, *self._widths()
        glb_read, glb_written = self.glb_bits(traffic)
        switching = self.sparsity.switching_share(traffic.ifmap_zeros)
        hop_bits = t.inter_pe_ifmap * activation + t.inter_pe_filter * weight + t.inter_pe_psum * psum
        return {
            "mac": t.macs * switching * self.mac_pj,
            "spad": t.spad_ifmap_reads * self.spad_ifmap_read_pj
            + t.spad_ifmap_writes * self.spad_ifmap_write_pj
            + t.spad_filter_reads * switching * self.spad_filter_read_pj
            + t.spad_filter_writes * self.spad_filter_write_pj
            + t.spad_psum_reads * self.spad_psum_read_pj
            + t.spad_psum_writes * self.spad_psum_write_pj,
            "noc": t.noc_ifmap * self.noc_ifmap_pj
            + t.noc_filter * self.noc_filter_pj
            + t.noc_psum * self.noc_psum_pj
            + hop_bits * self.inter_pe_pj_per_bit,
            "glb": glb_read * self.glb_read_pj_per_bit + glb_written * self.glb_write_pj_per_bit,
            "dram": self.dram_bits(traffic) * self.dram_pj_per_bit,
            "clock": t.macs * self.control_pj,
        }

    def energy_pj(self, traffic: Traffic, cycles: Number) -> dict[str, Number]:
        """Energy of a layer by metrics.ENERGY_PARTS: accesses, and clock and leakage of the cycles it takes."""
        parts = self.access_pj(traffic)
        return {
            **parts,
            "clock": parts["clock"] + cycles * self.clock_pj_per_cycle,
            "leakage": cycles * self.leakage_pj_per_cycle,
        }

    def total_energy_pj(self, traffic: Traffic, cycles: Number) -> Number:
        """The sum of `energy_pj`, in few operations."""
        parts = self.access_pj(traffic)  # summed from those that depend on few axes to those that depend on many
        accesses = parts["mac"] + parts["clock"] + parts["dram"] + parts["glb"] + (parts["noc"] + parts["spad"])
        return cycles * self.cycle_pj + accesses
