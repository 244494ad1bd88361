"""Attention as a design space: depth-first in memory, fused weights in time; see docs/attention.md."""
