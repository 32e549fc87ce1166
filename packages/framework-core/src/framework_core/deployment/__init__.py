"""What becomes of a trained model outside training: files that other programs run."""
