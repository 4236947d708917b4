"""Which weights stay: masks over rows, the scores that choose them, and how masks compare."""
