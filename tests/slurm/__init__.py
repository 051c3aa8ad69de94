"""Tests under a real Slurm."""
