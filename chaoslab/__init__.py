"""Chaos experiments and disaster-recovery drills whose faults never outlive their run."""

__version__ = "0.1.0"
