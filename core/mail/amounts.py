"""Amounts of money and credits as a mail shows them. Pure."""

from typing import Final

MICROS: Final = 1_000_000
"""Of a unit of any currency."""
MICROS_PER_CREDIT: Final = 1_000


def money(micros: int) -> str:
    """`1,234.50`: two decimals, more where there are more."""
    return _decimal(micros, MICROS, 6, 2)


def in_dollars(micros: str) -> str:
    """`$0.045`, from the digits of a fact."""
    return f"${money(int(micros))}"


def in_credits(micros: str) -> str:
    """`1,234.5 credits`, from the digits of a fact."""
    return f"{credits_number(int(micros))} credits"


def credits_number(micros: int) -> str:
    """`1,234.5`."""
    return _decimal(micros, MICROS_PER_CREDIT, 3, 0)


def _decimal(micros: int, unit: int, digits: int, least: int) -> str:
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), unit)
    fraction = f"{rest:0{digits}d}".rstrip("0").ljust(least, "0")
    return f"{sign}{whole:,}.{fraction}" if fraction else f"{sign}{whole:,}"
