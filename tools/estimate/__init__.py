"""Predictions of latency, energy and memory, from a plan and a device profile."""
