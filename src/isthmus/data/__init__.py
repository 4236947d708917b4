"""Data sets: the register that names them, their sources, and their prepared form."""

# What a split cuts a set into.
PARTS = ("train", "validation", "test")
