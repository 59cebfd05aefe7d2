"""Simulated venues: five exchanges in their own wire formats, from a market that is a pure function of seed and time.

`market` is the truth, one file per venue its wire format, `server` serves them, `process` by itself. Imports nothing of the worker.
"""
