"""The model registry store, one module for each area."""
