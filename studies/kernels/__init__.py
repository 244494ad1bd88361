"""Cycles of the Xpulp kernels on Siracusa's cluster, beside what the cost model predicts for them."""
