"""Modules and graphs, legal tilings, deployments, programs, simulation, C."""
