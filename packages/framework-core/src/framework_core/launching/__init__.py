"""Files by which a cluster starts a training on its nodes."""

from framework_core.launching.job import Job, job_of
from framework_core.launching.rendering import ENGINES, render

__all__ = ["ENGINES", "Job", "job_of", "render"]
