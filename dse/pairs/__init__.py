"""One exploration over the prefill and the decode graph of a language model."""

from dse.pairs.explore import explore_pair
from dse.pairs.points import PairExploration, PairPoint
from dse.pairs.task import PairTask, Tokens

__all__ = ["PairExploration", "PairPoint", "PairTask", "Tokens", "explore_pair"]
