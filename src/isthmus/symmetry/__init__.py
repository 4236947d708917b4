"""Symmetries as data: permuting, matching and their costs, for any model with a symmetry table."""
