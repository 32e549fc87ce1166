"""Which tests stay together when several processes share them."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make the long tests of a file a group: they share servers, environments and runs that take long to make."""
    for item in items:
        is_long = any(item.get_closest_marker(name) for name in ("long", "ddp"))
        if is_long and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
