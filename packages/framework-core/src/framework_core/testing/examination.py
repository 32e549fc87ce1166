"""Runs checks and tells how each ended: ``fw plugin check`` and the suites for pytest go by it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from framework_core.download import UnreachableError
from framework_core.errors import ConfigError, FrameworkError, UsageError, near_names
from framework_core.testing.check import BrokenPromiseError, Check, NotApplicableError, checks_of
from framework_core.testing.config_files import UNSET
from framework_core.testing.subjects import PackageSubject, subjects_of

if TYPE_CHECKING:
    from framework_core.plugins.discovery import Offer

Ending = Literal["kept", "broken", "not applicable", "expected", "unexpectedly kept"]


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    Args:
        subject: What was looked at: ``model my_model``.
        check: The check's name.
        promise: What is promised.
        ending: ``kept``, ``broken``, ``not applicable``; ``expected`` where it is broken and that was expected;
            ``unexpectedly kept`` where that was expected and it is kept.
        why: What was found, or why there was nothing to look at, or the reason of the expectation.
    """

    subject: str
    check: str
    promise: str
    ending: Ending
    why: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it counts against the plugin."""
        return self.ending in ("broken", "unexpectedly kept")

    def plain(self) -> dict[str, str]:
        """As plain values."""
        return asdict(self)


def outcome(check: Check, subject: Any, title: str, expected: Mapping[str, str] | None = None) -> Outcome:
    """Make one check.

    Args:
        check: The check.
        subject: What it looks at.
        title: What to call that.
        expected: Why a check is expected to fail, by its name.
    """
    reason = (expected or {}).get(check.name)
    try:
        with quiet():
            check.function(subject)
    except NotApplicableError as nothing:
        return Outcome(title, check.name, check.promise, "not applicable", str(nothing))
    except UnreachableError as error:
        why = f"{error.what.splitlines()[0]} Where there is a network: fw data fetch {title.rpartition(' ')[2]}"
        return Outcome(title, check.name, check.promise, "not applicable", why)
    except BrokenPromiseError as broken:
        found = str(broken)
    except ConfigError as error:
        if all(problem.message == UNSET for problem in error.problems):
            unset = ", ".join(problem.path for problem in error.problems)
            why = f"{unset} has to be set: check_settings in its spec, or --set {title.rpartition(' ')[2]}:{unset}=..."
            return Outcome(title, check.name, check.promise, "not applicable", why)
        found = _line(error)
    except FrameworkError as error:
        found = _line(error)
    except Exception as error:  # noqa: BLE001  # a stranger's code
        found = f"{type(error).__name__}: {error}"
    else:
        if reason is None:
            return Outcome(title, check.name, check.promise, "kept")
        return Outcome(title, check.name, check.promise, "unexpectedly kept", f"it was expected to fail: {reason}")
    if reason is not None:
        return Outcome(title, check.name, check.promise, "expected", reason)
    return Outcome(title, check.name, check.promise, "broken", found)


def examine(
    package: str,
    *,
    settings: Mapping[str, Sequence[str]] | None = None,
    only: Iterable[str] = (),
    thorough: bool = False,
) -> Iterator[Outcome]:
    """Make every check of an installed package and of all that it offers.

    Args:
        package: The distribution's name.
        settings: More overrides for a component, by its name: ``{"my_model": ["model.width=8"]}``.
        only: Names of components to look at; without it, all of them, and the package.
        thorough: Whether to make the checks that train for long.

    Yields:
        How each ended, as soon as it did.

    Raises:
        UsageError: It does not offer what is named in ``only``.
    """
    subject, chosen, import_broken = PackageSubject(package), set(only), False
    for check in checks_of("package"):
        if check.name != IMPORT and (chosen or (import_broken and check.name not in FROM_OUTSIDE)):
            continue  # what importing did to the other process it would do to this one
        found = outcome(check, subject, package)
        import_broken |= found.is_failure and check.name == IMPORT
        if not chosen or found.is_failure:
            yield found
    if import_broken:
        return
    _refuse_unknown(package, chosen, {offer.spec.name for offer in subject.offers})
    for offer in subject.offers:
        if not chosen or offer.spec.name in chosen:
            yield from _of_component(offer, (settings or {}).get(offer.spec.name, ()), thorough)


IMPORT = "import_works"
FROM_OUTSIDE = (
    *("offers_something", IMPORT, "import_is_light", "import_is_quick", "import_is_silent"),
    *("import_leaves_nothing", "has_licence", "says_which_core"),
)
"""Checks that do not import the package in this process."""


def _of_component(offer: Offer, more: Sequence[str], thorough: bool) -> Iterator[Outcome]:
    title = f"{offer.spec.kind} {offer.spec.name}"
    subjects = subjects_of(offer, [*offer.spec.check_settings, *more])
    for check in checks_of(*subjects, thorough=thorough):
        yield outcome(check, subjects[check.kind], title, offer.spec.expected_failures)


def _refuse_unknown(package: str, chosen: set[str], offered: set[str]) -> None:
    for name in sorted(chosen - offered):
        near = near_names(name, sorted(offered))
        raise UsageError(
            f"The package {package} offers no {name!r}.",
            command="fw plugin check",
            possible=f"Near it: {', '.join(near[:3])}." if near else f"It offers {len(offered)} components.",
            next_step=f"See what it offers: fw list models --plugin {package}",
        )


def _line(error: Exception) -> str:
    return " ".join(line.strip() for line in str(error).splitlines())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what training and building print."""
    import logging

    loggers = [logging.getLogger(name) for name in ("framework_core", "lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
