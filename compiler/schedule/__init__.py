"""From decisions to addresses: footprints, lifetimes, static allocation, deployments."""

from compiler.schedule.buffers import BufferMaker, Decisions, deployment_buffers
from compiler.schedule.deploy import Deployer, LevelCapacities, deploy
from compiler.schedule.footprint import Footprint, footprint
from compiler.schedule.legality import check_deployment, scheduled
from compiler.schedule.pair import Cache, Shared, SharedLayer, Together, place_together, shared_layers

__all__ = [
    "BufferMaker",
    "Cache",
    "Decisions",
    "Deployer",
    "Footprint",
    "LevelCapacities",
    "Shared",
    "SharedLayer",
    "Together",
    "check_deployment",
    "deploy",
    "deployment_buffers",
    "footprint",
    "place_together",
    "scheduled",
    "shared_layers",
]
