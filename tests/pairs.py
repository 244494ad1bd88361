"""A small language model as a prefill and a decode graph, for tests of pairs."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from compiler.deployment import Deployment, LayerPlan
from compiler.frontend import ImportedPair, import_pair
from compiler.schedule import Decisions
from compiler.schedule.footprint import footprint
from tests.compiler.deployed import any_deployment, deployed
from tests.compiler.frontend.language import decode_model, language_model, samples
from tests.compiler.frontend.models import save

PAST = 9
"""Rows of the caches of decode, more than prefill has."""


def saved_pair(folder: Path, past: int = PAST) -> tuple[Path, Path, Path]:
    """Files of the prefill graph, the decode graph, the calibration data."""
    paths = []
    for name, model in (("prefill", language_model(caches=True)), ("decode", decode_model(past))):
        (folder / name).mkdir()
        path = save(model, folder / name)
        paths.append(path.rename(path.with_name(f"{name}.onnx")))
    data = folder / "samples.npz"
    np.savez(data, **samples(8))  # type: ignore[arg-type]
    return paths[0], paths[1], data


def small_pair(folder: Path) -> ImportedPair:
    """Both, imported."""
    prefill, decode, data = saved_pair(folder)
    return import_pair(prefill, decode, calibration=data)


def like(pair: ImportedPair, prefill: Deployment, seed: int) -> Deployment:
    """A random deployment of decode whose shared parameters lie as those of prefill do."""
    graph = pair.decode.module.main
    own = any_deployment(graph, seed)
    plans, params = dict(own.plan_of), dict(own.param_homes)
    for each in pair.shared.layers:
        theirs, mine = prefill.plan_of[each.prefill], plans[each.decode]
        plans[each.decode] = shaped(mine, theirs, each.dims)
        params[each.decode] = prefill.param_home_of[each.prefill]
    ordered = tuple(plans[plan.operator] for plan in own.plans)
    needs = tuple(
        footprint(op, op.space(graph.by_name), plans[op.name])
        for name in (plan.operator for plan in own.plans)
        for op in graph
        if op.name == name
    )
    return deployed(graph, Decisions(ordered, needs, dict(own.homes), params))


def shaped(mine: LayerPlan, theirs: LayerPlan, dims: tuple[str, ...]) -> LayerPlan:
    tile = tuple((name, theirs.sizes[name] if name in dims else size) for name, size in mine.tile)
    staging = (*mine.staging[:-2], theirs.staging[-2], mine.staging[-1])
    return replace(mine, engine=theirs.engine, layout=theirs.layout, tile=tile, staging=staging, prefetch=0)


def alike(pair: ImportedPair, prefill: Deployment, decode: Deployment) -> bool:
    """Whether caches have the homes of their rows."""
    return all(prefill.home_of[each.rows] == decode.home_of[each.state] for each in pair.shared.caches)


def any_pair(pair: ImportedPair, seed: int) -> tuple[Deployment, Deployment]:
    """Random deployments of both, the shared parameters lying alike."""
    for number in itertools.count(100 * seed):
        prefill = any_deployment(pair.prefill.module.main, number)
        if decode := next((d for k in range(4) if alike(pair, prefill, d := like(pair, prefill, k))), None):
            return prefill, decode
    raise AssertionError
