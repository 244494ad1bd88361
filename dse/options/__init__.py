"""What every layer can do: tilings on every engine, priced for every choice of homes, Pareto-pruned."""

from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.table import LayerOptions, OptionsRequest, layer_options

__all__ = ["Candidates", "Effort", "LayerOptions", "OptionsRequest", "layer_candidates", "layer_options"]
