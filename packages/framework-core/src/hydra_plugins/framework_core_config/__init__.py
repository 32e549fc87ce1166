"""What makes core's and every plugin's config groups known to Hydra, also under ``@hydra.main``."""

from framework_core.config.source import FrameworkConfigSource, FrameworkSearchPath

__all__ = ["FrameworkConfigSource", "FrameworkSearchPath"]
