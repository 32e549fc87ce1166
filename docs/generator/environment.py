"""The page of environment variables, from the constants that name them."""

from __future__ import annotations

from generator.markdown import prose, table
from generator.source import constants

MARK = "Environment variable: "
OF_OTHERS = {
    "MLFLOW_TRACKING_URI": "the tracking store where `mlops.tracking.uri` is not set, as everywhere in MLflow.",
}

INTRODUCTION = """# Environment variables
Settings of a run are no environment variables; these are the few things that are. Variables of Lightning, MLflow,
torch and the Hugging Face hub mean what they mean there.
"""


def page() -> str:
    """Every variable that is read."""
    rows = [[f"`{name}`", what[:1].upper() + what[1:]] for name, what in sorted({**own(), **OF_OTHERS}.items())]
    return "\n".join([INTRODUCTION, table(["variable", "what"], rows)])


def own() -> dict[str, str]:
    """The framework's own variables."""
    return {value: prose(text.removeprefix(MARK)) for _, value, text in constants() if text.startswith(MARK)}
