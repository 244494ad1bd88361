"""Platforms and the analytical time and energy of kernels, transfers and pipelines."""
