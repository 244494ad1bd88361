"""The peaks that decisions reach: what labels leave out because they only sum."""

from __future__ import annotations

import numpy as np

from dse.solver.pareto import FloatArray, IntArray
from dse.solver.problem import L1_TILE, STAGING, Network


def peak_bytes(network: Network, moves: IntArray, rows: IntArray) -> FloatArray:
    """[p, 2] largest bytes of any step in L1 (live tensors and tile) and in L2 (live tensors and staging).

    `moves`, `rows` [p, n]: per deployment and layer, indices into `Layer.moves` and its rows.
    """
    shape = (len(moves), len(network.layers))
    used = {"L1": np.zeros(shape), "L2": np.zeros(shape)}
    at_home = {home: np.zeros((len(moves), len(network.tensors)), dtype=bool) for home in used}
    for tensor in network.inputs:
        for home, here in at_home.items():
            here[:, tensor] = network.tensors[tensor].homes[0] == home
    for step, layer in enumerate(network.layers):
        for number in np.unique(moves[:, step]):
            users, move = moves[:, step] == number, layer.moves[number]
            taken = move.rows[rows[users, step]]
            used["L1"][users, step], used["L2"][users, step] = taken[:, L1_TILE], taken[:, STAGING]
            for home, here in at_home.items():
                here[users, layer.output] = move.home_out == home
    for tensor, (begin, end) in enumerate(network.live_ranges()):
        for home, bytes_of in used.items():
            size = network.tensors[tensor].size_bytes
            bytes_of[:, begin:end] += size * at_home[home][:, tensor, None]
    return np.stack([used["L1"].max(axis=1), used["L2"].max(axis=1)], axis=1)
