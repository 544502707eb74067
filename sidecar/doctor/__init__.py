"""`sidecar doctor`: every link looked at, each with what to do when it fails, and none hiding the next."""

from sidecar.doctor.finding import Finding, State
from sidecar.doctor.run import Area, examine

__all__ = ["Area", "Finding", "State", "examine"]
