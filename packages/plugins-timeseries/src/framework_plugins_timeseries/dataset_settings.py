"""The settings of this package's datasets. Read without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

CalendarFeature = Literal["minute", "hour", "weekday", "day", "yearday", "week", "month", "quarter"]


def _listed(value: object) -> object:
    """One name is a list of one."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Features = Annotated[tuple[CalendarFeature, ...], BeforeValidator(_listed)]


class WindowsConfig(ComponentConfig):
    """What every dataset of windows takes."""

    look_back: PositiveInt = 96
    """How many steps the model sees."""

    horizon: PositiveInt = 24
    """How many steps it predicts."""

    scaler: Literal["standard", "minmax", "robust", "none"] = "standard"
    """How each column of each series is scaled; fitted on training steps alone, and saved with the run."""

    calendar: Features = ()
    """What of the calendar the model is told, for past and future: minute, hour, weekday, day, yearday, week ..."""

    missing: Literal["refuse", "forward", "interpolate", "zero"] = "refuse"
    """What stands for a missing value: the last one, a line to the next, or 0; it counts like any other then."""

    irregular: Literal["refuse", "fill", "ignore"] = "refuse"
    """What is done where stamps are missing: they are filled in with missing values, or not minded."""

    sort: bool = False
    """Whether steps that are not in the order of time are put in it."""

    season: PositiveInt | None = None
    """How many steps a season has, for the seasonal baseline and MASE; empty tells it from the stamps."""

    stride: PositiveInt = 1
    """How many steps lie between neighbouring training windows."""

    test_stride: PositiveInt = 1
    """How many steps lie between origins of the test: 1 scores every window, the horizon each step once."""

    drop_last: bool = False
    """Whether the last batch of the test is left out where it is not full, to compare with tables made that way."""

    batch_size: PositiveInt = 32
    """How many windows make a batch."""

    num_workers: NonNegativeInt | None = None
    """How many processes load windows; empty takes none, as series are in memory."""


Size = Annotated[float, Field(ge=0)]


class SizedConfig(WindowsConfig):
    """What datasets take whose splits can be chosen."""

    val_size: Size = 0.1
    """How much is validated on, before the test: a share below 1, or a number of steps; for each series."""

    test_size: Size = 0.2
    """How much is tested on, at the end: a share below 1, or a number of steps; for each series."""

    short_series: Literal["refuse", "skip"] = "refuse"
    """What is done with a series that is shorter than a window, where there are others."""

    @model_validator(mode="after")
    def _whole_steps(self) -> SizedConfig:
        for name in ("val_size", "test_size"):
            size = getattr(self, name)
            if size >= 1 and size != int(size):
                raise ValueError(f"{name} {size} is neither a share below 1 nor a whole number of steps")
        shares = [size for size in (self.val_size, self.test_size) if size < 1]
        if sum(shares) >= 1:
            raise ValueError("val_size and test_size leave nothing to train on: together they are less than 1")
        return self


class Co2Config(SizedConfig):
    """Carbon dioxide in the air, by week."""

    look_back: PositiveInt = 104
    """How many weeks the model sees."""

    horizon: PositiveInt = 26
    """How many weeks it predicts."""

    missing: Literal["forward", "interpolate", "zero"] = "forward"
    """What stands for the 59 weeks without a value."""


class SunspotsConfig(SizedConfig):
    """Sunspots by year."""

    look_back: PositiveInt = 22
    """How many years the model sees."""

    horizon: PositiveInt = 11
    """How many years it predicts."""

    season: PositiveInt | None = 11
    """The solar cycle."""


class SeriesTableConfig(SizedConfig):
    """A table of your own."""

    path: str
    """The file, CSV or Parquet: wide, a column for each series; or long, with the columns unique_id, ds and y."""

    time_column: str | None = None
    """The column of stamps; empty takes ds, date, datetime, timestamp or time."""

    id_column: str | None = None
    """The column that tells series apart; empty takes unique_id, series_id or item_id where there is one."""

    targets: Names = ()
    """What is predicted; empty takes y of a long table, and every other column of a wide one."""

    past_covariates: Names = ()
    """Columns that are known up to now."""

    future_covariates: Names = ()
    """Columns that are known ahead; a file to predict from has them to the end of the horizon."""

    static_covariates: Names = ()
    """Columns that have one number for a whole series."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What stands between the columns of a CSV file."""

    decimal: Literal[".", ","] = "."
    """What stands before the digits behind the point."""


class LtsfConfig(WindowsConfig):
    """A published set for long forecasts, with the splits of its tables."""

    look_back: PositiveInt = 336
    """How many steps the model sees."""

    horizon: PositiveInt = 96
    """How many steps it predicts."""

    path: str
    """The CSV file, or the folder that it is in."""

    def settings(self) -> dict[str, Any]:
        """With the edition, which is the name."""
        return {**super().settings(), "edition": self.name.rpartition(":")[2]}


class FetchedLtsfConfig(LtsfConfig):
    """One that is fetched where no path is given."""

    path: str | None = None  # type: ignore[assignment]
    """The CSV file, or the folder that it is in; empty fetches it into the user's cache, once."""


