"""DemP: units that die are removed as a network trains (Dufort-Labbé et al. 2024)."""
