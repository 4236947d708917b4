"""Paths between networks and the barriers on them."""
