"""How tests are spread over processes."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``--dist loadgroup``, the tests of a file stay together: they share what takes long. Pages share nothing."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and item.get_closest_marker("docs") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
