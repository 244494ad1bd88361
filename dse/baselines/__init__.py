"""Policies of the field as decision rules, realised and priced like all points, and what a front gains."""

from dse.baselines.compare import Gain, compare
from dse.baselines.policies import POLICIES, Policy
from dse.baselines.realise import Baseline, baselines

__all__ = ["POLICIES", "Baseline", "Gain", "Policy", "baselines", "compare"]
