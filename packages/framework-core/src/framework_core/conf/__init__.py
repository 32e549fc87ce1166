"""Core's config groups in YAML."""
