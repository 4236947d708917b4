"""Networks as coefficients of equivariant bases; subnetworks of random ones by subset sums or by scores."""
