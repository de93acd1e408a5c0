"""The one test of all symptoms: a sequential sum of log-likelihood ratios of "ill" over "as usual".

It is Page's cumulative sum for binomial counts, divided by Pearson's dispersion, since counts of a fleet vary more
than coins do. One tick alone adds two fifths of what a finding takes at most, so that a blip of two ticks is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from actors.detect.state import ILL, Series
from actors.detect.symptoms import Symptom

#: How fast the dispersion is learnt, once it is known.
_PACE: Final = np.float32(0.004)
#: The same while it is new, by ticks with traffic; shape (256,).
_GAIN: Final = np.maximum(_PACE, 1 / (2 + np.arange(256, dtype=np.float32)))
_LEAST_VARIANCE: Final = np.float32(0.05)
_MOST_SHARE: Final = np.float32(0.85)
_MOST_ILL: Final = np.float32(0.98)
_MOST_SURPRISE: Final = np.float32(30_000)
#: The age at which counting ends.
_OLD: Final = 255
_SINCE: Final = np.float32(65535)
#: More than so many counted in a tick say no more than so many of the same share: chance is then how the share itself
#: varies. The dispersion is as high as that at most, and 16 bits hold it.
_MOST_COUNTED: Final = np.float32(8192)
#: What was learnt in so few ticks may be wrong by as much again: the shares of some edges leap once in ten ticks.
_DOUBTED_TICKS: Final = np.float32(8)


@dataclass(frozen=True)
class Tuning:
    """When a finding begins and ends, and how fast habits are learnt.

    :param nats: of evidence that make a finding.
    :param of_tick: the part of them that one tick adds at most, so that two ticks are no finding.
    :param half_life: of the baseline, in ticks with traffic.
    :param teaching: ticks for which a new edge only teaches, unless its baseline has
    :param warm: so many counted before, and
    :param least_ticks: it had so many ticks: what one tick counts says nothing of how ticks differ.
    :param strong: a share that is surely higher than expected by so much is a finding after
    :param strong_ticks: ticks, any other after
    :param slight_ticks: of them.
    :param sure: how many deviations of chance below what was counted a share surely is.
    :param held: nats that a finding keeps at most, and
    :param rest: ticks with traffic in which it has less than a sixth of them that end it.
    :param ill_pace: how much slower than usual the baseline learns while there is evidence.
    :param prior: how many counted ones the fleet's share weighs in an edge's.
    """

    nats: float = 30.0
    of_tick: float = 0.4
    half_life: float = 720.0
    teaching: int = 180
    warm: float = 300.0
    least_ticks: int = 6
    strong: float = 0.06
    strong_ticks: int = 3
    slight_ticks: int = 18
    sure: float = 1.5
    held: float = 30.0
    rest: int = 12
    ill_pace: float = 0.02
    prior: float = 50.0

    @property
    def most_of_tick(self) -> float:
        """Nats that one tick adds at most."""
        return self.nats * self.of_tick

    @property
    def forget(self) -> float:
        """Part of the baseline that a tick takes the place of."""
        return float(1 - 0.5 ** (1 / self.half_life))


class Symptoms:
    """What is declared of symptoms, as columns; ``prior`` is the fleet's share of each."""

    def __init__(self, symptoms: Sequence[Symptom]) -> None:
        def column(name: str) -> np.ndarray:
            return np.array([getattr(symptom, name) for symptom in symptoms], np.float32)

        self.floor, self.odds, self.least = column("floor"), column("odds"), column("least")
        self.least_bad = column("least_bad")
        self.prior = self.floor.copy()

    def learn_prior(self, bad: np.ndarray, total: np.ndarray, warm: float) -> None:
        """The median share of all whose baseline is warm; shapes (edges, symptoms)."""
        for place in range(len(self.prior)):
            held = total[:, place] > warm
            if held.any():
                median = np.median(bad[held, place] / total[held, place])
                self.prior[place] = np.clip(median, self.floor[place], 0.2)


def expected(series: Series, of: np.ndarray, symptoms: Symptoms, tuning: Tuning) -> np.ndarray:
    """The share that is normal for each of these series.

    :param of: the symptom of each.
    """
    weight = np.float32(tuning.prior)
    share = (series["bad"] + (weight * symptoms.prior).take(of)) / (series["total"] + weight)
    return np.asarray(np.minimum(np.maximum(share, symptoms.floor.take(of)), _MOST_SHARE))


