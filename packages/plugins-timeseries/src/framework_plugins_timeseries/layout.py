"""Which column of a window is what. Plain data, saved with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_core.contracts import DataSpec


SERIES = "series"
"""The static column with the number of the series, where there is more than one."""


@dataclass(frozen=True)
class Layout:
    """The columns of a window, in this order: targets, past and future covariates, static ones.

    A window has ``look_back`` rows, and ``horizon`` more where covariates are known ahead; there the targets and past
    covariates are zero. A static covariate has one value in all rows.

    Args:
        look_back: How many steps the model sees.
        horizon: How many steps it predicts.
        targets: The names of what is predicted.
        past: Covariates that are known up to now.
        future: Covariates that are known ahead: a calendar, prices that are set.
        static: What holds for a series as a whole. ``series`` is its number.
        reconstructs: Whether the targets of a window are its own steps, and not those that follow.
    """

    look_back: int
    horizon: int
    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    reconstructs: bool = False

    @property
    def lead(self) -> int:
        """How many steps of a window lie before its first target."""
        return 0 if self.reconstructs else self.look_back

    @property
    def rows(self) -> int:
        """How many rows a window has."""
        return self.look_back + (self.horizon if self.future and not self.reconstructs else 0)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in order."""
        return (*self.targets, *self.past, *self.future, *self.static)

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """Where the columns of each kind end."""
        first = len(self.targets)
        second = first + len(self.past)
        third = second + len(self.future)
        return first, second, third, third + len(self.static)

    @property
    def named_static(self) -> int:
        """How many static columns were read; the number of the series, where it is one, stands behind them."""
        return len(self.static) - self.tells_series

    @property
    def tells_series(self) -> bool:
        """Whether the last static column is the number of the series."""
        return self.static[-1:] == (SERIES,)

    def facts(self) -> dict[str, Any]:
        """As it stands in a ``DataSpec``."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, data: DataSpec) -> Layout:
        """From what the data turned out to be.

        Raises:
            ContractError: The data does not say.
        """
        facts: Any = data.facts.get("layout")
        if not isinstance(facts, Mapping):
            from framework_core.errors import ContractError

            raise ContractError(
                "This data cannot be forecast",
                ["its DataSpec does not say what its columns are"],
                next_step="Let the dataset inherit from framework_plugins_timeseries.BaseTimeSeriesDataModule.",
            )
        return cls.of_facts(facts)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Layout:
        """From what ``facts`` gave."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
        }
        return cls(**given)
