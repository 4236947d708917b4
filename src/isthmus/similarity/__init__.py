"""How far apart two networks are: in weights, in predictions and in representations."""
