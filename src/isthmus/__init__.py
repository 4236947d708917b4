"""isthmus: joins a paper's claim to the networks that show it."""

import os

# Left to itself, MKL rounds a product by where its matrices happen to lie in memory: a network's bits would tell
# its place in the fleet. It reads this when torch is imported, so isthmus comes first.
os.environ.setdefault("MKL_CBWR", "AUTO")
