"""What may be kept of a provider's words about its outputs. Pure."""

import re
from dataclasses import replace

from core.model import Report

_WORD = re.compile(
    r"([0-9]{1,5}x[0-9]{1,5}|auto|low|medium|high|xhigh|max|opaque|transparent|png|jpeg|webp)?\Z"
)


def plain(report: Report) -> Report:
    """Keep of a provider's words only those that look like values of parameters.

    They are stored; a provider that echoes a prompt in them must not make us keep it.
    """
    words = (report.size, report.quality, report.background, report.output_format)
    if all(map(_WORD.match, words)):
        return report
    size, quality, background, output_format = map(_word, words)
    return replace(
        report, size=size, quality=quality, background=background, output_format=output_format
    )


def _word(text: str) -> str:
    return text if _WORD.match(text) else ""
