"""The inner problem as frozen values: tensors with homes, layers with priced options, and one outer setting.

Semantics. Layers run in the given order. A tensor is live from its producer's step (step 0 for a network
input) to its last consumer's step, both included; network outputs are live to the last step. At every step

* L2-homed live tensors + the chosen row's staging <= `Setting.arena_bytes`,
* L1-homed live tensors + the chosen row's L1 tile <= `Setting.l1_cap_bytes - Setting.l1_resident_bytes`.

Parameters resident in L2, in weight memory and in L1 are sums over the network, each below its own cap of the
setting. L3 is not bounded; on a platform without it the moves that use it do not exist. Time and energy are
sums over layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dse.solver.pareto import FloatArray, IntArray, nondominated

TENSOR_HOMES = ("L1", "L2", "L3")
# Homes of parameters. "-": the layer has none. L3 streams them; the three others keep them resident.
PARAM_HOMES = ("-", "L1", "L2", "L3", "WM")
# Columns of `Move.rows`.
TIME, ENERGY, L1_TILE, STAGING = range(4)


@dataclass(frozen=True)
class Tensor:
    """An activation: its size and the homes it may have. Network inputs have exactly one."""

    name: str
    size_bytes: int
    homes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError(f"tensor {self.name!r}: size {self.size_bytes} is negative")
        unknown = [home for home in self.homes if home not in TENSOR_HOMES]
        if unknown or not self.homes or len(set(self.homes)) != len(self.homes):
            raise ValueError(
                f"tensor {self.name!r}: homes {self.homes} must be distinct ones of {TENSOR_HOMES}"
            )


@dataclass(frozen=True, eq=False)
class Move:
    """The Pareto options of a layer for one choice of homes.

    `rows` [n, 4] float64: time, energy, L1 tile bytes (without L1-homed operands), L2 staging bytes; any
    units for the first two, the same in the whole network. `refs` [n]: the caller's own number for each row.
    `resident`: bytes of parameters that the move keeps in L2, weight memory and L1; by default the layer's
    sizes in the move's `home_params`.
    """

    homes_in: tuple[str, ...]
    home_out: str
    home_params: str
    rows: FloatArray
    refs: IntArray
    resident: tuple[int, int, int] | None = None

    @cached_property
    def needs(self) -> FloatArray:
        """Front [n, 2] of (staging bytes, L1 tile bytes): the move as memory alone sees it."""
        needs = self.rows[:, [STAGING, L1_TILE]]
        return needs[nondominated(needs)]

    def __post_init__(self) -> None:
        if self.resident is not None and min(self.resident) < 0:
            raise ValueError(f"move's resident bytes {self.resident} must not be negative")
        if self.rows.ndim != 2 or self.rows.shape[1] != 4:
            raise ValueError(f"move rows must have shape [n, 4], got {self.rows.shape}")
        if self.refs.shape != (len(self.rows),):
            raise ValueError(f"move has {len(self.rows)} rows but refs of shape {self.refs.shape}")
        if not (np.isfinite(self.rows).all() and (self.rows >= 0).all()):
            raise ValueError("move rows must be finite and not negative")
        if self.home_params not in PARAM_HOMES:
            raise ValueError(f"move's home_params {self.home_params!r} is none of {PARAM_HOMES}")
        for home in (*self.homes_in, self.home_out):
            if home not in TENSOR_HOMES:
                raise ValueError(f"move's home {home!r} is none of {TENSOR_HOMES}")


@dataclass(frozen=True, eq=False)
class Layer:
    """One step. Identical layers should share one `moves` tuple: their option tables are then built once."""

    name: str
    inputs: tuple[int, ...]
    output: int
    params_bytes: int
    moves: tuple[Move, ...]
    params_wm_bytes: int = 0

    @cached_property
    def usage(self) -> FloatArray:
        """[m, 3] bytes of parameters that its moves keep in L2, weight memory and L1."""
        return np.array([self.resident(move) for move in self.moves], np.float64).reshape(-1, 3)

    def resident(self, move: Move) -> tuple[int, int, int]:
        """The same of one move."""
        if move.resident is not None:
            return move.resident
        return (
            self.params_bytes if move.home_params == "L2" else 0,
            self.params_wm_bytes if move.home_params == "WM" else 0,
            self.params_bytes if move.home_params == "L1" else 0,
        )

    def __post_init__(self) -> None:
        if len(set(self.inputs)) != len(self.inputs) or self.output in self.inputs:
            raise ValueError(
                f"layer {self.name!r}: inputs {self.inputs} and output {self.output} must be distinct"
            )
        if min(self.params_bytes, self.params_wm_bytes) < 0:
            raise ValueError(f"layer {self.name!r}: parameter bytes must not be negative")
        for move in self.moves:
            named, wanted = len(move.homes_in), len(self.inputs)
            if named != wanted:
                raise ValueError(f"layer {self.name!r}: a move names {named} input homes for {wanted} inputs")


@dataclass(frozen=True, eq=False)
class Network:
    """Tensors, layers in execution order, and the tensor indices that are live from the start or to the
    end.
    """

    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("network has no layers")
        born = set(self.inputs)
        for index in (*self.inputs, *self.outputs):
            self._check_index(index, "network")
        for index in self.inputs:
            if len(self.tensors[index].homes) != 1:
                raise ValueError(f"network input {self.tensors[index].name!r} must have exactly one home")
        for layer in self.layers:
            for index in (*layer.inputs, layer.output):
                self._check_index(index, f"layer {layer.name!r}")
            if layer.output in born:
                raise ValueError(
                    f"layer {layer.name!r}: {self.tensors[layer.output].name!r} is produced twice"
                )
            for index in layer.inputs:
                if index not in born:
                    raise ValueError(
                        f"layer {layer.name!r}: {self.tensors[index].name!r} is read before it is written"
                    )
            born.add(layer.output)
        for index in self.outputs:
            if index not in born:
                raise ValueError(f"network output {self.tensors[index].name!r} is never written")

    def _check_index(self, index: int, where: str) -> None:
        if not 0 <= index < len(self.tensors):
            raise ValueError(f"{where}: tensor index {index} is outside [0, {len(self.tensors)})")

    def live_ranges(self) -> tuple[tuple[int, int], ...]:
        """Per tensor the half-open range of steps [birth, end) in which it is live; (0, 0) if it does not
        occur.
        """
        ranges: dict[int, tuple[int, int]] = dict.fromkeys(self.inputs, (0, 1))
        for step, layer in enumerate(self.layers):
            for index in layer.inputs:
                ranges[index] = (ranges[index][0], step + 1)
            ranges[layer.output] = (step, step + 1)
        for index in self.outputs:
            ranges[index] = (ranges[index][0], len(self.layers))
        return tuple(ranges.get(index, (0, 0)) for index in range(len(self.tensors)))


@dataclass(frozen=True)
class Setting:
    """What the outer search fixes: the split of every memory. All in bytes.

    `l1_resident_bytes` of the L1 cap are set aside for parameters with home L1. `on_chip_resident_bytes`
    optionally caps the sum of the resident parameters in L2, weight memory and L1 (a budget over all on-chip
    levels). With `with_memory` that sum is a third objective; the arena and the L1 cap are constants of the
    setting.
    """

    l1_cap_bytes: int
    arena_bytes: int
    budget_resident_bytes: int
    wm_capacity_bytes: int = 0
    l1_resident_bytes: int = 0
    on_chip_resident_bytes: int | None = None
    with_memory: bool = False

    def __post_init__(self) -> None:
        for name in (
            "l1_cap_bytes",
            "arena_bytes",
            "budget_resident_bytes",
            "wm_capacity_bytes",
            "l1_resident_bytes",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"setting: {name} {getattr(self, name)} is negative")
        if self.on_chip_resident_bytes is not None and self.on_chip_resident_bytes < 0:
            raise ValueError(f"setting: on_chip_resident_bytes {self.on_chip_resident_bytes} is negative")
        if self.l1_resident_bytes > self.l1_cap_bytes:
            reserve, cap = self.l1_resident_bytes, self.l1_cap_bytes
            raise ValueError(f"setting: l1_resident_bytes {reserve} exceeds l1_cap_bytes {cap}")

    @property
    def objectives(self) -> int:
        """2 (time, energy) or 3 (and resident bytes)."""
        return 3 if self.with_memory else 2
