"""Ways to talk with a trained model."""
