"""The library through ctypes: JSON in, JSON out."""

import ctypes
import json
import os
from ctypes import POINTER, byref, c_char_p, c_int32, c_size_t, c_void_p
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATH = Path(os.environ.get("MAILBUTTON_LIBRARY") or ROOT / "target" / "release" / "libmailbutton.so").resolve()
PDF = b"%PDF-1.7\n%%EOF\n"

library = ctypes.CDLL(str(PATH))
for name, result, arguments in (
    ("open", c_void_p, [c_char_p, POINTER(c_void_p)]),
    ("free", None, [c_void_p]),
    ("form", c_void_p, [c_void_p, c_char_p]),
    ("words", c_void_p, [c_void_p, c_char_p]),
    ("discover", c_void_p, [c_void_p, c_char_p]),
    ("settings_set", c_void_p, [c_void_p, c_char_p]),
    ("settings_get", c_void_p, [c_void_p]),
    ("settings_clear", c_void_p, [c_void_p]),
    ("sign_in", c_void_p, [c_void_p, c_char_p]),
    ("sign_in_finish", c_void_p, [c_void_p, c_char_p]),
    ("sign_out", c_void_p, [c_void_p]),
    ("button", c_void_p, [c_void_p, c_char_p]),
    ("send_test", c_void_p, [c_void_p, c_char_p]),
    ("check_document", c_void_p, [c_void_p, c_char_p, c_size_t]),
    ("send_document", c_void_p, [c_void_p, c_char_p, c_char_p, c_size_t]),
    ("reply_wait", c_int32, [c_void_p, c_int32, c_void_p, c_void_p]),
    ("reply_json", c_char_p, [c_void_p]),
    ("reply_free", None, [c_void_p]),
):
    function = getattr(library, f"mailbutton_{name}")
    function.restype, function.argtypes = result, arguments


def text(value):
    """What a call takes: NULL, a text as it is, or a value as its JSON."""
    if value is None or isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def finish(reply):
    try:
        library.mailbutton_reply_wait(reply, -1, None, None)
        return json.loads(library.mailbutton_reply_json(reply))
    finally:
        library.mailbutton_reply_free(reply)


class Account:
    """An account from `with` to the end of the block; `opened` is the reply of opening it."""

    def __init__(self, options=None):
        self.account = c_void_p()
        self.opened = finish(library.mailbutton_open(text(options), byref(self.account)))

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        library.mailbutton_free(self.account)

    def words(self, values=None):
        return finish(library.mailbutton_words(self.account, text(values)))

    def form(self, values=None):
        return finish(library.mailbutton_form(self.account, text(values)))

    def discover(self, discover):
        return finish(library.mailbutton_discover(self.account, text(discover)))

    def sign_in(self, sign_in=None):
        return finish(library.mailbutton_sign_in(self.account, text(sign_in)))

    def sign_in_finish(self, sign_in):
        return finish(library.mailbutton_sign_in_finish(self.account, text(sign_in)))

    def sign_out(self):
        return finish(library.mailbutton_sign_out(self.account))

    def settings_set(self, settings):
        return finish(library.mailbutton_settings_set(self.account, text(settings)))

    def settings_get(self):
        return finish(library.mailbutton_settings_get(self.account))

    def settings_clear(self):
        return finish(library.mailbutton_settings_clear(self.account))

    def button(self, document):
        return finish(library.mailbutton_button(self.account, text(document)))

    def send_test(self, test=None):
        return finish(library.mailbutton_send_test(self.account, text(test)))

    def check_document(self, email, pdf=PDF):
        return finish(library.mailbutton_check_document(self.account, text(email), len(pdf)))

    def send_document(self, email, pdf=PDF):
        if "path" in email.get("document", {}):
            pdf = None
        return finish(library.mailbutton_send_document(self.account, text(email), pdf, len(pdf or b"")))
