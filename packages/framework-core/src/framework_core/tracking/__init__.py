"""Tracking: what a run was, what it measured and what came out of it, in MLflow."""
