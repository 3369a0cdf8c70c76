"""Reads the documentation: its fenced blocks with the comments above them, and its tables."""

import re
from dataclasses import dataclass

from library import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(?:^<!-- *(?P<mark>[^\n]*?) *-->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    mark: str
    body: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(*languages):
    found = []
    for page in PAGES:
        if page.exists():
            text = page.read_text()
            for match in FENCE.finditer(text):
                if not languages or match["language"] in languages:
                    line = text.count("\n", 0, match.start("body"))
                    mark = match["mark"] or ""
                    found.append(Block(page.name, line, match["language"], mark, match["body"]))
    return found


def tables(page):
    """Each table as a list of rows, each row a list of its cells; the heading is the first row."""
    found, table = [], []
    for line in [*(ROOT / "docs" / page).read_text().splitlines(), ""]:
        if line.startswith("|"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(re.fullmatch(r"-+", cell) for cell in row):
                table.append(row)
        elif table:
            found.append(table)
            table = []
    return found


def table(page, *heading):
    """The body of the one table whose heading begins like this."""
    (found,) = [table for table in tables(page) if table[0][: len(heading)] == list(heading)]
    return found[1:]


def words(cell):
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
