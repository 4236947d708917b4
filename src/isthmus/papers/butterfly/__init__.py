"""Room: sensitivity of training to one small perturbation."""
