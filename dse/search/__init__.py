"""The outer search: Optuna over the coordinating decisions, one trial per design point."""

from dse.search.explore import EvaluateBatch, explore
from dse.search.options import Progress, SearchError, SearchOptions, SearchResult
from dse.search.samplers import SAMPLERS
from dse.search.store import Storage, StorageError

__all__ = [
    "SAMPLERS",
    "EvaluateBatch",
    "Progress",
    "SearchError",
    "SearchOptions",
    "SearchResult",
    "Storage",
    "StorageError",
    "explore",
]
