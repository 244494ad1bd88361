"""What can go wrong between a found front and its directory."""

from __future__ import annotations


class OutputError(Exception):
    """A directory or file that the user named and that cannot be used; one clear line."""


class EmissionError(Exception):
    """A deployment that does not compute what the reference computes, or counts otherwise than predicted.

    Always a defect of this program, never of its input: no such C may be written.
    """
