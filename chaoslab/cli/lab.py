"""`chaoslab lab`: the embedded lab, a real PostgreSQL with a small service in front of it."""

from collections.abc import Mapping
from typing import Any

import click

from chaoslab.cli.terminal import faint, mark, say, say_json, table, tell
from chaoslab.core.errors import BadUsage, ExitCode

_MIB = 1 << 20


@click.group()
def command() -> None:
    """Start, look at and stop the embedded lab.

    A real PostgreSQL with databases of real structure, Redis where it is installed, a small service that uses both
    through proxies, its twin that lacks what makes it resilient, and a heartbeat that keeps writing. Every exercise of
    the catalog runs against it without further variables. It listens on this machine only, and survives the command
    that started it. docs/lab.md says what each part is for.
    """


@command.command()
@click.option(
    "--databases", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="How many databases."
)
@click.option("--size", default="50MiB", show_default=True, help="All new databases together; a bare number is MiB.")
@click.option("--standby", is_flag=True, help="Have a streaming standby of the server too.")
@click.option("--kafka", is_flag=True, help="Have a Kafka broker too, with a producer and a consumer (needs Java).")
@click.option("--docker", is_flag=True, help="Have the service as a container too (needs a Docker daemon).")
@click.option("--faketime", is_flag=True, help="Start the service so that its clock can be moved (needs libfaketime).")
@click.option("--json", "as_json", is_flag=True, help="Print what runs and where as one JSON object.")
def start(
    databases: int, size: str, *, standby: bool, kafka: bool, docker: bool, faketime: bool, as_json: bool
) -> None:
    """Start the lab, or make a half-dead one whole.

    Prints what runs and where. Databases that are there from an earlier start are kept.

    \b
    Examples:
      chaoslab lab start
      chaoslab lab start --databases 2 --size 10MiB --json
      chaoslab lab start --standby --kafka
    """
    import chaoslab.lab

    lab = chaoslab.lab.start(
        databases,
        _mebibytes(size),
        standby=standby,
        kafka=kafka,
        docker=docker,
        faketime=faketime,
        tell=lambda line: tell(faint(line)),
    )
    _print(lab, as_json=as_json)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def status(as_json: bool) -> None:
    """Say whether the lab runs, and where.

    \b
    Examples:
      chaoslab lab status
      chaoslab lab status --json
    """
    import chaoslab.lab

    _print(chaoslab.lab.status(), as_json=as_json)


@command.command()
@click.option("--remove", is_flag=True, help="Take its data away too.")
@click.option("--json", "as_json", is_flag=True, help="Print its state afterwards as one JSON object.")
def stop(remove: bool, as_json: bool) -> int:
    """Stop the lab; its data stay for the next start.

    To stop a lab that does not run is no error.

    \b
    Examples:
      chaoslab lab stop
      chaoslab lab stop --remove
    """
    import chaoslab.lab

    lab = chaoslab.lab.stop(remove=remove, tell=lambda line: tell(faint(line)))
    if as_json:
        _print(lab, as_json=True)
    else:
        say("the lab is stopped, and its data are gone" if remove else "the lab is stopped")
    return ExitCode.PASSED if lab["state"] == "stopped" else ExitCode.RESIDUE


def _mebibytes(size: str) -> float:
    from chaoslab.core.units import parse_size

    try:
        return parse_size(f"{size}MiB" if size.isdigit() else size) / _MIB
    except ValueError as error:
        raise BadUsage(f"--size: {error}") from error


def _print(lab: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(lab, redact=False)  # who asks for the lab wants to connect to it
        return
    state = str(lab["state"])
    if state == "stopped":
        say("no lab is running; start one with `chaoslab lab start`")
        return
    say(f"{mark('ok' if state == 'running' else 'warning')} the lab is {state}")
    for problem in lab.get("problems", ()):
        say(f"{mark('warning')} {problem}")
    rows = [[f"postgres {database['name']}", str(database["dsn"])] for database in lab.get("postgres", ())]
    rows += [[part, str(lab[part][key])] for part, key in _PLACES if lab.get(part, {}).get(key)]
    say(table(rows, indent="  "))


_PLACES = (
    ("service", "url"),
    ("twin", "url"),
    ("downstream", "url"),
    ("redis", "url"),
    ("standby", "dsn"),
    ("kafka", "bootstrap"),
    ("docker", "url"),
    ("proxy", "listen"),
    ("heartbeat", "acks"),
)
