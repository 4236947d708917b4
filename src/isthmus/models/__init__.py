"""One file per model family: a plain module, its initialisation and its symmetry table."""
