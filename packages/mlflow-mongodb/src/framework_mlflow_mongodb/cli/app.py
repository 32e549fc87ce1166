"""The command framework-mlflow-mongodb: its options and its exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

DONE, FAILED, BAD_REQUEST = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 is done, 1 failed while running, 2 a bad request."""
    from mlflow.exceptions import MlflowException

    from framework_mlflow_mongodb.mongod import LocalServerError
    from framework_mlflow_mongodb.uri import redact

    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (MlflowException, LocalServerError) as error:
        print(f"Error: {redact(str(error))}", file=sys.stderr)
        return BAD_REQUEST if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" else FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("framework-mlflow-mongodb", description="Look after MLflow's data on MongoDB.")
    parser.add_argument("--version", action="version", version=version("framework-mlflow-mongodb"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = commands.add_parser("doctor", help="say what a database is, what is wrong with it and how to mend it")
    doctor.add_argument("uri", metavar="URI", help="mongodb://HOST[:PORT][/DATABASE]")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(command=_doctor)

    migrate = commands.add_parser("migrate", help="bring a database to the schema of this version")
    migrate.add_argument("uri", metavar="URI", help="mongodb://HOST[:PORT][/DATABASE]")
    migrate.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    migrate.set_defaults(command=_migrate)

    imports = commands.add_parser("import", help="copy another MLflow store into MongoDB; run again to go on")
    imports.add_argument("source", metavar="SOURCE", help="sqlite:///FILE, postgresql://... or a folder of runs")
    imports.add_argument("target", metavar="TARGET", help="mongodb://HOST[:PORT][/DATABASE]")
    imports.set_defaults(command=_import)

    clean = commands.add_parser("clean", help="remove what unfinished uploads of artifacts have left")
    clean.add_argument("uri", metavar="URI", help="mongodb://HOST[:PORT][/DATABASE]")
    clean.add_argument("--days", type=float, default=1, help="leave uploads younger than this (%(default)s)")
    clean.set_defaults(command=_clean)

    local = commands.add_parser("local", help="start a mongod and the MLflow server in front, until Ctrl-C")
    local.add_argument("--directory", default="mlflow-mongodb", help="where all data is kept (%(default)s)")
    local.add_argument("--port", type=int, default=5000, help="where the MLflow server listens (%(default)s)")
    local.add_argument("--mongodb-port", type=int, default=27017, help="where mongod listens (%(default)s)")
    local.add_argument("--host", default="127.0.0.1", help="the address of the MLflow server (%(default)s)")
    local.add_argument("--workers", type=int, default=2, help="processes of the MLflow server (%(default)s)")
    local.set_defaults(command=_local)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from framework_mlflow_mongodb.cli.doctor import examine, show

    report = examine(options.uri)
    print(report.as_json() if options.json else show(report))
    return FAILED if report.problems else DONE


def _migrate(options: argparse.Namespace) -> int:
    from framework_mlflow_mongodb.migration import migrate

    for line in migrate(options.uri, dry_run=options.dry_run):
        print(line)
    return DONE


def _import(options: argparse.Namespace) -> int:
    from framework_mlflow_mongodb.transfer.run import transfer

    report = transfer(options.source, options.target, progress=print)
    print(report.summary())
    return FAILED if report.differences else DONE


def _clean(options: argparse.Namespace) -> int:
    from datetime import timedelta

    from framework_mlflow_mongodb.artifacts import clean

    removed = clean(options.uri, timedelta(days=options.days))
    print(f"{removed} unfinished {'upload' if removed == 1 else 'uploads'} removed")
    return DONE


def _local(options: argparse.Namespace) -> int:
    from framework_mlflow_mongodb.cli.local import serve

    return serve(options.directory, options.host, options.port, options.mongodb_port, options.workers)


if __name__ == "__main__":
    sys.exit(main())
