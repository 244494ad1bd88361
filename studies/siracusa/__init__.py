"""Cycles of explored points and of a baseline on a simulator of Siracusa, beside the prediction."""
