"""Credits as text."""

MICROS_PER_CREDIT = 1_000


def credits_text(micros: int) -> str:
    """Micro-dollars as credits: a decimal string without needless zeros."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), MICROS_PER_CREDIT)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{fraction}"
