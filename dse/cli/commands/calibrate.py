"""`dse calibrate`: coefficients of a platform from measured kernels, with the errors that are left."""

from __future__ import annotations

from argparse import Namespace

from compiler.bench import Runner, command_runner, target_runner
from compiler.targets import Target
from compiler.targets.toolchain import rv32_toolchain
from costmodels.calibration.fit import Errors
from costmodels.calibration.rewrite import with_facts
from costmodels.engines import XpulpEngine
from costmodels.platform import Platform, load_platform
from costmodels.validation.kernels import kernel_table
from dse.calibrate import Calibration, Effort, calibrate, counted_engine
from dse.calibrate_power import calibrate_power
from dse.cli.tables import plain_table
from dse.cli.terminal import Terminal
from dse.output.platform_text import platform_text


def main(arguments: Namespace) -> int:
    """Print the errors on what was not fitted; write the platform file where one is asked for."""
    terminal = Terminal.of()
    if arguments.power:
        return _power(arguments, terminal)
    effort = Effort(arguments.shapes, arguments.networks, arguments.seed, arguments.kernels)
    platform = load_platform(arguments.platform)
    found = calibrate(platform, _runner(arguments, platform), effort)
    _print(found.errors, terminal)
    if arguments.rows is not None:
        rows = found.rows(arguments.platform, "gvsoc-xpulp")
        arguments.rows.write_text(kernel_table(rows), encoding="utf-8")
    if arguments.out is not None:
        arguments.out.write_text(_text(arguments, found), encoding="utf-8")
        terminal.say(f"{len(found.values)} coefficients in {arguments.out}")
    return 0


def _power(arguments: Namespace, terminal: Terminal) -> int:
    """Fit what the cores draw, and what is always drawn, to the energies in costmodels/calibration."""
    found = calibrate_power(arguments.platform)
    _print(found.errors, terminal, "")
    terminal.say("")
    for key, value in found.values.items():
        terminal.say(f"{key} = {value}")
    if arguments.out is not None:
        text = with_facts(platform_text(arguments.platform), arguments.platform, found.facts)
        arguments.out.write_text(text, encoding="utf-8")
    return 0


def _runner(arguments: Namespace, platform: Platform) -> Runner:
    """A user's command; else our simulator, or for kernels of Siracusa's cores the one that was named."""
    if arguments.runner:
        return command_runner(arguments.runner, arguments.timeout)
    target: Target = "siracusa" if isinstance(counted_engine(platform), XpulpEngine) else "rv32"
    return target_runner(target, arguments.timeout, arguments.simulator)


def _text(arguments: Namespace, found: Calibration) -> str:
    """The platform's file with the fitted values; raises PlatformError where it has no place for them."""
    command = f"dse calibrate --platform {arguments.platform} --shapes {arguments.shapes}"
    where = arguments.runner or _compiler()
    some = f" --kernels {','.join(arguments.kernels)}" if arguments.kernels else ""
    facts = found.facts(f"{command} --networks {arguments.networks} --seed {arguments.seed}{some}: {where}")
    return with_facts(platform_text(arguments.platform), arguments.platform, facts)


def _compiler() -> str:
    """Compiler, version and flags: coefficients are true for these only."""
    chain = rv32_toolchain()
    program, _, version = chain.identity.partition("\n")
    name = program.rsplit("/", 1)[-1]
    flags = [flag for flag in chain.compile_flags if flag.startswith(("-O", "-mcpu", "-march"))]
    return " ".join([name, version.splitlines()[0] if version else "", *flags])


def _print(errors: tuple[Errors, ...], terminal: Terminal, title: str = "held out") -> None:
    table = plain_table(title, "cores", "samples", "mean error", "worst", left=(title,))
    for row in errors:
        figures = f"{row.mean:.2%}", f"{row.worst:.2%}"
        table.add_row(row.family, str(row.cores), str(row.count), *figures)
    terminal.table(table)
