"""A tracking store in a SQLite file."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip
from framework_core.errors import OutputError, TrackingError, quoted
from framework_core.tracking.store import check_store

PATIENCE_SECONDS = 3.0
"""How long another process may hold the file; a run that writes holds it for a moment."""

MIGRATIONS = "store/db_migrations/versions"
REVISION = re.compile(r"^(down_)?revision(?:: str)? = [\"'](\w+)[\"']", re.M)


def database(path: Path, shown: str) -> Finding:
    """Whether runs can be written to the file.

    Args:
        path: The file; it may not be there yet.
        shown: Its address for people.
    """
    try:
        check_store(f"sqlite:///{path}")
    except (OutputError, TrackingError) as error:
        return Finding("tracking", "problem", error.what, _instead(path))
    if not path.is_file() or not path.stat().st_size:
        return Finding("tracking", "ok", f"{shown} is made by the first run")
    try:
        return _looked_into(path, shown)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            detail = f"{shown} has been locked by another process for {PATIENCE_SECONDS:.0f} s"
            return Finding("tracking", "problem", detail, f"fuser -v {quoted(str(path))}  # who it is")
        return Finding("tracking", "problem", f"{shown}: {error}", _instead(path))
    except sqlite3.DatabaseError as error:
        return Finding("tracking", "problem", f"{shown} is damaged: {error}", _instead(path))


def _looked_into(path: Path, shown: str) -> Finding:
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
        # Asks for the lock that writing needs, and gives it back: the file is not changed.
        connection.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")] if tables else []
        runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0] if "runs" in tables else 0
        connection.execute("ROLLBACK")
    known, newest = _revisions()
    if not tables or not known or newest in found:
        return Finding("tracking", "ok", f"{shown} can be written; it holds {runs:,} run{'' if runs == 1 else 's'}")
    mlflow = f"MLflow {installed_version('mlflow')}"
    if known.issuperset(found):
        detail = f"{shown} was made by an older MLflow, and {mlflow} does not use it so (keep a copy of it first)"
        return Finding("tracking", "problem", detail, f"mlflow db upgrade {quoted(f'sqlite:///{path}')}")
    detail = f"{shown} was made by a newer MLflow than {mlflow}, which cannot read it"
    return Finding("tracking", "problem", detail, pip("install -U", "mlflow"))


def _revisions() -> tuple[set[str], str]:
    """The schemas that the installed MLflow knows, and its newest; read from its files, since importing it is slow."""
    package = importlib.util.find_spec("mlflow")
    folders = [Path(each) / MIGRATIONS for each in (package.submodule_search_locations or [])] if package else []
    known: set[str] = set()
    replaced: set[str] = set()
    for file in (file for folder in folders for file in folder.glob("*.py")):
        for older, revision in REVISION.findall(file.read_text("utf-8")):
            (replaced if older else known).add(revision)
    newest = known - replaced
    return (known, newest.pop()) if len(newest) == 1 else (set(), "")


def _instead(path: Path) -> str:
    if not path.parent.is_dir():
        return f"mkdir -p {quoted(str(path.parent))}"
    if path.is_file():
        return f"mv {quoted(str(path))} {quoted(f'{path}.broken')}  # the next run makes a new one"
    return "fw train mlops.tracking.uri=sqlite:////FOLDER/mlflow.db ..."
