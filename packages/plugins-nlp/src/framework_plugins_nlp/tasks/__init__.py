"""What is learned from text."""
