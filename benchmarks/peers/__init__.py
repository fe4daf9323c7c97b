"""Other tools of the field and `dse`, timed in one run on the same layers; see `python -m benchmarks.peers --help`.

A peer is one file `NAME.py` here, found by its name, that needs nothing but the standard library until it runs:

    TITLE         what the tool is called
    REQUIREMENTS  what pip installs into its environment, the tool itself first; empty: the environment of this program
    PYTHONS       (least, below): the Python versions it runs on, `below` may be None
    IMPORTS       modules loaded before the clock starts
    VARIANTS      name -> what is done, in words
    COMPUTES      what comes out
    SEARCHES      whether and how it looks for mappings
    CONFIGURED    the hardware that it was told, in words
    REMARK        what to know when its numbers are read
    evaluate(job) yields results; it runs in the peer's own process, see `_worker`
"""
