"""What is on sale: terms and ways of paying, as price lists spell them."""

from __future__ import annotations

import pytest

from optimizer.commitment_offers import on_sale
from tests.optimizer.worlds import catalogue, option


def rows(*terms: str | None, **changes: object) -> list[dict[str, object]]:
    """One committed option per term."""
    return [
        option(f"c{number}", 0.6, purchase="commitment", **changes) | {"term": term}
        for number, term in enumerate(terms)
    ]


@pytest.mark.parametrize(
    ("term", "years", "payment", "upfront"),
    [
        (None, 1, "no upfront", 0.0),
        ("", 1, "no upfront", 0.0),
        ("1y", 1, "no upfront", 0.0),
        ("3y", 3, "no upfront", 0.0),
        ("3y all upfront", 3, "all upfront", 1.0),
        ("1y partial upfront", 1, "partial upfront", 0.5),
        ("all upfront", 1, "all upfront", 1.0),
    ],
)
def test_terms_and_payments(term: str | None, years: int, payment: str, upfront: float) -> None:
    (sale,) = on_sale(catalogue(*rows(term)))
    assert (sale.years, sale.payment, sale.upfront_share) == (years, payment, upfront)
    assert sale.rates == {("aws", "eu", "m"): 0.6}


@pytest.mark.parametrize("term", ["9y", "1 year", "2w", "1y sometimes"])
def test_terms_that_are_not_understood_are_left_out(term: str) -> None:
    assert not list(on_sale(catalogue(*rows(term))))


def test_each_provider_term_and_payment_is_one_sale() -> None:
    table = catalogue(option("a"), *rows("1y", "3y", "3y all upfront"), *rows("1y", provider="gcp"))
    names = [sale.name for sale in on_sale(table)]
    assert names == [
        "aws 1-year commitment",
        "aws 3-year commitment, all upfront",
        "aws 3-year commitment",
        "gcp 1-year commitment",
    ]


def test_a_catalogue_without_terms_has_one_year_prices() -> None:
    table = catalogue(option("a"), option("c", 0.6, purchase="commitment"))
    (sale,) = on_sale(table)
    assert (sale.years, sale.is_estimated) == (1, False)
    (sale,) = on_sale(table.assign(is_estimated=True))
    assert sale.is_estimated
    assert not list(on_sale(catalogue(option("a"))))


def test_money_paid_upfront_costs_capital_for_half_the_term() -> None:
    later, upfront = on_sale(catalogue(*rows("3y", "3y all upfront")))
    later, upfront = sorted((later, upfront), key=lambda sale: sale.upfront_share)
    assert later.fee_per_usd(0.08) == 1.0
    assert upfront.fee_per_usd(0.08) == pytest.approx(1.12)
