"""Which of a run's processes this is."""

from __future__ import annotations

import os

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Environment variables in which launchers say it, as Lightning reads them."""

COMPLETE = "FRAMEWORK_COMPLETE"
"""Environment variable: a shell asks for completions of what was typed, and names itself."""


def is_main_process() -> bool:
    """Whether this process writes and speaks for the run: the first one, or the only one."""
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    return rank in ("", "0")
