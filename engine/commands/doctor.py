"""``tailrace doctor``."""

import argparse
from typing import Any

from engine.config import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "doctor",
        parents=[common],
        help="what this machine, NATS and sinks offer, and how to fix what is missing",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--role",
        choices=("run", "agent", "engine"),
        help="whose needs are examined, with its unit and the configuration of that (default: those of the unit that "
        "is to run here, else run)",
    )
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0 if the role can do its job here as it is configured, else 1."""
    from engine.doctor.report import run_doctor
    from engine.doctor.subject import subject_of

    return run_doctor(subject_of(config, options.config, options.role), options.output)
