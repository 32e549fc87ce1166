"""The list of plugins, from the file by which core names them."""

from __future__ import annotations

from framework_core.plugins.hints import install_hints
from generator.markdown import table

INTRODUCTION = """# List of plugins
Packages that core knows by name: where a model or dataset is asked for that one of them brings and that is not installed,
the error says which package to install. `*` stands for anything.
"""
OF_YOUR_OWN = """To get yours on the list, add its names to
`packages/framework-core/src/framework_core/plugins/install_hints.json` in a pull request, with a link to its package and to
the result of `fw plugin check --certify`. Nothing else in core names a package.
"""


def page() -> str:
    """A row for each package and kind."""
    rows = [
        [f"`{distribution}`", f"{kind}s", ", ".join(f"`{pattern}`" for pattern in patterns)]
        for kind, packages in install_hints().items()
        for distribution, patterns in packages.items()
    ]
    return "\n".join([INTRODUCTION, table(["package", "brings", "names"], sorted(rows)), "", OF_YOUR_OWN])
