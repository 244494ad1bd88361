"""Edits of a Net that all rewriting rules share. Every function returns a new Net."""

from __future__ import annotations

from dataclasses import replace

from compiler.frontend.steps import Net, Step, Value


def substitute(net: Net, old: str, new: str) -> Net:
    """Read `new` wherever `old` was read; `old` disappears."""
    steps = tuple(
        replace(step, inputs=tuple(new if name == old else name for name in step.inputs))
        if old in step.inputs
        else step
        for step in net.steps
    )
    outputs = tuple(new if name == old else name for name in net.outputs)
    values = {name: value for name, value in net.values.items() if name != old}
    return replace(net, steps=steps, outputs=outputs, values=values)


def with_steps(net: Net, changes: dict[int, Step | None]) -> Net:
    """Replace steps by index; None removes one."""
    steps = [changes.get(index, step) for index, step in enumerate(net.steps)]
    return replace(net, steps=tuple(step for step in steps if step is not None))


def with_value(net: Net, value: Value) -> Net:
    """Add or replace a value."""
    return replace(net, values={**net.values, value.name: value})


def annotated(net: Net, note: str) -> Net:
    return replace(net, notes=(*net.notes, note))


def without_dead(net: Net) -> Net:
    """Drop steps that no output depends on, and values that nothing mentions."""
    needed = set(net.outputs)
    kept: list[Step] = []
    for step in reversed(net.steps):
        if step.output in needed:
            kept.append(step)
            needed.update(step.inputs)
    used = needed | set(net.inputs)
    values = {name: value for name, value in net.values.items() if name in used}
    return replace(net, steps=tuple(reversed(kept)), values=values)
