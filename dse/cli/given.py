"""The deployment that a command is given, with the model and the platform that it is for."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from compiler.deployment import Deployment, DeploymentError, deployment_from_json
from compiler.frontend import load
from compiler.ir import Module
from costmodels.platform import Platform, load_platform, platform_names
from dse.cli.errors import UsageError
from dse.output import Explored, Layout, open_explored
from dse.output.layout import DECODE, PREFILL


@dataclass(frozen=True)
class Given:
    """name: of the file, or of the directory that holds a file called deployment.json."""

    name: str
    deployment: Deployment
    module: Module
    platform: Platform


def given(arguments: Namespace) -> Given:
    """What `--model`, `--platform` and the path of a deployment, or of a project with one, stand for.

    Raises UsageError.
    """
    path: Path = arguments.deployment
    if (path / f"{PREFILL}.json").is_file():
        halves = " or ".join(str(path.parents[1] / side / "points" / path.name) for side in (PREFILL, DECODE))
        raise UsageError(f"{path} holds a pair of deployments, of which this looks at one: say {halves}")
    if path.is_dir():
        path = path / "deployment.json"
    deployment = _deployment(path)
    explored = _explored_around(path)
    name = path.absolute().parent.name if path.name == "deployment.json" else path.stem
    return Given(
        name, deployment, _module(arguments, deployment, explored), _platform(arguments, deployment, explored)
    )


def _deployment(path: Path) -> Deployment:
    try:
        return deployment_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a deployment file: no UTF-8 text") from None
    except DeploymentError as error:
        raise UsageError(f"{path}: {error}") from None


def _explored_around(path: Path) -> Explored | None:
    """The explored directory that a deployment lies in, if it does."""
    for folder in path.absolute().parents[:3]:
        if Layout(folder).is_explored:
            return open_explored(folder)
    return None


def _module(arguments: Namespace, deployment: Deployment, explored: Explored | None) -> Module:
    if arguments.model is not None:
        module = load(arguments.model, calibration=arguments.calibration, seed=arguments.seed)
    elif explored is not None:
        module = explored.module
    else:
        raise UsageError(f"{arguments.deployment} lies in no explored directory: name its --model")
    if module.sha256 != deployment.model_sha256:
        raise UsageError(
            f"the deployment is of another model: {deployment.model} with SHA-256 "
            f"{deployment.model_sha256[:12]}, not {module.sha256[:12]}"
        )
    return module


def _platform(arguments: Namespace, deployment: Deployment, explored: Explored | None) -> Platform:
    if arguments.platform is not None:
        return load_platform(arguments.platform)
    if explored is not None:
        return explored.platform
    if deployment.platform in platform_names():
        return load_platform(deployment.platform)
    raise UsageError(
        f"the deployment's platform {deployment.platform!r} is not built in: name its --platform"
    )
