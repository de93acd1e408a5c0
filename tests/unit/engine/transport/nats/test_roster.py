"""Who reads what: every partition has one reader, whoever comes and goes."""

from hypothesis import given
from hypothesis import strategies as st

from engine.transport.nats.roster import Membership, Roster
from model.subjects import TopicPartition

TOPICS = ("deltas", "flows", "nat")


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.sets(st.sampled_from(TOPICS)), max_size=6),
    st.fixed_dictionaries(dict.fromkeys(TOPICS, st.integers(1, 9))),
)
def test_each_partition_has_one_reader_and_shares_are_even(
    wanted: dict[str, set[str]], counts: dict[str, int]
) -> None:
    """Partitions of a topic somebody wants are all dealt out, to those who want it, as evenly as can be."""
    members = {name: Membership(tuple(sorted(topics))) for name, topics in wanted.items()}
    roster = Roster(4).next(members, counts)
    assert roster.generation == 5
    assert roster.fits(members)
    dealt = [tp for name in members for tp in roster.partitions_of(name)]
    read = {topic for topics in wanted.values() for topic in topics}
    assert sorted(dealt) == sorted(TopicPartition(topic, p) for topic in read for p in range(counts[topic]))
    for topic in read:
        shares = [
            sum(tp.topic == topic for tp in roster.partitions_of(name))
            for name in wanted
            if topic in wanted[name]
        ]
        assert max(shares) - min(shares) <= 1


def test_a_roster_fits_only_its_own_members_with_their_topics() -> None:
    """Somebody who comes, goes or reads other topics makes a new generation necessary."""
    members = {"a": Membership(("deltas",)), "b": Membership(("deltas",), gave_up=3)}
    roster = Roster().next(members, {"deltas": 2})
    assert roster.fits(members)
    assert not roster.fits({"a": members["a"]})
    assert not roster.fits(members | {"c": Membership(("deltas",))})
    assert not roster.fits(members | {"b": Membership(("flows",))})


def test_partitions_wait_for_the_last_member_to_give_up() -> None:
    """A generation is given up for when every member said so."""
    roster = Roster(2)
    assert not roster.given_up({"a": Membership((), 2), "b": Membership((), 1)})
    assert roster.given_up({"a": Membership((), 2), "b": Membership((), 3)})
