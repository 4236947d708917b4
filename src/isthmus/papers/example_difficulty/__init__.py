"""Room: how far the difficulty of an example depends on the run, the score and the architecture."""
