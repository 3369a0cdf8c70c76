"""What the demos send: an invoice as a PDF, and a photo as a PNG. Both are written without a library."""

import random
import struct
import zlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import List, Tuple

from pdf import HEIGHT, WIDTH, Page, write_pdf

MARGIN = 57
GREEN, GREY, PALE = "0.13 0.37 0.25", "0.45 0.45 0.45", "0.91 0.95 0.92"

SELLER = ["Livada Mare SRL", "Str. Merilor 12, 440001 Satu Mare", "CUI RO 12345674, J30/117/2019"]
IBAN = "IBAN RO49 AAAA 1B31 0075 9384 0000"
VAT = 11
WORDS = {
    "ro": {
        "title": "FACTURĂ", "seller": "Furnizor", "buyer": "Client", "due": "Scadența",
        "columns": ("Produs", "Cant.", "Preț", "Valoare ({})"), "net": "Total fără TVA", "tax": "TVA",
        "total": "Total de plată", "bank": "Banca Exemplu", "thanks": "Vă mulțumim că ați ales merele noastre.",
        "photo": "Fotografie de la livrare",
    },
    "en": {
        "title": "INVOICE", "seller": "From", "buyer": "To", "due": "Due",
        "columns": ("Item", "Qty", "Price", "Amount ({})"), "net": "Net", "tax": "VAT",
        "total": "Total due", "bank": "Banca Exemplu", "thanks": "Thank you for choosing our apples.",
        "photo": "A photo of the delivery",
    },
}


@dataclass(frozen=True)
class Invoice:
    """Prices are in hundredths."""

    number: str
    date: date
    buyer: List[str]
    lines: List[Tuple[str, int, int]]
    language: str = "ro"
    currency: str = "lei"
    photos: List[bytes] = field(default_factory=list)

    @property
    def due(self):
        return self.date + timedelta(days=30)

    @property
    def net(self):
        return sum(count * price for _, count, price in self.lines)

    @property
    def tax(self):
        return round(self.net * VAT / 100)

    @property
    def total(self):
        return self.net + self.tax


SAMPLE = Invoice(
    "2026-0117",
    date(2026, 11, 23),
    ["Țăndărică SRL", "Bd. Păcii 7, 400001 Cluj-Napoca", "CUI RO 76543215"],
    [
        ("Mere Ionatan, lădiță de 10 kg", 40, 3250),
        ("Pere Cure, lădiță de 8 kg", 25, 4100),
        ("Suc de mere, 3 l, fără zahăr", 60, 1890),
        ("Transport frigorific Satu Mare – Cluj-Napoca", 1, 42000),
    ],
)


def money(hundredths, language="ro"):
    point, comma = (".", ",") if language == "ro" else (",", ".")
    return f"{hundredths // 100:,}".replace(",", point) + f"{comma}{hundredths % 100:02}"


def day(when):
    return when.strftime("%d.%m.%Y")


def draw_head(page, invoice, words):
    right = WIDTH - MARGIN
    page.box(0, HEIGHT - 96, WIDTH, 96, GREEN)
    page.text(MARGIN, HEIGHT - 58, words["title"], 26, "F2", "1 1 1")
    page.text(right, HEIGHT - 50, invoice.number, 16, "F2", "1 1 1", right=True)
    page.text(right, HEIGHT - 70, day(invoice.date), 10, "F1", "1 1 1", right=True)
    for x, title, party in ((MARGIN, words["seller"], SELLER), (WIDTH / 2, words["buyer"], invoice.buyer)):
        page.text(x, 708, title, 9, "F1", GREY)
        page.text(x, 690, party[0], 13, "F2")
        for at, line in enumerate(party[1:]):
            page.text(x, 674 - 14 * at, line)


def draw_lines(page, invoice, words):
    """Gives how far down they go."""
    right = WIDTH - MARGIN
    columns = [(MARGIN + 8, False), (370, True), (455, True), (right - 8, True)]
    page.box(MARGIN, 600, right - MARGIN, 22, PALE)
    for (x, is_right), head in zip(columns, words["columns"]):
        page.text(x, 607, head.format(invoice.currency), 9, "F2", GREEN, is_right)
    y = 580
    for name, count, price in invoice.lines:
        amounts = (money(price, invoice.language), money(count * price, invoice.language))
        for (x, is_right), text in zip(columns, (name, str(count), *amounts)):
            page.text(x, y, text, right=is_right)
        page.box(MARGIN, y - 8, right - MARGIN, 0.5, "0.85 0.85 0.85")
        y -= 24
    return y


def draw_total(page, invoice, words, y):
    right = WIDTH - MARGIN
    for label, amount in ((words["net"], invoice.net), (f"{words['tax']} {VAT} %", invoice.tax)):
        y -= 18
        page.text(370, y, label)
        page.text(right - 8, y, money(amount, invoice.language), right=True)
    page.box(360, y - 40, right - 360, 28, GREEN)
    page.text(370, y - 31, words["total"], 12, "F2", "1 1 1")
    page.text(right - 8, y - 31, money(invoice.total, invoice.language), 12, "F2", "1 1 1", right=True)
    page.text(MARGIN, 120, f"{words['due']}: {day(invoice.due)}", 10, "F2")
    page.text(MARGIN, 104, f"{IBAN} – {words['bank']}")
    page.text(MARGIN, 60, words["thanks"], 9, "F1", GREY)


def draw_photo(photo, words):
    page = Page()
    page.text(MARGIN, HEIGHT - 75, words["photo"], 16, "F2", GREEN)
    wide = WIDTH - 2 * MARGIN
    page.picture(MARGIN, HEIGHT - 100 - wide * 3 // 4, wide, wide * 3 // 4, photo)
    return page


def make_invoice(invoice=SAMPLE):
    """The bytes of the PDF."""
    words, page = WORDS[invoice.language], Page()
    draw_head(page, invoice, words)
    draw_total(page, invoice, words, draw_lines(page, invoice, words))
    return write_pdf([page, *(draw_photo(photo, words) for photo in invoice.photos)], invoice.language)


def make_photo(wide=1600, high=1200):
    """The bytes of a PNG of a green hill, with grain as a photo has it, so that it is as large as one."""
    grain = random.Random(7)
    sky, field = (bytes(first + value // 8 for value in range(256)) for first in (0, 32))
    rows = bytearray()
    for y in range(high):
        edge = max(0, min(wide, (y - high // 4) * 4))
        row = grain.randbytes(wide)
        rows += b"\0" + row[:edge].translate(field) + row[edge:].translate(sky)
    colours = b"".join(
        bytes((red + light, green + light, blue + light))
        for red, green, blue in ((120, 170, 215), (60, 110, 50))
        for light in range(32)
    )

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0))
    body = chunk(b"PLTE", colours) + chunk(b"IDAT", zlib.compress(bytes(rows), 1))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")
