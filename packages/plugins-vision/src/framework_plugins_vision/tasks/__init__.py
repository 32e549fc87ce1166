"""What can be learned from images: each task with its losses, metrics, predictions and figures."""
