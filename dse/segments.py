"""Options of runs of layers, found once for all runs that are alike: deep networks repeat their blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from compiler.ir import Graph
from compiler.schedule.footprint import Footprint
from compiler.tiling.stripes import SegmentGraph
from dse.network import signature
from dse.options import OptionsRequest
from dse.options.pins import LayerPins
from dse.options.segment import Placement, SegmentMaker, SegmentOption, SegmentOptions

Needs = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of one graph. request: by operating point. pins: of every layer. blockers: why a layer cannot
    run on an NPU, by name. ends: homes of the tensors that have no choice."""

    graph: Graph
    request: Callable[[str], OptionsRequest]
    pins: tuple[LayerPins, ...]
    blockers: Mapping[str, tuple[str, ...]]
    ends: Mapping[str, str]
    _options: dict[object, tuple[SegmentOption, ...]] = field(default_factory=dict, repr=False)
    _least: dict[object, Needs] = field(default_factory=dict, repr=False)
    _known: dict[tuple[str, Placement], Footprint] = field(default_factory=dict, repr=False)
    _placed: dict[tuple[str, str], tuple[Placement, ...]] = field(default_factory=dict, repr=False)

    def options(self, point: str, first: int, last: int) -> SegmentOptions:
        """Everything that layers [first, last) can do as one."""
        run = SegmentGraph(self.graph, first, last)
        maker, key = self._maker(point, run), (point, self._alike(run))
        if key not in self._options:
            self._options[key] = maker.options().options
        return SegmentOptions(maker, self._options[key])

    def least(self, point: str, run: SegmentGraph) -> Needs:
        """(L1, staging, resident bytes) of its leanest ways; the same at every operating point."""
        key = self._alike(run)
        if key not in self._least:
            self._least[key] = self._maker(point, run).least()
        return self._least[key]

    def _maker(self, point: str, run: SegmentGraph) -> SegmentMaker:
        pins = self.pins[run.first : run.last]
        return SegmentMaker(run, self.request(point), pins, self.ends, self._known, self._placed)

    def _alike(self, run: SegmentGraph) -> object:
        """Equal for runs with the same options: the same layers, wired alike, on tensors of the same rows."""
        names = (*run.inputs, *run.inner, run.output)
        number = {name: k for k, name in enumerate(names)}
        layers = tuple(
            (
                signature(op, space, self.blockers.get(op.name, ()), pins),
                tuple(number[name] for name in (*op.inputs, op.output)),
            )
            for op, space, pins in zip(
                run.operators, run.spaces, self.pins[run.first : run.last], strict=True
            )
        )
        tensors = tuple((run.graph.by_name[n].bytes, run.rows[n], self.ends.get(n)) for n in names)
        return layers, tensors
