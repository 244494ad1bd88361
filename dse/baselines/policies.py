"""The policies: one rule for every axis of the design space, in the vocabulary of the explorer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Engines(StrEnum):
    """Who runs a layer. FIRST: the first that can, accelerators before cores. CORES: never an accelerator."""

    FIRST = "first"
    CORES = "cores"


class Tiles(StrEnum):
    """Which of the tiles that L1 holds. LARGEST: most bytes. DORY: see `dse.baselines.tiles.dory_score`."""

    LARGEST = "largest"
    DORY = "dory"


class Weights(StrEnum):
    """Where parameters live. FIT: all in L2 if the deployment then fits, else all in L3. L2, L3: all of them.
    WEIGHT_MEMORY: those that an NPU reads in its weight memory, in the order of the layers while there is
    room, the others as FIT."""

    FIT = "fit"
    L2 = "l2"
    L3 = "l3"
    WEIGHT_MEMORY = "weight_memory"


@dataclass(frozen=True)
class Policy:
    """A rule for every decision. What no policy of the field decides is off: activations live in L2, layers
    run one by one in the order of the network at the default operating point, loops as the operator lists
    them first, the kernel splits itself over the cores as is quickest for the tile.

    buffering: 1 or 2 slots a stream in L1. source: whose rule it is.
    """

    name: str
    what: str
    source: str
    engines: Engines = Engines.FIRST
    tiles: Tiles = Tiles.LARGEST
    weights: Weights = Weights.FIT
    buffering: int = 2


_ONE_AXIS = "one axis of deeploy"
_DEEPLOY = "Scherer et al., Deeploy, IEEE TCAD 2024"

POLICIES: tuple[Policy, ...] = (
    Policy(
        "deeploy",
        "first engine that can, largest tile that L1 holds twice, weights in L2 if they fit, else in L3",
        _DEEPLOY,
    ),
    Policy(
        "deeploy-wmem",
        "the same, with the NPU's weights in its weight memory as long as there is room",
        _DEEPLOY,
        weights=Weights.WEIGHT_MEMORY,
    ),
    Policy(
        "dory",
        "tiles whose rows, columns and channels suit the kernels (8, 2, 4), then the largest",
        "Burrello et al., DORY, IEEE TC 2021",
        tiles=Tiles.DORY,
    ),
    Policy("weights-l3", "as deeploy, all weights streamed from L3", _ONE_AXIS, weights=Weights.L3),
    Policy("weights-l2", "as deeploy, all weights resident in L2", _ONE_AXIS, weights=Weights.L2),
    Policy("single-buffer", "as deeploy, one buffer a stream: no overlap", _ONE_AXIS, buffering=1),
    Policy("cluster-only", "as deeploy, all layers on the cores", _ONE_AXIS, engines=Engines.CORES),
)
