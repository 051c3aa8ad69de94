"""Damaged audio without end: mutants of healthy files through the real service, and a judge of what became of them."""
