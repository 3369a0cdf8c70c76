"""The program's own matters: its invoices, and what became of those that were emailed."""

import sys
import threading
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from invoice import Invoice, make_invoice, make_photo  # noqa: E402

PRODUCTS = {
    "ro": ("Mere Ionatan, lădiță de 10 kg", "Pere Cure, lădiță de 8 kg", "Suc de mere, 3 l, fără zahăr", "Transport frigorific"),
    "en": ("Jonathan apples, crate of 10 kg", "Curé pears, crate of 8 kg", "Apple juice, 3 l, no sugar", "Refrigerated transport"),
}
PRICES = (750, 920, 440, 12500)
# Days ago, whether it is paid, the buyer and the addresses, the language, and how many of each product.
INVOICES = [
    (1, False, ["Brightwater Café Ltd", "14 Quay Street, Galway, Ireland"], "accounts@brightwater.example", "en", (12, 6, 40, 1)),
    (3, False, ["Țăndărică SRL", "Bd. Păcii 7, 400001 Cluj-Napoca"], "contabil@tandarica.example", "ro", (40, 25, 60, 1)),
    (9, False, ["Olive & Thyme LLC", "Al Wasl Road 88, Dubai"], "finance@olivethyme.example", "en", (0, 0, 120, 1)),
    (16, True, ["Crème et Citron SARL", "3 rue des Lilas, 69003 Lyon"], "compta@creme.example", "en", (8, 30, 0, 1)),
    (38, False, ["Piața Veche SA", "Str. Horea 21, 400174 Cluj-Napoca"], "financiar@piataveche.example", "ro", (16, 4, 12, 0)),
    (44, True, ["Nördliche Höfe eG", "Am Deich 5, 26721 Emden"], "rechnung@hoefe.example", "en", (60, 45, 0, 1)),
    (51, True, ["Școala Gimnazială 12", "Str. Florilor 3, 440002 Satu Mare"], "secretariat@scoala12.example", "ro", (25, 0, 80, 0)),
]  # fmt: skip
FIRST_NUMBER = 124


@dataclass(frozen=True)
class Sent:
    """An email with an invoice, and its outcome: the reply's status and reason, and each recipient's."""

    invoice: str
    when: datetime
    subject: str
    status: str
    reason: str
    recipients: list


@dataclass(frozen=True)
class Entry:
    """A row of the books."""

    invoice: Invoice
    addresses: str
    is_paid: bool

    @property
    def number(self):
        return self.invoice.number

    @property
    def customer(self):
        return self.invoice.buyer[0]

    def state(self, today):
        if self.is_paid:
            return "paid"
        return "overdue" if self.invoice.due < today else "open"

    @property
    def document(self):
        """What mailbutton's button wants to know of it."""
        recipient = {"name": self.customer, "addresses": self.addresses}
        return {"kind": "invoice", "reference": self.number, "recipient": recipient}


class Books:
    def __init__(self, today=None):
        self.today = today or date.today()
        self._entries = {}
        for at, row in enumerate(INVOICES):
            entry = self._entry(FIRST_NUMBER - at, *row)
            self._entries[entry.number] = entry
        self._sent = []
        self._lock = threading.Lock()

    def _entry(self, number, days, is_paid, buyer, addresses, language, counts):
        when = self.today - timedelta(days=days)
        lines = [(name, count, price) for name, count, price in zip(PRODUCTS[language], counts, PRICES) if count]
        # The newest has a photo of the delivery: large enough for its upload to be watched.
        photos = [make_photo()] if number == FIRST_NUMBER else []
        invoice = Invoice(f"{when.year}-{number:04}", when, buyer, lines, language, "EUR", photos)
        return Entry(invoice, addresses, is_paid)

    def __iter__(self):
        return iter(self._entries.values())

    def get(self, number):
        return self._entries.get(number)

    @lru_cache(maxsize=None)  # noqa: B019 - there is one, for as long as the program runs.
    def pdf(self, number):
        return make_invoice(self._entries[number].invoice)

    def note(self, number, email, reply):
        """Writes down what became of an email, if it came as far as a server."""
        if "recipients" not in reply:
            return
        subject = email.get("subject") if isinstance(email.get("subject"), str) else ""
        recipients = [(each["address"], each["role"], each["outcome"]) for each in reply["recipients"]]
        sent = Sent(number, datetime.now(), subject, reply["status_name"], reply["reason"], recipients)
        with self._lock:
            self._sent = [sent, *self._sent[:999]]

    def sent(self, number=None):
        """The newest first; of one invoice, or of all."""
        return [sent for sent in self._sent if number in (None, sent.invoice)]