@dataclass(frozen=True)
class Judged:
    """Series after a tick.

    :param series: what to remember, by name.
    :param ended: findings that are none any more; bool.
    :param started: bool.
    """

    series: Series
    started: np.ndarray
    ended: np.ndarray


@dataclass(frozen=True)
class Counted:
    """What a tick says of some series, all with traffic; shape (n,).

    :param tick: its last 16 bits.
    :param of: the symptom of each.
    :param age: ticks with traffic that its edge has seen.
    """

    tick: int
    of: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    age: np.ndarray


def judge(series: Series, seen: Counted, symptoms: Symptoms, tuning: Tuning) -> Judged:
    """What series become by a tick's counts.

    :param series: as they were, shape (n,) each; float16 and integers as they are remembered.
    """
    since = since_then(series, np.uint16(seen.tick), seen.bad, seen.total, series["evidence"] == 0)
    seen = _bounded(seen)
    usual = expected(series, seen.of, symptoms, tuning)
    ill = ill_share(usual, symptoms.odds[seen.of], symptoms.least[seen.of])
    spread = dispersion_of(series, seen.total, seen.age, tuning)
    nats = log_ratio(seen.bad, seen.total, usual, ill, spread)
    nats = np.clip(nats, np.float32(-tuning.nats), np.float32(tuning.most_of_tick))
    young = (seen.age < tuning.teaching) & (series["total"] < tuning.warm) | (seen.age < tuning.least_ticks)
    silent = young | (series["total"] + since["total_since"] < 20)
    limits = Limits(usual, ill, symptoms.least_bad[seen.of])
    told = decided(series, nats, since, limits, tuning, silent)
    on = told.series["streak"] >= ILL
    well = (~on & (told.series["evidence"] < 0.9 * tuning.most_of_tick)) | young
    learnt = _learnt(series, seen, usual, well, tuning)
    return Judged(told.series | learnt, told.started, told.ended)


def _bounded(seen: Counted) -> Counted:
    """The same shares of no more than a tick may say."""
    total = np.minimum(seen.total, _MOST_COUNTED)
    return replace(seen, bad=seen.bad * (total / np.maximum(seen.total, 1)), total=total)


def dispersion_of(series: Series, total: np.ndarray, age: np.ndarray, tuning: Tuning) -> np.ndarray:
    """By how much so many vary more than coins do: a share that varies does so the more, the more there are.

    :param age: ticks with traffic that its edge has seen, 255 and more are the same.
    """
    ticks = 1 + age.astype(np.float32)
    of_one = np.where(age < _OLD, 1 / ticks, np.float32(tuning.forget))
    times = np.maximum(total / np.maximum(series["total"] * of_one, 1), 1)
    beyond = np.maximum(series["dispersion"].astype(np.float32), 1) - 1
    return np.asarray(1 + beyond * times * (1 + _DOUBTED_TICKS / ticks))


class Limits(NamedTuple):
    """What shares are held against.

    :param ill: the share of the ill.
    """

    usual: np.ndarray
    ill: np.ndarray
    least_bad: np.ndarray


def decided(
    series: Series,
    nats: np.ndarray,
    since: Series,
    limits: Limits,
    tuning: Tuning,
    silent: np.ndarray | None = None,
) -> Judged:
    """Whether findings begin or end by what a tick says; all but the baseline.

    :param since: what ``since_then`` gave.
    :param silent: those that may not begin.
    """
    was = series["streak"] >= ILL
    most = np.where(was, np.float32(tuning.held), np.float32(1.5 * tuning.nats))
    evidence = np.clip(series["evidence"].astype(np.float32) + nats, 0, most)
    none = evidence == 0
    bad, total = (np.where(none, 0, since[name]) for name in ("bad_since", "total_since"))
    count = (series["streak"] & ~ILL).astype(np.int16)
    speaks = nats > 0
    share = bad / np.maximum(total, 1)
    streak = np.where(none, 0, np.minimum(count + speaks, 127))
    surely = (bad - np.float32(tuning.sure) * np.sqrt(bad)) / np.maximum(total, 1)
    strong = surely >= limits.usual + np.float32(tuning.strong)
    fires = (streak >= np.where(strong, tuning.strong_ticks, tuning.slight_ticks)) & speaks & ~was
    fires &= (
        (evidence >= tuning.nats) & (bad >= limits.least_bad) & (share >= (limits.usual + limits.ill) / 2)
    )
    if silent is not None:
        fires &= ~silent
    resting = np.where(evidence < tuning.held / 6, np.minimum(count + 1, 127), 0)
    ended = was & (resting >= tuning.rest)
    on = (was | fires) & ~ended
    streak = np.where(was, np.where(ended, 0, resting), np.where(fires, 0, streak)).astype(np.uint8)
    after = {
        "evidence": evidence,
        "bad_since": np.rint(bad),
        "total_since": np.rint(total),
        "since": since["since"],
        "streak": streak | np.where(on, ILL, np.uint8(0)),
    }
    return Judged(after, fires, ended)


