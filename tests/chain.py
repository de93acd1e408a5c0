"""Actors one behind the other, without anything that runs them."""

from collections.abc import Iterable
from typing import Any

from model.actor import Actor


def through(actors: Iterable[Actor], item: Any) -> list[Any]:
    """What an item becomes on its way through all of them."""
    items = [item]
    for actor in actors:
        items = [made for one in items for made in actor.handle(one)]
    return items
