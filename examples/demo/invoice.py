"""What the demo sends: an invoice of one page as a PDF, and a photo as a PNG. Both are written without a library."""

import random
import struct
import zlib

WIDTH, HEIGHT, MARGIN = 595, 842, 57
GREEN, GREY, BLACK = "0.13 0.37 0.25", "0.45 0.45 0.45", "0.1 0.1 0.1"

# The letters that the standard fonts have and their usual encoding has not.
EXTRA = {"ă": "abreve", "Ă": "Abreve", "ș": "scommaaccent", "Ș": "Scommaaccent", "ț": "tcommaaccent", "Ț": "Tcommaaccent"}
CODES = {letter: 0x80 + at for at, letter in enumerate(EXTRA)}

SELLER = ["Livada Mare SRL", "Str. Merilor 12, 440001 Satu Mare", "CUI RO 12345674, J30/117/2019"]
BUYER = ["Țăndărică SRL", "Bd. Păcii 7, 400001 Cluj-Napoca", "CUI RO 76543215"]
LINES = [
    ("Mere Ionatan, lădiță de 10 kg", 40, 3250),
    ("Pere Cure, lădiță de 8 kg", 25, 4100),
    ("Suc de mere, 3 l, fără zahăr", 60, 1890),
    ("Transport frigorific Satu Mare – Cluj-Napoca", 1, 42000),
]
VAT = 11


def width(text, size):
    """Good enough to set figures flush right: they, the point and the comma are what it is used for."""
    return sum(278 if letter in " .,:-" else 556 for letter in text) * size / 1000


def money(hundredths):
    return f"{hundredths // 100:,}".replace(",", ".") + f",{hundredths % 100:02}"


class Page:
    def __init__(self):
        self.marks = []

    def box(self, x, y, wide, high, colour):
        self.marks.append(f"{colour} rg {x} {y} {wide} {high} re f")

    def text(self, x, y, text, size=10, font="F1", colour=BLACK, right=False):
        if right:
            x -= width(text, size)
        codes = bytes(CODES.get(letter) or letter.encode("cp1252")[0] for letter in text).hex()
        self.marks.append(f"BT {colour} rg /{font} {size} Tf {x:.1f} {y} Td <{codes}> Tj ET")


def draw():
    page = Page()
    right = WIDTH - MARGIN
    page.box(0, HEIGHT - 96, WIDTH, 96, GREEN)
    page.text(MARGIN, HEIGHT - 58, "FACTURĂ", 26, "F2", "1 1 1")
    page.text(right, HEIGHT - 50, "2026-0117", 16, "F2", "1 1 1", right=True)
    page.text(right, HEIGHT - 70, "23.11.2026", 10, "F1", "1 1 1", right=True)
    for x, title, party in ((MARGIN, "Furnizor", SELLER), (WIDTH / 2, "Client", BUYER)):
        page.text(x, 708, title, 9, "F1", GREY)
        page.text(x, 690, party[0], 13, "F2")
        for at, line in enumerate(party[1:]):
            page.text(x, 674 - 14 * at, line)
    columns = [(MARGIN + 8, False), (370, True), (455, True), (right - 8, True)]
    page.box(MARGIN, 600, right - MARGIN, 22, "0.91 0.95 0.92")
    for (x, is_right), head in zip(columns, ("Produs", "Cant.", "Preț", "Valoare (lei)")):
        page.text(x, 607, head, 9, "F2", GREEN, is_right)
    y = 580
    for name, count, price in LINES:
        for (x, is_right), text in zip(columns, (name, str(count), money(price), money(count * price))):
            page.text(x, y, text, right=is_right)
        page.box(MARGIN, y - 8, right - MARGIN, 0.5, "0.85 0.85 0.85")
        y -= 24
    net = sum(count * price for _, count, price in LINES)
    tax = round(net * VAT / 100)
    for label, amount in (("Total fără TVA", net), (f"TVA {VAT} %", tax)):
        y -= 18
        page.text(370, y, label)
        page.text(right - 8, y, money(amount), right=True)
    page.box(360, y - 40, right - 360, 28, GREEN)
    page.text(370, y - 31, "Total de plată", 12, "F2", "1 1 1")
    page.text(right - 8, y - 31, money(net + tax), 12, "F2", "1 1 1", right=True)
    page.text(MARGIN, 120, "Scadența: 23.12.2026", 10, "F2")
    page.text(MARGIN, 104, "IBAN RO49 AAAA 1B31 0075 9384 0000 – Banca Exemplu")
    page.text(MARGIN, 60, "Vă mulțumim că ați ales merele noastre.", 9, "F1", GREY)
    return "\n".join(page.marks).encode()


def make_invoice():
    """The bytes of the PDF."""
    names = " ".join(f"/{name}" for name in EXTRA.values())
    unicode = "\n".join(f"<{CODES[letter]:02X}> <{ord(letter):04X}>" for letter in EXTRA)
    map_of_codes = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Demo def /CMapType 2 def\n"
        "1 begincodespacerange <00> <FF> endcodespacerange\n"
        f"1 beginbfrange <20> <7E> <0020> endbfrange\n1 beginbfchar <96> <2013> endbfchar\n"
        f"{len(EXTRA)} beginbfchar\n{unicode}\nendbfchar\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()

    def font(name):
        return (
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /ToUnicode 7 0 R /Encoding "
            f"<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [128 {names}] >> >>"
        ).encode()

    def stream(body):
        packed = zlib.compress(body, 9)
        return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)

    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (ro) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R\n"
        b"/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>" % (WIDTH, HEIGHT),
        stream(draw()),
        font("Helvetica"),
        font("Helvetica-Bold"),
        stream(map_of_codes),
    ]
    pdf = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    starts = []
    for number, body in enumerate(objects, 1):
        starts.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % start for start in starts)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(pdf)


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
