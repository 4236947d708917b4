"""Units that are removed while a network trains: which, when, and what is left to compute."""
