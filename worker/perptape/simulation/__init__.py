"""Simulated venues: five exchanges in their own wire formats, from a market that is a pure function of seed and time."""
