"""Fitting platforms to measurements, and the project's tables of measurements (README.md)."""
