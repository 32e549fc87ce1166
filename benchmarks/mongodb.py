"""MLflow's tracking store on MongoDB against its SQL store on SQLite and PostgreSQL, interleaved in one run.

    python benchmarks/mongodb.py --mongodb mongodb://127.0.0.1:27017/bench?replicaSet=rs0 \
        --postgresql postgresql+psycopg2://postgres@127.0.0.1/bench --runs 10000

Every measure is taken on each store in turn, several times over, so that a busy moment of the machine meets all of
them. The databases are filled, and must be empty at the start. The table is Markdown, its ratios are to the faster SQL
store.

    python benchmarks/mongodb.py --mongodb mongodb://127.0.0.1:27017/growth?replicaSet=rs0 --growth 10000 1000000

measures the searches alone in experiments of growing size, in turn, and how long they take in the largest as a multiple
of the smallest.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Metric, Param, RunTag, ViewType

ROUNDS = 5
WANTED = "metrics.m0 < 0.5 AND params.lr = '3'"
SEARCHES: dict[str, tuple[tuple[str | None, list[str] | None, int], int]] = {
    "first page": ((None, None, 100), 2 * ROUNDS),
    "filter, ordered by a metric": ((WANTED, ["metrics.m0 ASC"], 100), 2 * ROUNDS),
    "ordered by a metric": ((None, ["metrics.m0 DESC"], 100), ROUNDS),
    "1,000 rows": ((None, None, 1000), ROUNDS),
}
Store = Any


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def stores(options: argparse.Namespace) -> dict[str, Store]:
    """Return the stores to compare, by name."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    found: dict[str, Store] = {}
    if not options.without_sqlite:
        folder = tempfile.mkdtemp(prefix="bench-", dir=options.directory)
        found["SQLite"] = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", "/artifacts")
    if options.postgresql:
        found["PostgreSQL"] = SqlAlchemyStore(options.postgresql, "/artifacts")
    found["MongoDB"] = MongoTrackingStore(options.mongodb, "/artifacts")
    return found


