"""Accuracy of networks per PE type, on real images: `python -m characterization.accuracy --help`, docs/accuracy.md."""
