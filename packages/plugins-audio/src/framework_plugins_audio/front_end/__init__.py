"""From waves to features, on the model's device: one part a file."""
