"""Reads policies from files: `{id}@{YYYY-MM-DD}.md`, with a title and perhaps a day on top.

---
title: Privacy policy
effective: 2027-01-15
---
The text, in Markdown, with {operator}, {contact} and {url}.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from core.legal.versions import Document, PolicyError

SHIPPED: Final = Path(__file__).parent / "documents"
LONGEST: Final = 256 * 1024
"""Bytes of a document: far more than anybody reads, and less than a message may have."""
_NAME: Final = re.compile(r"([a-z][a-z0-9-]{0,40})@(\d{4}-\d\d-\d\d)\.md\Z")
_FRONT: Final = re.compile(r"---\n((?:[a-z]+: [^\n]+\n)+)---\n(.+)\Z", re.DOTALL)
_KEYS: Final = frozenset({"title", "effective"})
_PLACEHOLDER: Final = re.compile(r"\{(operator|contact|url)\}")


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs this deployment, as documents name them; empty: not set."""

    name: str = ""
    contact: str = ""
    """An e-mail address."""
    url: str = ""

    def fill(self, markdown: str) -> str:
        """The text with its placeholders filled in."""
        words = {
            "operator": self.name or f"the operator of {self.url}",
            "contact": self.contact or f"whoever runs {self.url}",
            "url": self.url,
        }
        return _PLACEHOLDER.sub(lambda found: words[found[1]], markdown)


def documents(own: Path | None) -> list[Document]:
    """The shipped documents, and those of *own* instead of those with the same ids.

    Raises PolicyError, which names the file.
    """
    theirs = [] if own is None else _folder(own)
    replaced = {document.policy_id for document in theirs}
    ours = [each for each in _folder(SHIPPED) if each.policy_id not in replaced]
    return [*ours, *theirs]


def _folder(folder: Path) -> Sequence[Document]:
    return [_document(file) for file in sorted(folder.glob("*.md"))]


def _document(file: Path) -> Document:
    named = _NAME.match(file.name)
    if named is None:
        raise PolicyError(f"{file.name}: a policy's file is named like privacy@2026-11-22.md")
    try:
        with file.open("rb") as opened:
            data = opened.read(LONGEST + 1)
        text = data.decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError):
        raise PolicyError(f"{file.name} cannot be read as UTF-8 text") from None
    if len(data) > LONGEST:
        raise PolicyError(f"{file.name} is longer than {LONGEST} bytes")
    found = _FRONT.match(text)
    lines = [] if found is None else [line.split(": ", 1) for line in found[1].splitlines()]
    facts = {key: value.strip() for key, value in lines}
    if found is None or "title" not in facts or not facts.keys() <= _KEYS:
        raise PolicyError(
            f"{file.name} must begin with a line ---, `title: …`, perhaps `effective: 2027-01-15`, "
            f"and a line ---"
        )
    effective = facts.get("effective")
    return Document(
        named[1],
        _day(file, named[2]),
        facts["title"],
        found[2].strip() + "\n",
        None if effective is None else _day(file, effective),
    )


def _day(file: Path, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PolicyError(f"{file.name}: {text} is no day; write it like 2027-01-15") from None
