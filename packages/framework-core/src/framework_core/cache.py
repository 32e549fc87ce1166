"""Where the framework keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE = "FRAMEWORK_CACHE"
"""Environment variable: the folder of the cache."""


def cache_folder() -> Path:
    """The user's cache folder; it may not be there yet."""
    chosen = os.environ.get(CACHE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("framework")
