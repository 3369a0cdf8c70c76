"""The C library: loaded, checked, and its functions and pointers with their types."""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_size_t, c_ssize_t, c_void_p
from pathlib import Path
from typing import Any

ABI_VERSION = 0
_NAMES = {"darwin": "libmailbutton.dylib", "win32": "mailbutton.dll"}


def _load() -> ctypes.CDLL:
    carried = Path(__file__).with_name(_NAMES.get(sys.platform, "libmailbutton.so"))
    path = os.environ.get("MAILBUTTON_LIBRARY") or str(carried)
    try:
        library = ctypes.CDLL(path)
        abi = library.mailbutton_abi_version()
    except (OSError, AttributeError) as problem:
        raise ImportError(
            f"mailbutton's library cannot be loaded: {problem}. A wheel carries it;"
            " otherwise the environment variable MAILBUTTON_LIBRARY names it.",
            name="mailbutton",
            path=path,
        ) from problem
    if abi != ABI_VERSION:
        raise ImportError(
            f"{path} has ABI {abi}, and this package needs ABI {ABI_VERSION}", name="mailbutton", path=path
        )
    return library


_library = _load()


class ReplyPointer(c_void_p):
    """Owns a reply from the very return of the C call, so that no exception can come in between.

    Freed with the last reference to it: never while another thread is inside a call with it, and never twice.
    """

    _free = _library.mailbutton_reply_free
    _free.restype = None
    _free.argtypes = [c_void_p]

    def __del__(self) -> None:
        if self.value:
            self._free(self)


class AccountPointer(c_void_p):
    """Owns an account in the same way."""

    _free = _library.mailbutton_free
    _free.restype = None
    _free.argtypes = [c_void_p]

    def __del__(self) -> None:
        if self.value:
            self._free(self)


ProgressCallback = CFUNCTYPE(c_int32, c_void_p, c_char_p, c_char_p, c_int32)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library, name)
    function.restype = result
    function.argtypes = list(arguments)
    return function


version = _function("mailbutton_version", c_char_p)
open_account = _function("mailbutton_open", ReplyPointer, c_char_p, POINTER(AccountPointer))
words = _function("mailbutton_words", ReplyPointer, c_void_p, c_char_p)
form = _function("mailbutton_form", ReplyPointer, c_void_p, c_char_p)
sign_in = _function("mailbutton_sign_in", ReplyPointer, c_void_p, c_char_p)
sign_in_finish = _function("mailbutton_sign_in_finish", ReplyPointer, c_void_p, c_char_p)
sign_out = _function("mailbutton_sign_out", ReplyPointer, c_void_p)
discover = _function("mailbutton_discover", ReplyPointer, c_void_p, c_char_p)
settings_set = _function("mailbutton_settings_set", ReplyPointer, c_void_p, c_char_p)
settings_get = _function("mailbutton_settings_get", ReplyPointer, c_void_p)
settings_clear = _function("mailbutton_settings_clear", ReplyPointer, c_void_p)
button = _function("mailbutton_button", ReplyPointer, c_void_p, c_char_p)
check_document = _function("mailbutton_check_document", ReplyPointer, c_void_p, c_char_p, c_size_t)
send_test = _function("mailbutton_send_test", ReplyPointer, c_void_p, c_char_p)
send_document = _function("mailbutton_send_document", ReplyPointer, c_void_p, c_char_p, c_void_p, c_size_t)
reply_wait = _function("mailbutton_reply_wait", c_int32, c_void_p, c_int32, ProgressCallback, c_void_p)
reply_json = _function("mailbutton_reply_json", c_char_p, c_void_p)
reply_cancel = _function("mailbutton_reply_cancel", None, c_void_p)

NO_CALLBACK = ProgressCallback()


class Buffer(ctypes.Structure):
    """Python's Py_buffer: the address of any bytes-like object, also of a read-only one, without a copy."""

    _fields_ = [
        ("buf", c_void_p),
        ("obj", ctypes.py_object),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]
    buf: int | None
    len: int

    _get = ctypes.pythonapi.PyObject_GetBuffer
    _get.argtypes = [ctypes.py_object, c_void_p, c_int]
    _release = ctypes.pythonapi.PyBuffer_Release
    _release.restype = None
    _release.argtypes = [c_void_p]

    def __init__(self, data: object) -> None:
        super().__init__()
        # 0 is PyBUF_SIMPLE: contiguous bytes, or a BufferError.
        self._get(data, ctypes.byref(self), 0)

    def __del__(self) -> None:
        # Harmless where nothing was got.
        self._release(ctypes.byref(self))
