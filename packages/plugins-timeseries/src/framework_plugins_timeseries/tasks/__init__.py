"""What can be learned from series: each task with its losses, metrics, predictions and figures."""
