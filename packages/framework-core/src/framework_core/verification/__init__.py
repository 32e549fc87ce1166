"""Proofs that hold for a user's own model and data, and not only for ours."""
