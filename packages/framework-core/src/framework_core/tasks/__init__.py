"""What is learned: losses, metrics, predictions and figures of the usual tasks, for models of any domain."""
