"""Experiments of this package, as Hydra config groups."""
