"""How much to commit to: against the newsvendor's closed form, grids, and a program written another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.commitment_purchase import Column, Risk, buy, losses, newsvendor, sweep, tangents
from tests.optimizer.commitment_cases import always, load, whole_program

DRAWS = 1000
EVEN = (np.arange(DRAWS) + 0.5) / DRAWS * 100.0  # demand is uniform between 0 and 100 USD/h at list price
NEUTRAL = Risk(0.0, 0.05)


def bought(values: object, *, rate: float = 0.6, fee: float = 1.0, risk: Risk = NEUTRAL) -> float:
    """USD/h at list price that the best purchase covers."""
    of = load(values, rate=[rate])
    return float(buy(of, [always(of, fee=fee)], risk)[0] / rate)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.68, 0.9])
@pytest.mark.parametrize("fee", [1.0, 1.08])
def test_it_buys_the_newsvendors_quantile(rate: float, fee: float) -> None:
    # The last unit pays its fee where demand exceeds it with probability fee / list price.
    assert bought(EVEN, rate=rate, fee=fee) == pytest.approx(100.0 * (1.0 - rate * fee), abs=0.1)


@pytest.mark.parametrize(("rate", "weight"), [(0.5, 0.1), (0.5, 0.4), (0.68, 0.1), (0.68, 0.25)])
def test_with_risk_it_buys_a_lower_quantile(rate: float, weight: float) -> None:
    # The tail's draws are those of low demand, where the last unit is idle: it must pay for itself on the
    # mean's weight alone, (1 - weight) × P(demand exceeds it) = fee / list price.
    expected = 100.0 * (1.0 - rate / (1.0 - weight))
    assert bought(EVEN, rate=rate, risk=Risk(weight, 0.05)) == pytest.approx(expected, abs=0.1)


def test_at_the_largest_weight_it_stays_within_the_tail() -> None:
    assert bought(EVEN, rate=0.5, risk=Risk(0.6, 0.05)) <= 5.0 + 0.1


@pytest.mark.parametrize("rate", [1.0, 1.2])
def test_what_saves_nothing_is_not_bought(rate: float) -> None:
    assert bought(EVEN, rate=rate) == 0.0
    assert bought(EVEN, rate=0.97, fee=1.08) == 0.0


def test_nothing_to_cover_or_to_buy() -> None:
    assert bought(np.zeros(20)) == 0.0
    assert buy(load(EVEN), [], NEUTRAL).tolist() == []


def test_what_others_cover_is_not_bought_again() -> None:
    alone = load(EVEN)
    beside = load(EVEN, beside=np.full((DRAWS, 1), 0.6 * 30.0))
    all_of_it = buy(alone, [always(alone)], NEUTRAL)[0]
    rest = buy(beside, [always(beside)], NEUTRAL)[0]
    assert all_of_it == pytest.approx(0.6 * 40.0, abs=0.1)
    assert rest == pytest.approx(0.6 * 10.0, abs=0.1)
    assert losses(beside, [always(beside)], np.array([0.0])).tolist() == [0.0] * DRAWS


def test_the_deepest_discount_is_used_first() -> None:
    of = load(np.array([[[[10.0, 10.0]]]]), rate=[0.5, 0.8])
    assert losses(of, [always(of)], np.array([5.0])).tolist() == pytest.approx([5.0 - 10.0])
    assert losses(of, [always(of)], np.array([9.0])).tolist() == pytest.approx([9.0 - 15.0])
    assert of.used(np.array([[9.0]])).tolist() == [[[5.0, 4.0]]]
    assert buy(of, [always(of)], NEUTRAL)[0] == pytest.approx(13.0)
    assert buy(of, [always(of, fee=1.3)], NEUTRAL)[0] == pytest.approx(5.0)


def test_hours_weigh_blocks_and_steps() -> None:
    values = np.array([[[10.0, 20.0]]])
    mostly_low, mostly_high = np.array([[18.0, 6.0]]), np.array([[6.0, 18.0]])
    amounts = []
    for hours in (mostly_low, mostly_high):
        of = load(values, hours=hours)
        amounts.append(buy(of, [always(of)], NEUTRAL)[0])
    assert amounts == pytest.approx([6.0, 12.0])


# -- against other ways to the same answer ---------------------------------------------------------------

amount = st.sampled_from([0.0, 1.0, 2.0, 3.5, 7.0])
risks = st.builds(Risk, st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.sampled_from([0.1, 0.25, 1.0]))


@st.composite
def cases(draw: st.DrawFn, columns: int) -> tuple[object, list[Column]]:
    """A load of up to 4 draws, 3 steps, 2 blocks and 2 parts, and columns in force in some steps."""
    s, q, t, j = (draw(st.integers(1, most)) for most in (4, 3, 2, 2))
    values = draw(st.lists(amount, min_size=s * q * t * j, max_size=s * q * t * j))
    rate = sorted(draw(st.lists(st.sampled_from([0.3, 0.55, 0.8]), min_size=j, max_size=j, unique=True)))
    beside = draw(st.lists(st.sampled_from([0.0, 0.9]), min_size=s * q, max_size=s * q))
    hours = draw(st.lists(st.sampled_from([1.0, 3.0]), min_size=q * t, max_size=q * t))
    of = load(
        np.array(values).reshape(s, q, t, j),
        rate=rate,
        hours=np.array(hours).reshape(q, t),
        beside=np.array(beside).reshape(s, q),
    )
    found = []
    for _ in range(columns):
        active = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5]), min_size=s * q, max_size=s * q))
        scale, fee = draw(st.sampled_from([0.7, 1.0, 1.3])), draw(st.sampled_from([1.0, 1.1]))
        found.append(Column(scale, fee, np.array(active).reshape(s, q)))
    return of, found


@settings(max_examples=120, deadline=None)
@given(case=st.integers(1, 3).flatmap(cases), risk=risks)
def test_it_is_as_good_as_the_whole_program(case: tuple[object, list[Column]], risk: Risk) -> None:
    of, columns = case
    found = risk.of(losses(of, columns, buy(of, columns, risk)))
    size = float(of.needed.sum(axis=3).mean() * of.hours.sum())
    assert found == pytest.approx(whole_program(of, columns, risk), abs=5e-6 * max(size, 1.0))


@settings(max_examples=60, deadline=None)
@given(case=cases(2), risk=risks)
def test_no_point_of_a_grid_is_better(case: tuple[object, list[Column]], risk: Risk) -> None:
    of, columns = case
    found = risk.of(losses(of, columns, buy(of, columns, risk)))
    grid = np.linspace(0.0, 8.0, 17)
    least = min(risk.of(losses(of, columns, np.array([a, b]))) for a in grid for b in grid)
    assert found <= least + 1e-4 * max(1.0, abs(least))


@settings(max_examples=60, deadline=None)
@given(case=cases(1), risk=risks, at=st.lists(st.floats(0, 9), min_size=2, max_size=2))
def test_tangents_lie_below_the_losses(
    case: tuple[object, list[Column]], risk: Risk, at: list[float]
) -> None:
    of, columns = case
    value, slope = tangents(of, columns, np.array(at[:1]))
    elsewhere = losses(of, columns, np.array(at[1:]))
    assert (value + slope[:, 0] * (at[1] - at[0]) <= elsewhere + 1e-9).all()


def test_one_column_without_a_program_is_what_two_equal_ones_are_with_it() -> None:
    random = np.random.default_rng(3)
    of = load(random.lognormal(0.0, 0.6, (60, 4, 6)), rate=[0.65])
    risk = Risk(0.2, 0.1)
    one = buy(of, [always(of)], risk)
    two = buy(of, [always(of), always(of)], risk)
    assert risk.of(losses(of, [always(of)], one)) == pytest.approx(
        risk.of(losses(of, [always(of)] * 2, two)), rel=1e-5
    )
    assert sweep(of, always(of), 50.0, risk) == pytest.approx(one[0], rel=1e-3)
    assert buy(of, [always(of)], risk).tolist() == one.tolist()  # the same again, to the last bit


# -- what must always hold -------------------------------------------------------------------------------

demands = st.lists(st.floats(0.0, 50.0), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(demand=demands, fees=st.tuples(st.floats(0.2, 1.6), st.floats(0.2, 1.6)), risk=risks)
def test_a_dearer_fee_never_buys_more(demand: list[float], fees: tuple[float, float], risk: Risk) -> None:
    cheap, dear = sorted(fees)
    if dear - cheap < 1e-3:
        return
    assert bought(demand, fee=dear, risk=risk) <= bought(demand, fee=cheap, risk=risk) + 1e-6


@settings(max_examples=60, deadline=None)
@given(demand=demands, weights=st.tuples(st.floats(0.0, 0.95), st.floats(0.0, 0.95)))
def test_a_larger_risk_weight_never_buys_more_in_one_pool(
    demand: list[float], weights: tuple[float, float]
) -> None:
    low, high = sorted(weights)
    loose, tight = (bought(demand, risk=Risk(weight, 0.3)) for weight in (low, high))
    if abs(tight - loose) > 1e-6:  # of equally good amounts either may be found
        assert tight <= loose or equally_good(demand, Risk(high, 0.3), tight, loose)


def equally_good(demand: list[float], risk: Risk, *amounts: float) -> bool:
    """Whether amounts, as list price covered, are worth the same."""
    of = load(demand)
    values = [risk.of(losses(of, [always(of)], np.array([0.6 * each]))) for each in amounts]
    return bool(np.ptp(values) <= 1e-6 * max(1.0, *demand))


@settings(max_examples=60, deadline=None)
@given(demand=demands, more=st.floats(0.0, 20.0), risk=risks)
def test_more_demand_never_buys_less(demand: list[float], more: float, risk: Risk) -> None:
    grown = [each + more * place / len(demand) for place, each in enumerate(sorted(demand))]
    before, after = bought(sorted(demand), risk=risk), bought(grown, risk=risk)
    if after < before - 1e-6:
        assert equally_good(grown, risk, before, after)


@settings(max_examples=40, deadline=None)
@given(demand=demands, risk=risks, times=st.floats(0.1, 10.0))
def test_twice_the_demand_is_twice_the_purchase(demand: list[float], risk: Risk, times: float) -> None:
    of, larger = load(demand), load([each * times for each in demand])
    gain = risk.of(losses(of, [always(of)], buy(of, [always(of)], risk)))
    larger_gain = risk.of(losses(larger, [always(larger)], buy(larger, [always(larger)], risk)))
    assert larger_gain == pytest.approx(times * gain, rel=1e-5, abs=1e-6 * max(1.0, times * max(demand)))


def test_the_tail_is_the_mean_of_the_worst() -> None:
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert Risk(1.0, 0.4).worst(values) == pytest.approx(4.5)
    assert Risk(1.0, 0.3).worst(values) == pytest.approx((5.0 + 0.5 * 4.0) / 1.5)
    assert Risk(0.0, 0.3).of(values) == pytest.approx(3.0)
    assert Risk(0.25, 1.0).of(values) == pytest.approx(3.0)
    assert Risk(0.5, 0.2).weights(values).sum() == pytest.approx(1.0)


def test_the_first_guess_is_the_newsvendors() -> None:
    of = load(EVEN)
    assert newsvendor(of, always(of)) == pytest.approx(0.6 * 40.0, abs=0.1)
