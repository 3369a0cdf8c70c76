"""The program's own texts, figures and dates, in the languages that it has. mailbutton brings the words for email."""

import json
from pathlib import Path

FOLDER = Path(__file__).with_name("words")
# The first one is for those whose browser wants none of them.
LANGUAGES = {tag: json.loads((FOLDER / f"{tag}.json").read_text("utf-8")) for tag in ("en", "ro", "ar")}


class Words:
    def __init__(self, language):
        self.language = language
        self._texts = LANGUAGES[language]

    def __call__(self, key, **slots):
        text = self._texts[key]
        return text.format(**{slot: self.isolated(value) for slot, value in slots.items()}) if slots else text

    def isolated(self, value):
        """Figures and names run their own way in a sentence that runs from right to left."""
        return f"\u2068{value}\u2069" if self.direction == "rtl" else value

    @property
    def direction(self):
        return self("direction")

    def money(self, hundredths, currency):
        whole = f"{hundredths // 100:,}".replace(",", self("comma"))
        return f"{whole}{self('point')}{hundredths % 100:02}\u00a0{currency}"

    def day(self, when):
        return f"{when.day}\u00a0{self._texts['months'][when.month - 1]}\u00a0{when.year}"

    def moment(self, when):
        return self("moment", day=self.day(when), time=f"{when:%H:%M}")


def preferred(accepted):
    """The first language of an Accept-Language that is there."""
    for item in (accepted or "")[:1000].split(","):
        tag = item.partition(";")[0].strip().lower().partition("-")[0]
        if tag in LANGUAGES:
            return tag
    return next(iter(LANGUAGES))
