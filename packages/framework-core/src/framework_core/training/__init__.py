"""Training: optimizers and schedulers, callbacks, checks before the first step, and the Trainer's assembly."""
