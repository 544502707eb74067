"""Faults around the events' way, the load that arrives meanwhile, and the score afterwards."""
