"""Checkpoints of every kind: what is in them, one file of them, and one kind made of another."""
