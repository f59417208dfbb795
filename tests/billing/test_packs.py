"""What credits cost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.packs import CENT_MICROS, CreditPack, CustomAmounts, NotOnOffer, Offer, Sale, cents
from core.catalog.loader import FOLDER, CatalogueError, load

CREDITS = FOLDER / "credits.toml"
BOUNDS = CustomAmounts(5_000_000, 10_000_000_000)


def overlaid(folder: Path, text: str) -> Offer:
    file = folder / "own.toml"
    file.write_text(text)
    return load([CREDITS, file], {}).offer


@given(st.integers(-(10**12), 10**12))
def test_a_custom_amount_costs_what_it_adds_in_whole_cents_between_its_bounds(amount) -> None:
    sold = Offer(custom=BOUNDS).of_amount(amount)

    if amount % CENT_MICROS == 0 and 5_000_000 <= amount <= 10_000_000_000:
        assert isinstance(sold, Sale)
        assert cents(sold.price_micros) * CENT_MICROS == sold.credited_micros == amount
    else:
        assert sold == NotOnOffer(5_000_000, 10_000_000_000)


def test_without_bounds_no_amount_of_choice_is_sold() -> None:
    assert Offer().of_amount(5_000_000) == NotOnOffer()


def test_packs_are_listed_cheapest_first_and_sold_by_their_id() -> None:
    packs = [CreditPack("b", "B", 2_000_000, 9), CreditPack("a", "A", 2_000_000, 8)]
    packs.append(CreditPack("z", "Z", 1_000_000, 7))
    offer = Offer({pack.id: pack for pack in packs})

    assert [pack.id for pack in offer.cheapest_first()] == ["z", "a", "b"]
    assert offer.of_pack("a") == Sale("a", "A", 2_000_000, 8)
    assert offer.of_pack("y") is None


def test_the_shipped_packs_never_give_less_than_they_cost() -> None:
    offer = load([CREDITS], {}).offer

    assert offer.custom == BOUNDS
    assert len(offer.packs) >= 3
    for pack in offer.packs.values():
        assert pack.credited_micros >= pack.price_micros
        assert cents(pack.price_micros) > 0


def test_an_operator_changes_adds_and_removes_packs(tmp_path) -> None:
    offer = overlaid(
        tmp_path,
        """
[credit_packs.starter]
price = "4.99"
[credit_packs.creator]
enabled = false
[credit_packs.small]
display_name = "A little"
price = "1.00"
credits = "1000"
""",
    )

    assert offer.packs["starter"].price_micros == 4_990_000
    assert offer.packs["starter"].credited_micros == 5_000_000
    assert offer.packs["small"].credited_micros == 1_000_000
    assert "creator" not in offer.packs


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[credit_packs.starter]\nprice = "0.49"', "credit_packs.starter.price"),
        ('[credit_packs.starter]\nprice = "5"', "credit_packs.starter.price"),
        ('[credit_packs.starter]\nprice = "5.001"', "credit_packs.starter.price"),
        ("[credit_packs.starter]\nprice = 5.0", "credit_packs.starter.price"),
        ('[credit_packs.starter]\nprice = "1000000.00"', "credit_packs.starter.price"),
        ('[credit_packs.starter]\ncredits = "0"', "credit_packs.starter.credits"),
        ("[credit_packs.starter]\ncolour = 1", "credit_packs.starter.colour"),
        ('[credit_packs.new]\nprice = "5.00"', "credit_packs.new.display_name"),
        ('[credit_packs.custom]\nprice = "5.00"', "credit_packs.custom"),
        ('[credit_packs."A B"]\nprice = "5.00"', "credit_packs.A B"),
        ('[custom_amounts]\nmaximum = "1.00"', "custom_amounts.maximum"),
        ("[custom_amounts]\nstep = 1", "custom_amounts.step"),
    ],
)
def test_a_pack_that_cannot_be_sold_is_refused_by_its_key(tmp_path, text, key) -> None:
    with pytest.raises(CatalogueError) as refused:
        overlaid(tmp_path, text)

    assert (refused.value.key, refused.value.file.name) == (key, "own.toml")
