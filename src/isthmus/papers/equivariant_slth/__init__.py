"""Room: equivariant strong lottery tickets, and edge-popup, which finds such tickets by training scores."""
