"""What mkdocs builds beside the written pages: the reference, made from the code, and the two root pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generator import checks, commands, components, contracts, environment, errors, hooks, plugins, python, settings

ROOT = Path(__file__).parent.parent
REFERENCE = (commands, settings, components, hooks, checks, plugins, contracts, python, errors, environment)


def pages() -> dict[str, str]:
    """Every generated page by its path in the site's sources."""
    found = {f"reference/{module.__name__.rpartition('.')[2]}.md": module.page() for module in REFERENCE}
    for name in ("CHANGELOG", "CONTRIBUTING"):
        found[f"{name.lower()}.md"] = (ROOT / f"{name}.md").read_text("utf-8")
    return found


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs: add the pages."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files
