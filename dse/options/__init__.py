"""What every layer can do: tilings on every engine, priced for every choice of homes, Pareto-pruned."""

from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.table import LayerOptions, OptionsRequest, Sets, layer_options, layer_sets

__all__ = [
    "Candidates",
    "Effort",
    "LayerOptions",
    "OptionsRequest",
    "Sets",
    "layer_candidates",
    "layer_options",
    "layer_sets",
]
