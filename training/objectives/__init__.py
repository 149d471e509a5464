"""What a recipe trains for: a loss or several, with the memory or the weights that they keep besides the model."""
