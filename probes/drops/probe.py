"""The drops probe: the kernel frees a packet through one tracepoint and says why, which is counted in place."""

from typing import Final

from model.probe import EventType, Feature, Hook, Probe, Switch

REASONS: Final = Feature(
    "dropped packets",
    "packets that the kernel dropped, with its reason",
    (Hook("packet_dropped", "kfree_skb", needs="reasons"),),
    required=False,
    loss="it is not known why packets were dropped: a connect that nobody answers is just timed out",
)

DROPS: Final = Probe(
    "drops",
    sources=("drops/events.h", "drops/maps.h", "drops/packet.h", "drops/drops.c"),
    maps=(
        *("drop_cells", "free_drops", "free_folds", "free_rests", "drop_keys"),
        *("drop_reasons", "drop_places", "drop_counts", "drop_tallies"),
    ),
    features=(REASONS,),
    events=(EventType("KIND_DROPS", "drop_cell", "drops", urgent=True, namespace="netns"),),
    sizes=(
        ("DROP_ROWS", "drops.rows"),
        ("DROP_FOLDS", "drops.folds"),
        ("DROP_RESTS", "drops.rests"),
        ("DROP_CELLS", "drops.cells"),
        ("DROP_NEW", "drops.new_per_turn"),
    ),
    switch=Switch("drops.enabled"),
    purpose="Dropped packets and why",
    cost="about 0.2 µs for a packet that is dropped, 10 ns for a reason that is no trouble",
)