M4_PERIODS = {
    "m4_yearly": ("Yearly", 6, 1),
    "m4_quarterly": ("Quarterly", 8, 4),
    "m4_monthly": ("Monthly", 18, 12),
    "m4_weekly": ("Weekly", 13, 1),
    "m4_daily": ("Daily", 14, 1),
    "m4_hourly": ("Hourly", 48, 24),
}
"""Of each frequency of M4: the name of its files, horizon and season, as the competition set them."""


class M4Config(WindowsConfig):
    """A frequency of the M4 competition: its name says which."""

    look_back: PositiveInt | None = None  # type: ignore[assignment]
    """How many steps the model sees; empty takes two horizons."""

    horizon: PositiveInt | None = None  # type: ignore[assignment]
    """How many steps it predicts; empty takes the competition's, and no other is compared with it."""

    season: PositiveInt | None = None
    """How many steps a season has; empty takes the competition's."""

    short_series: Literal["refuse", "skip"] = "refuse"
    """What is done with a series that is shorter than a window, where there are others."""

    path: str
    """The folder with the two files of the frequency, as Hourly-train.csv and Hourly-test.csv."""

    def settings(self) -> dict[str, Any]:
        """With the edition, and what the competition set."""
        edition = self.name.rpartition(":")[2]
        _, horizon, season = M4_PERIODS[edition]
        chosen = {**super().settings(), "edition": edition}
        chosen["horizon"] = self.horizon or horizon
        chosen["season"] = self.season or season
        chosen["look_back"] = self.look_back or 2 * horizon
        return chosen


class FetchedM4Config(M4Config):
    """One that is fetched where no path is given."""

    path: str | None = None  # type: ignore[assignment]
    """The folder with the two files of the frequency; empty fetches them into the user's cache, once."""


class TsfConfig(WindowsConfig):
    """A file of the Monash archive."""

    look_back: PositiveInt | None = None  # type: ignore[assignment]
    """How many steps the model sees; empty takes two horizons."""

    horizon: PositiveInt | None = None  # type: ignore[assignment]
    """How many steps it predicts; empty takes the horizon that the file says."""

    short_series: Literal["refuse", "skip"] = "refuse"
    """What is done with a series that is shorter than a window, where there are others."""

    path: str
    """The file, .tsf."""


Share = Annotated[float, Field(ge=0, lt=1)]


class LabelledConfig(ComponentConfig):
    """What every dataset of series with classes takes."""

    scaler: Literal["instance", "standard", "minmax", "robust", "none"] = "instance"
    """How channels are scaled: each series by itself (``instance``), or by all training series, as it is saved."""

    batch_size: PositiveInt = 32
    """How many series make a batch."""

    num_workers: NonNegativeInt | None = None
    """How many processes load series; empty takes none, as they are in memory."""


class UcrConfig(LabelledConfig):
    """A problem of the UCR or UEA archive."""

    path: str
    """A file (.ts, or a table with the class in front), the folder of a problem, or the folder of an archive."""

    problem: str | None = None
    """The name of the problem, where the folder holds several: GunPoint."""

    unequal: Literal["refuse", "pad", "truncate", "resample"] = "refuse"
    """What different lengths become: zeros behind, a cut to the shortest, or new steps, as many as in the longest."""

    missing: Literal["refuse", "forward", "interpolate", "zero"] = "refuse"
    """What stands for a missing value: the last one, a line to the next, or 0."""

    val_size: Share = 0.2
    """The share of each class of the training series that is validated on."""

    test_size: Share = 0.2
    """The share of each class that is tested on, where there is no test file."""

    split_seed: NonNegativeInt = 0
    """Decides which series go where."""


class ProblemConfig(UcrConfig):
    """A problem of the archives that is fetched: its name says which."""

    path: str | None = None  # type: ignore[assignment]
    """The training file, or the folder of the problem; empty fetches both files into the user's cache, once."""

    def settings(self) -> dict[str, Any]:
        """With the edition, which is the name."""
        return {**super().settings(), "edition": self.name.rpartition(":")[2]}


class Co2SeasonsConfig(LabelledConfig):
    """Stretches of carbon dioxide."""

    weeks: Annotated[int, Field(ge=4, le=52)] = 26
    """How many weeks a stretch has."""

    stride: PositiveInt = 2
    """How many weeks lie between the begins of neighbouring stretches."""


class AnomalyConfig(SizedConfig):
    """What datasets take in which unusual steps are looked for."""

    reconstructs: bool | None = None
    """Whether windows are reconstructed, and not what follows them forecast; empty takes what the model does."""

    look_back: PositiveInt = 48
    """How many steps the model sees, which is all of a window that is reconstructed."""

    horizon: PositiveInt = 1
    """How many steps it predicts, where windows are not reconstructed."""

    val_size: Annotated[float, Field(gt=0)] = 0.1
    """How much is validated on, before the test, and gives the threshold: a share below 1, or a number of steps."""

    threshold_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.995
    """The share of validation scores that are below the threshold."""


class AnomalyTableConfig(AnomalyConfig, SeriesTableConfig):
    """A table of your own, with unusual steps."""

    label_column: str | None = None
    """The column that is 1 where a step is an anomaly, and 0 elsewhere; it is used in the test alone."""


class Co2FaultsConfig(AnomalyConfig):
    """Carbon dioxide, by week, with faults."""

    missing: Literal["forward", "interpolate", "zero"] = "forward"
    """What stands for a missing week of a file to score."""
