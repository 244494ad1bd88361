"""Why a design point takes as long as it does: causes, what binds, rooflines, a timeline."""

from dse.explain.layer import Cause, LayerExplanation, Share
from dse.explain.network import Explainer, Explanation, explain

__all__ = ["Cause", "Explainer", "Explanation", "LayerExplanation", "Share", "explain"]
