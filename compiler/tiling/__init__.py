"""Legal tilings of an operator and their exact traffic, as arrays over candidates."""

from compiler.tiling.candidates import TileLimits, enumerate_tiles, tile_sizes
from compiler.tiling.grid import Grid, Product
from compiler.tiling.traffic import ParamTraffic, StreamTraffic, operand_traffic, param_traffic, reload_depth

__all__ = [
    "Grid",
    "ParamTraffic",
    "Product",
    "StreamTraffic",
    "TileLimits",
    "enumerate_tiles",
    "operand_traffic",
    "param_traffic",
    "reload_depth",
    "tile_sizes",
]
