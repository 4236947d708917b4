"""Scores of how hard an example is, and how far a ranking by them depends on run, score and architecture."""
