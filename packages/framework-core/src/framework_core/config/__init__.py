"""Configuration: Hydra composes, pydantic validates, once."""
