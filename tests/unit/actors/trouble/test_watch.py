"""What the watch says of silence."""

from actors.items import Tick, Window
from actors.trouble.items import Look
from actors.trouble.watch import Watch
from model.ledger import Ledger


def looks(watch: Watch, *nows: float) -> list[float]:
    """When it says at these times that there is no data; Unix seconds."""
    found = [item for now in nows for item in watch.handle(Tick(now))]
    assert all(isinstance(item, Look) and item.tick.blind for item in found)
    return [item.tick.at for item in found]


def test_silence_is_told_once_for_each_tick_that_is_missing() -> None:
    watch = Watch(Ledger(), tick_s=10)
    assert looks(watch, 5.0, 500.0) == []  # nothing ever came
    list(watch.handle(Window(1000, ())))
    assert looks(watch, 501.0, 511.0, 520.0) == []
    assert looks(watch, 521.5, 522.0, 530.9) == [1020.0]
    assert looks(watch, 531.5) == [1030.0]
    list(watch.handle(Window(1031, ())))
    assert looks(watch, 532.0, 540.0, 551.0) == []
    assert looks(watch, 552.5) == [1050.0]
