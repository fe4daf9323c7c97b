"""The mapping search as one compiled loop nest, made from the formulas of the dataflows.

The element-wise formulas of a dataflow and of the prices are called once with symbols in place of numbers (`graph`).
What they return is a graph of operations. `nest` writes it as the loops of a branch and bound, every operation in the
outermost loop that its inputs allow (`loops`), LLVM makes machine code of it (`machine`), and `kernel` runs that on the
arrays of a bench (`arrays`). The answer is that of `dse.mapping.search`, ties included; a dataflow needs no knowledge
of it.
"""
