"""The documents: what they say, where their links lead, and the commands in them."""

import re
from pathlib import Path

from embedded.supervision.processes import PROJECT

DOCS = PROJECT / "docs"
README = PROJECT / "README.md"
# Not what stands in folders that are no part of the repository, such as .venv.
PAGES = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")


def name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def text(*pages: Path) -> str:
    """Of these pages, or of all."""
    return "\n".join(page.read_text() for page in pages or PAGES)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: each one's kind, and its text."""
    return _FENCED.findall(page.read_text())


def shell(*pages: Path) -> list[str]:
    """The blocks of commands in these pages, or in all."""
    return [body for kind, body in _FENCED.findall(text(*pages)) if kind == "sh"]


def sections(page: Path) -> dict[str, str]:
    """The headings of a page, as links name them, with the text below each."""
    parts = _HEADING.split(_FENCED.sub(_without_comments, page.read_text()))[1:]
    return dict(zip(map(slug, parts[::2]), parts[1::2], strict=True))


def slug(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def links(page: Path) -> list[str]:
    """Where the links of a page lead that stay in the repository."""
    plain = _CODE.sub("", _FENCED.sub("", page.read_text()))
    return [target for target in _LINK.findall(plain) if not re.match(r"[a-z]+:", target)]


def _without_comments(block: re.Match[str]) -> str:
    """A comment in a shell begins as a heading does."""
    return re.sub(r"(?m)^# ", "", block[0])
