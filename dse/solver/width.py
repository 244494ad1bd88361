"""Networks with too many live tensors for an exact state: pin some homes to search, free them to bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from dse.solver.problem import Layer, Move, Network, Tensor

STATES = 2_000
"""How many states a step may have by default: a step keeps fewer labels, so that more find nothing."""

_FREE = "L3"  # the home that no cap looks at


def wide_tensors(network: Network, state_limit: int) -> tuple[int, ...]:
    """Tensors to take out of the state, smallest first, so that no step has more than `state_limit` states.

    A small tensor gains least from a home of its own. Empty where the network is narrow enough as it is.
    """
    if state_limit < 1:
        raise ValueError(f"state limit {state_limit} must be at least 1")
    born: dict[int, list[int]] = {}
    for number, (begin, end) in enumerate(network.live_ranges()):
        if end > begin + 1:
            born.setdefault(begin, []).append(number)
    ends = [end for _, end in network.live_ranges()]
    removed: list[int] = []
    live: list[int] = []
    for step in range(len(network.layers)):
        live = [i for i in live if ends[i] > step + 1] + born.get(step, [])
        live.sort(key=lambda i: (network.tensors[i].size_bytes, i))
        while _states(network.tensors[i] for i in live) > state_limit:
            narrowest = next(i for i in live if len(network.tensors[i].homes) > 1)
            live.remove(narrowest)
            removed.append(narrowest)
    return tuple(removed)


def pin_homes(network: Network, tensors: tuple[int, ...]) -> Network:
    """A restriction: these tensors live in the first of their homes. Moves keep their numbers."""

    def pin(tensor: Tensor) -> Tensor:
        return replace(tensor, homes=tensor.homes[:1])

    return replace(network, tensors=_replace_tensors(network, tensors, pin))


def free_homes(network: Network, tensors: tuple[int, ...]) -> Network:
    """A relaxation: these tensors take no memory, and each layer may assume any home for them.

    A bound on it is a bound on the network. Layers that share a `moves` tuple and the freed positions go on
    sharing.
    """
    freed = frozenset(tensors)
    shared: dict[tuple[int, tuple[bool, ...]], tuple[Move, ...]] = {}

    def relax(layer: Layer) -> Layer:
        positions = tuple(i in freed for i in (*layer.inputs, layer.output))
        key = (id(layer.moves), positions)
        if key not in shared:
            shared[key] = tuple(_assume_free(move, positions) for move in layer.moves)
        return replace(layer, moves=shared[key])

    def unbind(tensor: Tensor) -> Tensor:
        return replace(tensor, homes=(_FREE,), size_bytes=0)

    relaxed = replace(network, tensors=_replace_tensors(network, tensors, unbind))
    return replace(relaxed, layers=tuple(relax(layer) for layer in network.layers))


def _assume_free(move: Move, positions: tuple[bool, ...]) -> Move:
    homes = [
        _FREE if free else home for home, free in zip((*move.homes_in, move.home_out), positions, strict=True)
    ]
    return replace(move, homes_in=tuple(homes[:-1]), home_out=homes[-1])


def _replace_tensors(
    network: Network, chosen: tuple[int, ...], change: Callable[[Tensor], Tensor]
) -> tuple[Tensor, ...]:
    return tuple(change(t) if i in chosen else t for i, t in enumerate(network.tensors))


def _states(tensors: Iterable[Tensor]) -> int:
    product = 1
    for tensor in tensors:
        product *= len(tensor.homes)
    return product
