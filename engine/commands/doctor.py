"""``tailrace doctor``."""

import argparse
from typing import Any

from engine.config import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "doctor", parents=[common], help="what this machine offers, and how to fix what is missing"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0 if the main job can run here, else 1."""
    from engine.doctor import run_doctor

    return run_doctor(config, options.output)
