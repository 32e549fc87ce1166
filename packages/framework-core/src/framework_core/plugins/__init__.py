"""Plugins: the hooks, their discovery, and the catalogue of what they offer."""
