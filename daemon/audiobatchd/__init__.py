"""audiobatchd: gives every folder of a music dataset its numbers, exactly once."""

__version__ = "0.1.0"
