"""A PDF of a few pages, written without a library: text in the standard fonts, boxes, and pictures."""

import re
import struct
import zlib

WIDTH, HEIGHT = 595, 842
BLACK = "0.1 0.1 0.1"

# The letters that the standard fonts have and their usual encoding has not.
EXTRA = {"ă": "abreve", "Ă": "Abreve", "ș": "scommaaccent", "Ș": "Scommaaccent", "ț": "tcommaaccent", "Ț": "Tcommaaccent"}
CODES = {letter: 0x80 + at for at, letter in enumerate(EXTRA)}


# How wide Helvetica's letters are that are not as wide as a figure, in thousandths of the size.
WIDTHS = {
    **dict.fromkeys("ijl", 222), **dict.fromkeys(" .,:/ftI", 278), **dict.fromkeys("()-r", 333), **dict.fromkeys("cksvxyz", 500),
    **dict.fromkeys("ABEKPSVXY", 667), **dict.fromkeys("wCDHNRU", 722), **dict.fromkeys("mM", 833), "T": 611, "L": 556,
}  # fmt: skip


def width(text, size):
    """Good enough to set figures and short words flush right."""
    return sum(WIDTHS.get(letter, 556) for letter in text) * size / 1000


class Page:
    def __init__(self):
        self.marks = []
        self.pictures = []

    def box(self, x, y, wide, high, colour):
        self.marks.append(f"{colour} rg {x} {y} {wide} {high} re f")

    def text(self, x, y, text, size=10, font="F1", colour=BLACK, right=False):
        if right:
            x -= width(text, size)
        codes = bytes(CODES.get(letter) or letter.encode("cp1252")[0] for letter in text).hex()
        self.marks.append(f"BT {colour} rg /{font} {size} Tf {x:.1f} {y} Td <{codes}> Tj ET")

    def picture(self, x, y, wide, high, png):
        """`png` has a palette: its rows are then a picture of PDF as they are."""
        self.pictures.append(png)
        self.marks.append(f"q {wide} 0 0 {high} {x} {y} cm /P{len(self.pictures)} Do Q")


def stream(body, entries=b""):
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(body), entries, body)


def packed(body):
    return stream(zlib.compress(body, 9), b"/Filter /FlateDecode")


def picture(png):
    chunks, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += 12 + size
    wide, high = struct.unpack_from(">II", chunks[b"IHDR"])
    palette = chunks[b"PLTE"]
    return stream(
        chunks[b"IDAT"],
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 /Filter /FlateDecode "
        b"/DecodeParms << /Predictor 15 /Columns %d >> /ColorSpace [/Indexed /DeviceRGB %d <%s>]"
        % (wide, high, wide, len(palette) // 3 - 1, palette.hex().encode()),
    )


def font(name):
    names = " ".join(f"/{name}" for name in EXTRA.values())
    return (
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /ToUnicode 5 0 R /Encoding "
        f"<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [128 {names}] >> >>"
    ).encode()


def map_of_codes():
    unicode = "\n".join(f"<{CODES[letter]:02X}> <{ord(letter):04X}>" for letter in EXTRA)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Demo def /CMapType 2 def\n"
        "1 begincodespacerange <00> <FF> endcodespacerange\n"
        "2 beginbfrange <20> <7E> <0020> <A0> <FF> <00A0> endbfrange\n1 beginbfchar <96> <2013> endbfchar\n"
        f"{len(EXTRA)} beginbfchar\n{unicode}\nendbfchar\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()


def write_pdf(pages, language):
    """The bytes of the file."""
    objects = [None, None, font("Helvetica"), font("Helvetica-Bold"), packed(map_of_codes())]
    kids = []
    for page in pages:
        named = b""
        for number, png in enumerate(page.pictures, 1):
            objects.append(picture(png))
            named += b"/P%d %d 0 R " % (number, len(objects))
        objects.append(packed("\n".join(page.marks).encode()))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R\n"
            b"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> /XObject << %s>> >> >>" % (WIDTH, HEIGHT, len(objects), named)
        )
        kids.append(len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R /Lang (%s) >>" % re.sub(r"\W", "", language).encode()
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (references, len(kids))
    return assemble(objects)


def assemble(objects):
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
