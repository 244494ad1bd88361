"""From decisions to addresses: footprints, lifetimes, static allocation, deployments."""

from compiler.schedule.buffers import Decisions, deployment_buffers
from compiler.schedule.deploy import LevelCapacities, deploy
from compiler.schedule.footprint import Footprint, footprint

__all__ = ["Decisions", "Footprint", "LevelCapacities", "deploy", "deployment_buffers", "footprint"]
