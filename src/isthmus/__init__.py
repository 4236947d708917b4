"""isthmus: joins a paper's claim to the networks that show it."""
