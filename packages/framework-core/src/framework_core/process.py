"""Which of a run's processes this is."""

from __future__ import annotations

import os

_RANK = "RANK"
"""Environment variable in which torchrun says it."""

_PARTS = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Where others say it, as Lightning reads it: which process of its node, which node, which of a job."""

JOB = "FRAMEWORK_JOB"
"""Environment variable: the cluster's job that this process belongs to, the same when it is started again."""

FIRST = "FRAMEWORK_FIRST_PROCESS"
"""Environment variable: the number of the process that has started this one to train with it."""

COMPLETE = "FRAMEWORK_COMPLETE"
"""Environment variable: a shell asks for completions of what was typed, and names itself."""


def is_main_process() -> bool:
    """Whether this process writes and speaks for the run: the first one, or the only one."""
    said = [_RANK] if _RANK in os.environ else _PARTS
    return all(os.environ.get(name, "0") in ("", "0") for name in said)


def is_started_again() -> bool:
    """Whether torchrun has started this process in place of one that died."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") not in ("", "0")


def job() -> str:
    """The cluster's job that this process belongs to, the same when it is started again; empty where there is none."""
    named = [os.environ.get(name, "") for name in (JOB, "SLURM_JOB_ID", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID")]
    # That is torchrun's name for a job that nobody named.
    return " ".join(word for word in named if word not in ("", "none"))
