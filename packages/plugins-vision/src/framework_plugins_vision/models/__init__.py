"""The models of this package."""
