"""From decisions to addresses: footprints, lifetimes, static allocation, deployments."""

from compiler.schedule.buffers import Decisions, deployment_buffers
from compiler.schedule.deploy import LevelCapacities, deploy
from compiler.schedule.footprint import Footprint, footprint
from compiler.schedule.legality import check_deployment, scheduled

__all__ = [
    "Decisions",
    "Footprint",
    "LevelCapacities",
    "check_deployment",
    "deploy",
    "deployment_buffers",
    "footprint",
    "scheduled",
]
