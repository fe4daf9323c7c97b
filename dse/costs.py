"""What the hardware costs: clock, area and the energy of each event, per design. Element-wise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.space import Designs
from dse.technology import Technology
from dse.traffic import FEASIBLE, OperandBits, Traffic, first_of
from pe_library.memory.dram import dram_pj_per_bit
from pe_library.memory.glb import SramPrediction, load_glb_model
from pe_library.memory.noc import NocPrediction, noc
from pe_library.model import INPUTS, PEPrediction, load_pe_model, load_pe_type

Number = Any  # float or array of any broadcastable shape

REASONS = (
    "",
    "clock above the maximum of PE and GLB",
    "spad depth outside the characterized range of the PE type",
    "GLB outside the range of the memory model",
)


@dataclass(frozen=True)
class Costs:
    """Hardware figures of a set of designs of one PE type; `reason` indexes REASONS, 0 where the design is sound."""

    bits: OperandBits
    reason: Number
    clock_mhz: Number
    pes: Number
    area_mm2: dict[str, Number]  # by metrics.AREA_PARTS
    dram_bits_per_cycle: Number
    clock_pj_per_cycle: Number  # of all PEs, working or not
    leakage_pj_per_cycle: Number
    pe: PEPrediction
    glb: SramPrediction
    glb_word_bits: Number
    noc: NocPrediction
    dram_pj_per_bit: Number
    energy_scale: float

    def cycles(self, traffic: Traffic) -> dict[str, Number]:
        """Cycles by metrics.CYCLE_PARTS: compute, what the GLB and then DRAM add to it, and exposed overheads."""
        compute, overhead = traffic.compute_cycles, traffic.overhead_cycles
        glb_stall = np.maximum(traffic.glb_cycles - compute, 0)
        on_chip = compute + glb_stall + overhead
        dram = np.ceil(self.dram_bits(traffic) / self.dram_bits_per_cycle).astype(np.int64)
        return {
            "compute": compute,
            "glb_stall": glb_stall,
            "dram_stall": np.maximum(dram - on_chip, 0),
            "overhead": overhead,
        }

    def total_cycles(self, traffic: Traffic) -> Number:
        """The sum of `cycles` in few operations, but for rounding DRAM time up; infinite where the mapping misfits."""
        on_chip = np.maximum(traffic.compute_cycles, traffic.glb_cycles) + traffic.overhead_cycles
        on_chip = np.where(traffic.reason == FEASIBLE, on_chip, np.inf)
        return np.maximum(on_chip, self.dram_bits(traffic) * (1 / self.dram_bits_per_cycle))

    def dram_bits(self, traffic: Traffic) -> Number:
        """Bits between DRAM and the chip."""
        activations = (traffic.dram_ifmap + traffic.dram_ofmap) * self.bits.activation
        return activations + traffic.dram_filter * self.bits.weight

    def glb_bits(self, traffic: Traffic) -> tuple[Number, Number]:
        """Bits read from and written to the GLB."""
        b = self.bits
        read = (
            traffic.glb_ifmap_reads * b.activation
            + traffic.glb_filter_reads * b.weight
            + traffic.glb_psum_reads * b.psum
        )
        written = (
            traffic.glb_ifmap_writes * b.activation
            + traffic.glb_filter_writes * b.weight
            + traffic.glb_psum_writes * b.psum
        )
        return read, written

    def access_pj(self, traffic: Traffic) -> dict[str, Number]:
        """Energy of what is done, whatever time it takes: MACs and accesses times the energy of each, by part."""
        b, pe, on_chip = self.bits, self.pe, self.energy_scale
        glb_read, glb_written = self.glb_bits(traffic)
        spad = (
            traffic.spad_ifmap_reads * pe.ifmap_read_pj
            + traffic.spad_ifmap_writes * pe.ifmap_write_pj
            + traffic.spad_filter_reads * pe.filter_read_pj
            + traffic.spad_filter_writes * pe.filter_write_pj
            + traffic.spad_psum_reads * pe.psum_read_pj
            + traffic.spad_psum_writes * pe.psum_write_pj
        )
        hops = (
            traffic.inter_pe_ifmap * b.activation
            + traffic.inter_pe_filter * b.weight
            + traffic.inter_pe_psum * b.psum
        )
        network = (
            traffic.noc_ifmap * b.activation * self.noc.ifmap_pj_per_bit
            + traffic.noc_filter * b.weight * self.noc.filter_pj_per_bit
            + traffic.noc_psum * b.psum * self.noc.psum_pj_per_bit
            + hops * self.noc.inter_pe_pj_per_bit
        )
        glb = (glb_read * self.glb.read_pj + glb_written * self.glb.write_pj) / self.glb_word_bits
        return {
            "mac": on_chip * traffic.macs * pe.mac_pj,
            "spad": on_chip * spad,
            "noc": on_chip * network,
            "glb": on_chip * glb,
            "dram": self.dram_bits(traffic) * self.dram_pj_per_bit,
            "clock": on_chip * traffic.macs * pe.control_pj,
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
        return cycles * (self.clock_pj_per_cycle + self.leakage_pj_per_cycle) + accesses


def costs(designs: Designs, technology: Technology) -> Costs:
    """Hardware figures of the designs. The clock is the setting, or for `max` the slower of PE and GLB access."""
    pe_type = load_pe_type(designs.pe_type)
    bits = OperandBits(pe_type.activation_bits, pe_type.weight_bits, pe_type.psum_bits)
    pe = _predict_pe(designs)
    word_bits = designs.glb_bytes_per_cycle * 8
    glb = load_glb_model(technology.glb_cell).predict(designs.glb_kib, word_bits)
    network = noc(
        designs.rows, designs.cols, pe.area_um2, bits.activation, bits.weight, bits.psum,
        designs.glb_bytes_per_cycle, technology.noc,
    )  # fmt: skip
    pes = designs.rows * designs.cols
    max_mhz = 1e3 / np.maximum(pe.min_period_ns, glb.min_period_ns)
    clock_mhz = np.where(np.isinf(designs.clock_mhz), max_mhz, designs.clock_mhz)
    leakage_mw = pes * pe.leakage_uw * 1e-3 + glb.leakage_mw + network.leakage_mw
    return Costs(
        bits=bits,
        reason=first_of((~pe.in_range, 2), (~glb.in_range, 3), (clock_mhz > max_mhz, 1)),
        clock_mhz=clock_mhz,
        pes=pes,
        area_mm2={"pe": pes * pe.area_um2 * 1e-6, "glb": glb.area_mm2, "noc": network.area_mm2},
        dram_bits_per_cycle=designs.dram_gb_s * 8e3 / clock_mhz,
        clock_pj_per_cycle=technology.energy_scale * pes * pe.clock_pj,
        leakage_pj_per_cycle=technology.energy_scale * leakage_mw * 1e3 / clock_mhz,
        pe=pe,
        glb=glb,
        glb_word_bits=word_bits,
        noc=network,
        dram_pj_per_bit=_dram_pj_per_bit(designs, technology),
        energy_scale=technology.energy_scale,
    )


def _predict_pe(designs: Designs) -> PEPrediction:
    """The PE of each design; outside the characterized range, where a polynomial means nothing, that of the edge."""
    model = load_pe_model(designs.pe_type)
    depths = {name: getattr(designs, name) for name in INPUTS}
    nearest = {name: np.clip(words, *model.ranges[name]) for name, words in depths.items()}
    return replace(model.predict(**nearest), in_range=model.in_range(**depths))


def _dram_pj_per_bit(designs: Designs, technology: Technology) -> Number:
    if technology.dram_pj_per_bit is not None:
        return technology.dram_pj_per_bit
    depths = designs.ifmap_spad_words, designs.filter_spad_words, designs.psum_spad_words
    return dram_pj_per_bit(technology.dram_technology, lambda: load_pe_model("int16").predict(*depths).mac_pj)