class Bench:
    """One store with its data."""

    def __init__(self, store: Store, runs: int) -> None:
        self.store, self.count = store, 0
        self.experiment = store.create_experiment(f"bench-{runs}-{time.time_ns()}")
        self.run = self.new_run()
        self.step = 0

    def new_run(self) -> str:
        """Start a run."""
        self.count += 1
        tags = [RunTag("team", f"t{self.count % 7}")]
        run = self.store.create_run(self.experiment, "bench", 1_700_000_000_000 + self.count, tags, f"run{self.count}")
        return str(run.info.run_id)

    def fill(self, runs: int) -> None:
        """Make runs with a few metrics and parameters each, past the store's own methods: it would take hours."""
        fill = fill_sql if hasattr(self.store, "ManagedSessionMaker") else fill_mongodb
        for first in range(0, runs, 5000):
            fill(self.store, int(self.experiment), [_row(number) for number in range(first, min(first + 5000, runs))])

    def megabytes(self) -> float:
        """Return what the database takes on the disk."""
        if not hasattr(self.store, "ManagedSessionMaker"):
            database = self.store._connection.database
            database.client.admin.command("fsync")
            return float(database.command("dbStats")["totalSize"]) / 1e6
        if self.store.db_uri.startswith("sqlite:///"):
            return Path(self.store.db_uri.removeprefix("sqlite:///")).stat().st_size / 1e6
        from sqlalchemy import text

        with self.store.ManagedSessionMaker() as session:
            return float(session.execute(text("SELECT pg_database_size(current_database())")).scalar()) / 1e6

    def log_batch(self, run: str | None = None) -> None:
        """Log 1,000 points of 10 metrics."""
        self.step += 100
        first = self.step
        points = [Metric(f"b{i % 10}", i / 7, first, first + i // 10) for i in range(1000)]
        self.store.log_batch(run or self.run, points, [], [])

    def log_metric(self, run: str | None = None, key: str = "one") -> None:
        """Log one point."""
        self.step += 1
        self.store.log_metric(run or self.run, Metric(key, self.step / 3, self.step, self.step))

    def mixed_batch(self) -> None:
        """Log 20 metrics, 5 parameters and 5 tags of a new run."""
        run = self.new_run()
        metrics = [Metric(f"x{i}", i, 1, 1) for i in range(20)]
        params = [Param(f"p{i}", "v") for i in range(5)]
        self.store.log_batch(run, metrics, params, [RunTag(f"t{i}", "v") for i in range(5)])

    def search(self, filter_string: str | None, order_by: list[str] | None, rows: int) -> Any:
        """Search a page of runs."""
        return self.store.search_runs([self.experiment], filter_string, ViewType.ACTIVE_ONLY, rows, order_by)

    def history(self, points: int) -> str:
        """Make a run whose metric has so many points; return it."""
        run = self.new_run()
        for first in range(0, points, 1000):
            batch = [Metric("long", i / 7, i, i) for i in range(first, min(first + 1000, points))]
            self.store.log_batch(run, batch, [], [])
        return run

    def writers(self, runs: list[str]) -> None:
        """Let eight threads log 20 points each."""

        def write(number: int) -> None:
            for step in range(20):
                self.store.log_metric(runs[number % len(runs)], Metric(f"w{number}", step, self.step, self.step + step))

        self.step += 100
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _row(number: int) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "name": f"run{number}",
        "start": 1_700_000_100_000 + number,
        "metrics": {f"m{i}": (number * 7919 % 10007) / 10007 + i for i in range(4)},
        "params": {"lr": str(number % 10), "depth": str(number % 5)},
        "tags": {"mlflow.runName": f"run{number}", "kind": "odd" if number % 2 else "even"},
    }


def fill_sql(store: Store, experiment: int, rows: list[dict[str, Any]]) -> None:
    """Insert runs into the tables of MLflow."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

    with store.ManagedSessionMaker(read_only=False) as session:
        session.bulk_insert_mappings(SqlRun, [_sql_run(row, experiment) for row in rows])
        for table, kind in ((SqlTag, "tags"), (SqlParam, "params")):
            found = [(row["id"], key, value) for row in rows for key, value in row[kind].items()]
            session.bulk_insert_mappings(table, [{"run_uuid": r, "key": k, "value": v} for r, k, v in found])
        points = [
            {"run_uuid": row["id"], "key": key, "value": value, "timestamp": 1, "step": 1, "is_nan": False}
            for row in rows
            for key, value in row["metrics"].items()
        ]
        session.bulk_insert_mappings(SqlMetric, points)
        session.bulk_insert_mappings(SqlLatestMetric, points)


def _sql_run(row: dict[str, Any], experiment: int) -> dict[str, Any]:
    return {
        "run_uuid": row["id"],
        "name": row["name"],
        "experiment_id": experiment,
        "start_time": row["start"],
        "status": "RUNNING",
        "lifecycle_stage": "active",
        "user_id": "bench",
        "artifact_uri": f"/artifacts/{row['id']}",
        "source_type": "UNKNOWN",
    }


def fill_mongodb(store: Store, experiment: int, rows: list[dict[str, Any]]) -> None:
    """Insert runs as the store itself keeps them."""
    from framework_mlflow_mongodb.keys import escaped
    from framework_mlflow_mongodb.tracking.points import Point, chunks

    runs, points = [], []
    for row in rows:
        run = {"_id": row["id"], "exp": experiment, "ws": "default", "name": row["name"], "user": "bench"}
        run |= {"status": "RUNNING", "start": row["start"], "end": None, "deleted": None, "life": "active"}
        run |= {"artifact_uri": f"/artifacts/{row['id']}", "mv": row["metrics"], "tail": [], "in": []}
        run |= {"mm": {key: [1, 1, value] for key, value in row["metrics"].items()}, "p": row["params"]}
        runs.append({**run, "t": escaped(row["tags"]), "model_in": [], "model_out": []})
        for key, value in row["metrics"].items():
            points += chunks(row["id"], key, [Point(1, 1, value)])
    store._collection("runs").insert_many(runs, ordered=False)
    store._collection("points").insert_many(points, ordered=False)


def compare(name: str, benches: dict[str, Bench], action: Callable[[Bench], object], rounds: int = ROUNDS) -> None:
    """Measure `action` on each store in turn and print a row."""
    seconds: dict[str, list[float]] = {store: [] for store in benches}
    for _ in range(rounds):
        for store, bench in benches.items():
            seconds[store].append(timed(lambda bench=bench: action(bench)))  # type: ignore[misc]
    medians = {store: statistics.median(found) for store, found in seconds.items()}
    worst = {store: statistics.quantiles(found, n=100)[98] for store, found in seconds.items() if len(found) >= 50}
    sql = [median for store, median in medians.items() if store != "MongoDB"]
    ratio = f"{min(sql) / medians['MongoDB']:.1f}" if sql else "-"
    cells = [
        f"{1000 * medians[store]:.1f}" + (f" (p99 {1000 * worst[store]:.1f})" if worst else "") for store in benches
    ]
    print(f"| {name} | {' | '.join(cells)} | {ratio} |", flush=True)


def searches(benches: dict[str, Bench], size: str) -> None:
    """Compare the searches."""
    for name, (arguments, rounds) in SEARCHES.items():
        compare(f"{size}{name}", benches, lambda bench, arguments=arguments: bench.search(*arguments), rounds)


def growth(store: Store, sizes: list[int]) -> None:
    """Compare the searches in experiments of growing size."""
    benches = {f"{size:,} runs": Bench(store, size) for size in sizes}
    for size, bench in zip(sizes, benches.values(), strict=True):
        bench.fill(size)
    print(f"| milliseconds | {' | '.join(benches)} | times slower |")
    print("|---" * (len(benches) + 2) + "|")
    for name, (arguments, _) in SEARCHES.items():
        seconds: dict[str, list[float]] = {column: [] for column in benches}
        for _ in range(4 * ROUNDS):
            for column, bench in benches.items():
                seconds[column].append(timed(functools.partial(bench.search, *arguments)))
        medians = [1000 * statistics.median(found) for found in seconds.values()]
        print(
            f"| {name} | {' | '.join(f'{one:.1f}' for one in medians)} | {medians[-1] / medians[0]:.1f} |", flush=True
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongodb", required=True)
    parser.add_argument("--postgresql")
    parser.add_argument("--without-sqlite", action="store_true")
    parser.add_argument("--directory", help="where the SQLite file goes")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--growth", type=int, nargs="+", help="sizes of experiments to search, on MongoDB alone")
    options = parser.parse_args()
    if options.growth:
        options.postgresql, options.without_sqlite = None, True
        growth(stores(options)["MongoDB"], options.growth)
        return
    benches = {name: Bench(store, options.runs) for name, store in stores(options).items()}
    print(f"| milliseconds | {' | '.join(benches)} | times faster |")
    print("|---" * (len(benches) + 2) + "|")
    compare("create_run", benches, Bench.new_run, 50)
    compare("log_batch, 1,000 points", benches, Bench.log_batch, 7)
    compare("log_metric", benches, Bench.log_metric, 200)
    compare("new run with 20 metrics, 5 parameters, 5 tags", benches, Bench.mixed_batch, 20)
    own = {name: [bench.new_run() for _ in range(8)] for name, bench in benches.items()}
    names = {id(bench): name for name, bench in benches.items()}
    compare("8 writers, 8 runs, 160 points", benches, lambda bench: bench.writers(own[names[id(bench)]]))
    compare("8 writers, one run, 160 points", benches, lambda bench: bench.writers([bench.run]))
    long = {name: bench.history(options.points) for name, bench in benches.items()}

    def run_of(bench: Bench) -> str:
        return long[names[id(bench)]]

    compare(
        f"history of {options.points:,} points", benches, lambda b: b.store.get_metric_history(run_of(b), "long"), 3
    )
    compare(
        f"chart of {options.points:,} points (320)",
        benches,
        lambda b: b.store.get_metric_history_bulk_interval([run_of(b)], "long", 320, None, None),
        3,
    )
    for bench in benches.values():
        bench.fill(options.runs)
    searches(benches, f"{options.runs:,} runs: ")
    sizes = [bench.megabytes() for bench in benches.values()]
    smaller = f"{min(sizes[:-1]) / sizes[-1]:.1f}" if len(sizes) > 1 else "-"
    print(
        f"| all of it on the disk, megabytes | {' | '.join(f'{size:.0f}' for size in sizes)} | {smaller} |", flush=True
    )


if __name__ == "__main__":
    main()
