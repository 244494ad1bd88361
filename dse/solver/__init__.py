"""The exact inner solver: from per-layer Pareto options to the network's Pareto front under memory limits."""
