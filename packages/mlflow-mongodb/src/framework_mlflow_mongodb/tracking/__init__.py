"""The tracking store, one module for each area."""
