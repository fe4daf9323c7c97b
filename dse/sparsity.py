"""What an accelerator makes of zeros in feature maps: gating in the PE, run-length coding in DRAM. Off by default.

After Eyeriss (Chen et al., JSSC 52(1), 2017). Zeros are taken to be independent of each other and
of place, with the shares that the workload states; where it states none, feature maps are dense and nothing is saved.

Zero gating. An ifmap word that is zero keeps the filter spad from being read and the multiplier and adder from
switching. The cycle is spent all the same.

Run-length coding. A feature map in DRAM is a sequence of pairs: a run of 0 to 31 zeros (5 bits) and the word that
follows it (the activation width). As many pairs as fit fill a 64-bit word, but for one bit that marks the last one:
three at 16 bits. A run longer than 31 goes on in the next pair, the word between them being one more zero. A pair
hence stands for 1 + min(zeros ahead, 31) words, in the mean sum of z^k over k = 0 to 31 at a share z of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Compression = Literal["none", "rlc"]
COMPRESSIONS: tuple[str, ...] = get_args(Compression)

NO_ZEROS = "has no effect: no layer states its share of zeros"
ZEROS_HINT = "columns ifmap_zeros and ofmap_zeros of a layer table, as in alexnet"
CODE_WORD_BITS = 64
LAST_WORD_BITS = 1
RUN_BITS = 5


@dataclass(frozen=True)
class Sparsity:
    """Whether PEs gate zeros, and how feature maps are stored in DRAM; filters are stored as they are."""

    zero_gating: bool = False
    compression: Compression = "none"

    @property
    def in_use(self) -> bool:
        """Whether zeros make any difference."""
        return self != Sparsity()

    def switching_share(self, ifmap_zeros: float) -> float:
        """Filter reads and arithmetic operations that take place, per MAC; exactly 1 without gating."""
        return 1 - ifmap_zeros if self.zero_gating else 1

    def dram_ratio(self, zeros: float, bits: int) -> float:
        """Bits in DRAM per bit of a feature map with words of `bits`; exactly 1 without compression.

        A map that the code would lengthen is stored as it is, as the chip does with the network's input.
        """
        return min(1, rlc_bits_per_word(zeros, bits) / bits) if self.compression == "rlc" else 1


def rlc_bits_per_word(zeros: float, bits: int) -> float:
    """Expected coded bits per word of a long feature map with this share of zeros; more than `bits` if it is dense."""
    pairs = (CODE_WORD_BITS - LAST_WORD_BITS) // (RUN_BITS + bits)
    words_per_pair: float = sum(zeros**k for k in range(2**RUN_BITS))
    return CODE_WORD_BITS / pairs / words_per_pair
