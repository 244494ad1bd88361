"""From decisions to addresses: footprints, lifetimes, static allocation, deployments."""

from compiler.schedule.buffers import BufferMaker, Decisions, deployment_buffers
from compiler.schedule.deploy import Deployer, LevelCapacities, deploy
from compiler.schedule.footprint import Footprint, footprint
from compiler.schedule.legality import check_deployment, scheduled

__all__ = [
    "BufferMaker",
    "Decisions",
    "Deployer",
    "Footprint",
    "LevelCapacities",
    "check_deployment",
    "deploy",
    "deployment_buffers",
    "footprint",
    "scheduled",
]