def ill_share(usual: np.ndarray, odds: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The share of the ill: so many times the odds, and higher by at least so much."""
    risen = odds * usual / (1 - usual)
    ill: np.ndarray = np.minimum(np.maximum(risen / (1 + risen), usual + least), _MOST_ILL)
    return ill


def log_ratio(
    bad: np.ndarray, total: np.ndarray, usual: np.ndarray, ill: np.ndarray, dispersion: np.ndarray
) -> np.ndarray:
    """What counts say for "ill" (above 0) or against it, in nats."""
    nats = bad * np.log(ill / usual) + (total - bad) * np.log((1 - ill) / (1 - usual))
    divided: np.ndarray = nats / tempered(dispersion)
    return divided


def tempered(dispersion: np.ndarray) -> np.ndarray:
    """What evidence is divided by."""
    return np.asarray(np.maximum(dispersion, 1))


def since_then(
    series: Series, tick: np.uint16, bad: np.ndarray, total: np.ndarray, at_rest: np.ndarray
) -> Series:
    """Bad, all, and since when; scaled to what 16 bits hold."""
    bad = np.where(at_rest, 0, series["bad_since"]) + bad
    total = np.where(at_rest, 0, series["total_since"]) + total
    scale = np.minimum(1, _SINCE / np.maximum(total, 1))
    return {
        "bad_since": (bad * scale).astype(np.float32),
        "total_since": (total * scale).astype(np.float32),
        "since": np.where(at_rest, tick, series["since"]),
    }


def learn_quiet(series: Series, seen: Counted, symptoms: Symptoms, tuning: Tuning) -> Series:
    """Baselines of series without evidence of which a tick counts no bad one: what ``judge`` makes of them, cheaply.

    :param series: their baselines.
    """
    usual = expected(series, seen.of, symptoms, tuning)
    total = np.minimum(seen.total, _MOST_COUNTED)
    awaited = total * usual
    surprise = awaited * awaited / np.maximum(awaited * (1 - usual), _LEAST_VARIANCE)
    kept = 1 - np.float32(tuning.forget)
    dispersion = _moved(_known(series["dispersion"]), surprise, seen.age)
    return {
        "bad": series["bad"] * kept,
        "total": series["total"] * kept + total,
        "dispersion": dispersion.astype(np.float16),
    }


def _learnt(series: Series, seen: Counted, usual: np.ndarray, well: np.ndarray, tuning: Tuning) -> Series:
    """The baseline: decayed sums, and the mean of Pearson's squares while all is well."""
    pace = np.where(well, np.float32(1), np.float32(tuning.ill_pace))
    kept = 1 - np.float32(tuning.forget) * pace
    variance = np.maximum(seen.total * usual * (1 - usual), _LEAST_VARIANCE)
    surprise = (seen.bad - seen.total * usual) ** 2 / variance
    dispersion = _known(series["dispersion"])
    return {
        "bad": series["bad"] * kept + seen.bad * pace,
        "total": series["total"] * kept + seen.total * pace,
        "dispersion": np.where(well, _moved(dispersion, surprise, seen.age), dispersion),
    }


def _known(dispersion: np.ndarray) -> np.ndarray:
    """As it was learnt; 1 where nothing was."""
    known: np.ndarray = dispersion.astype(np.float32)
    known += known == 0
    return known


def _moved(dispersion: np.ndarray, surprise: np.ndarray, age: np.ndarray) -> np.ndarray:
    """The mean of Pearson's squares, after one more."""
    moved: np.ndarray = dispersion + _GAIN.take(age) * (np.minimum(surprise, _MOST_SURPRISE) - dispersion)
    return moved
