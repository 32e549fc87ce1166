"""The checks as tests: a subclass in a plugin's own tests names what it tests, and pytest finds the rest.

::

    from framework_core.testing import DatasetSuite, ModelSuite, PackageSuite


    class TestPackage(PackageSuite):
        package = "fw-mine"


    class TestMyModel(ModelSuite):
        name = "my_model"
        settings = ("model.width=8",)


    class TestMyData(DatasetSuite):
        name = "my_data"
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from framework_core.testing.check import Check, Kind, checks_of
from framework_core.testing.examination import outcome
from framework_core.testing.subjects import PackageSubject, subjects_of

if TYPE_CHECKING:
    from framework_core.plugins.discovery import Offer


class _Suite:
    """Checks of some kinds on one subject."""

    kinds: ClassVar[tuple[Kind, ...]] = ()

    @classmethod
    def subjects(cls) -> Mapping[Kind, Any]:
        """What the checks of each kind look at."""
        return {}

    @classmethod
    def expected(cls) -> Mapping[str, str]:
        """Why checks are expected to fail, by name."""
        return {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        made = functools.cache(lambda: dict(cls.subjects()))

        @pytest.mark.parametrize("check", checks_of(*cls.kinds), ids=[each.name for each in checks_of(*cls.kinds)])
        def test_promise(self: _Suite, check: Check) -> None:
            found = outcome(check, made()[check.kind], type(self).__name__, self.expected())
            if found.ending == "not applicable":
                pytest.skip(found.why)
            if found.ending == "expected":
                pytest.xfail(found.why)
            if found.is_failure:
                pytest.fail(f"Promise: {found.promise}.\nFound: {found.why}", pytrace=False)

        cls.test_promise = test_promise  # type: ignore[attr-defined]


class PackageSuite(_Suite):
    """The promises of a package as a whole."""

    kinds = ("package",)
    package: ClassVar[str] = ""
    """The distribution's name."""

    @classmethod
    def subjects(cls) -> Mapping[Kind, Any]:
        """The package."""
        return {"package": PackageSubject(cls.package)}


class _ComponentSuite(_Suite):
    name: ClassVar[str] = ""
    """Its name, as the user types it."""
    settings: ClassVar[Sequence[str]] = ()
    """Overrides beside the spec's ``check_settings``."""

    @classmethod
    def _offer(cls) -> Offer:
        from framework_core.plugins.registry import registry

        return registry.resolve("model" if "model" in cls.kinds else "dataset", cls.name)

    @classmethod
    def subjects(cls) -> Mapping[Kind, Any]:
        """The component as it is listed, and as it is built."""
        offer = cls._offer()
        return subjects_of(offer, [*offer.spec.check_settings, *cls.settings])

    @classmethod
    def expected(cls) -> Mapping[str, str]:
        """Those of its spec."""
        return cls._offer().spec.expected_failures


class ModelSuite(_ComponentSuite):
    """The promises of a model."""

    kinds = ("component", "model")


class DatasetSuite(_ComponentSuite):
    """The promises of a dataset."""

    kinds = ("component", "dataset")
