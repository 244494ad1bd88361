"""Pooling, four channels at once."""

from __future__ import annotations

import numpy as np

from costmodels.arrays import ceil_div, floats
from costmodels.engines.portable.windowed import Channels, Site, SiteWeights
from costmodels.engines.xpulp.costs import BlockPoolCosts

LANES = 4


def pool_weights(costs: BlockPoolCosts, site: Site, of: Channels) -> SiteWeights:
    """Cycles of a pixel and of a row of its taps, by the channels of a core."""
    blocks = np.where(of.channels >= LANES, ceil_div(of.channels, LANES), 0.0)
    single = np.where(of.channels >= LANES, 0.0, of.channels)
    border = costs.border_cycles if site.narrow else 0.0
    count = costs.pixel_cycles + border + blocks * costs.four.block_cycles + single * costs.one.block_cycles
    if not site.width:
        return count, floats(0.0), floats(0.0)
    four, one = (taps.row_cycles + site.width * taps.tap_cycles for taps in (costs.four, costs.one))
    return count, blocks * four + single * one, floats(0.0)
