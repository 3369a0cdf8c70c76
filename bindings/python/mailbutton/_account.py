"""Accounts, and the jobs that send."""

from __future__ import annotations

import atexit
import json
import math
import os
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Callable, Deque, Generator, Mapping, NamedTuple, Optional, Sequence, Set, Type, Union

from . import _library
from ._errors import Reply, Status, checked

# Python runs signal handlers between two calls into C and not during one: Ctrl-C is noticed after so long at most.
_SLICE = 0.05

Json = Mapping[str, Any]
Path = Union[str, "os.PathLike[str]"]


class Progress(NamedTuple):
    """Where a piece of work is: the step's stable word, the same for the user, and how much of the email is uploaded."""

    step: str
    text: str
    permille: int


OnProgress = Callable[[Progress], object]


def version() -> str:
    """The library's version."""
    return str(_library.version().decode())


def open(
    store: Optional[Path] = None,
    *,
    program_name: Optional[str] = None,
    locale: Optional[str] = None,
    texts: Optional[Mapping[str, str]] = None,
    key: Optional[str] = None,
    passphrase: Optional[str] = None,
    keychain: Optional[str] = None,
    ca_file: Optional[Path] = None,
    hello_name: Optional[str] = None,
    proxy: Optional[str] = None,
    deadlines: Optional[Mapping[str, int]] = None,
    connections: Optional[int] = None,
    chunking: Optional[Sequence[str]] = None,
    providers: Optional[Sequence[Json]] = None,
    discovery: Union[None, bool, Mapping[str, str]] = None,
    oauth: Optional[Mapping[str, Json]] = None,
) -> Account:
    """Opens an account. `store` is the settings file; without it the settings are kept in memory.

    The options are those of mailbutton_open; each may be left out.
    """
    options = {
        "store": _text(store),
        "program_name": program_name,
        "locale": locale,
        "texts": None if texts is None else dict(texts),
        "key": key,
        "passphrase": passphrase,
        "keychain": keychain,
        "ca_file": _text(ca_file),
        "hello_name": hello_name,
        "proxy": proxy,
        "deadlines": None if deadlines is None else dict(deadlines),
        "connections": connections,
        "chunking": None if chunking is None else list(chunking),
        "providers": None if providers is None else [dict(row) for row in providers],
        "discovery": dict(discovery) if isinstance(discovery, Mapping) else discovery,
        "oauth": None if oauth is None else {name: dict(program) for name, program in oauth.items()},
    }
    pointer = _library.AccountPointer()
    given = _encode({name: value for name, value in options.items() if value is not None})
    opened = _answer(_library.open_account(given, pointer))
    return Account(pointer, opened, _text(store))


class Account:
    """One set of settings, and what can be done with it. Made by `mailbutton.open`.

    Any number of threads may use one. Every method raises an `Error` where the library does not answer OK.
    """

    def __init__(self, pointer: _library.AccountPointer, opened: Reply, store: Optional[str] = None) -> None:
        self._pointer: Optional[_library.AccountPointer] = pointer
        self._store = store
        #: What opening said: `configured`, `protection`, and perhaps `store_problem`.
        self.opened = opened

    def form(self, values: Optional[Json] = None, *, locale: Optional[str] = None) -> Reply:
        """The settings form as data; `values` are those typed so far, or None for the saved ones.

        `locale` is the language that this form is in, if it is not the account's. With it, `{}` stands for the saved
        values, too.

        A settings file that cannot be used does not take the form away: the reply then has the status STORE_FAILED
        and a message beside it.
        """
        given = values if locale is None else {**(values or {}), "locale": locale}
        reply = _read(_library.form(self._open(), _encode(given)))
        return reply if "form" in reply else checked(reply)

    def words(self, *, locale: Optional[str] = None) -> Reply:
        """The words of a user interface around the form and the email, by their keys, in `words`."""
        return _answer(_library.words(self._open(), None if locale is None else _encode({"locale": locale})))

    def start_sign_in(
        self, settings: Optional[Json] = None, *, flow: Optional[str] = None, redirect_uri: Optional[str] = None
    ) -> Job:
        """Begins to sign in; only the flows `device` and `client_credentials` take a moment."""
        return Job(_library.sign_in(self._open(), _given(settings=settings, flow=flow, redirect_uri=redirect_uri)))

    def sign_in(
        self, settings: Optional[Json] = None, *, flow: Optional[str] = None, redirect_uri: Optional[str] = None
    ) -> Reply:
        """Begins to sign in with the provider: `url` is to be opened, and `sign_in` goes to `finish_sign_in`."""
        with self.start_sign_in(settings, flow=flow, redirect_uri=redirect_uri) as job:
            return job.result()

    def start_finish_sign_in(self, sign_in: str, url: Optional[str] = None, *, total_ms: Optional[int] = None) -> Job:
        """Begins to wait for the end of a sign-in."""
        return Job(_library.sign_in_finish(self._open(), _given(sign_in=sign_in, url=url, total_ms=total_ms)))

    def finish_sign_in(self, sign_in: str, url: Optional[str] = None, *, total_ms: Optional[int] = None) -> Reply:
        """Waits for the end of a sign-in and saves it. `url` is the address of the callback, for the flow `redirect`."""
        with self.start_finish_sign_in(sign_in, url, total_ms=total_ms) as job:
            return job.result()

    def sign_out(self) -> Reply:
        """Forgets the sign-in, here and at the provider."""
        with Job(_library.sign_out(self._open())) as job:
            return job.result()

    def start_discover(
        self, email_address: str, *, total_ms: Optional[int] = None, locale: Optional[str] = None
    ) -> Job:
        """Begins to look for the settings of an email address."""
        given = {"email_address": email_address, "total_ms": total_ms, "locale": locale}
        return Job(_library.discover(self._open(), _encode(given)))

    def discover(
        self, email_address: str, *, total_ms: Optional[int] = None, locale: Optional[str] = None
    ) -> Reply:
        """Looks for the settings of an email address: `proposals`, each with a patch of the settings.

        The network is asked only if the account was opened with `discovery`.
        """
        with self.start_discover(email_address, total_ms=total_ms, locale=locale) as job:
            return job.result()

    def settings_set(self, settings: Json) -> Reply:
        """Checks and saves the whole of the settings."""
        return _answer(_library.settings_set(self._open(), _encode(settings)))

    def settings_get(self) -> Reply:
        """The saved settings, without their secrets."""
        return _answer(_library.settings_get(self._open()))

    def settings_clear(self) -> Reply:
        """Forgets the settings and their secrets."""
        return _answer(_library.settings_clear(self._open()))

    def button(self, document: Json) -> Reply:
        """The Email button of a document, and the email that it begins with."""
        return _answer(_library.button(self._open(), _encode(document)))

    def check_document(self, email: Json, pdf: Any = None) -> Reply:
        """Looks at an email before it is sent: `warnings` of what is probably not meant. Nothing is sent.

        `pdf` is what `send_document` takes; without it the document counts as not made yet.
        """
        return _answer(_checking(self._open(), email, pdf))

    def start_test(
        self,
        settings: Optional[Json] = None,
        to: Optional[str] = None,
        *,
        total_ms: Optional[int] = None,
        locale: Optional[str] = None,
        transcript: bool = False,
        access_token: Optional[str] = None,
    ) -> Job:
        """Begins to send a test email with the saved settings, or with `settings` that are not saved yet."""
        test = {
            "settings": settings,
            "to": to,
            "total_ms": total_ms,
            "locale": locale,
            "transcript": transcript or None,
            "access_token": access_token,
        }
        given = {name: value for name, value in test.items() if value is not None}
        return Job(_library.send_test(self._open(), _encode(given)))

    def start_document(self, email: Json, pdf: Any) -> Job:
        """Begins to send a document. `pdf` is bytes, or anything that gives its bytes: memoryview, mmap.

        A `pathlib.Path`, or what else has a path, is read while it is sent, and takes little memory: the file must stay as
        it is until the end.
        """
        if pdf is None:
            raise TypeError("the PDF is bytes, or the path of its file")
        return Job(_sending(self._open(), email, pdf))

    def send_test(
        self,
        settings: Optional[Json] = None,
        to: Optional[str] = None,
        *,
        total_ms: Optional[int] = None,
        locale: Optional[str] = None,
        transcript: bool = False,
        access_token: Optional[str] = None,
        on_progress: Optional[OnProgress] = None,
    ) -> Reply:
        """Sends a test email and reports each step. An exception on the way, Ctrl-C too, cancels it."""
        with self.start_test(
            settings, to, total_ms=total_ms, locale=locale, transcript=transcript, access_token=access_token
        ) as job:
            return job.result(on_progress=on_progress)

    def send_document(self, email: Json, pdf: Any, *, on_progress: Optional[OnProgress] = None) -> Reply:
        """Sends a document and waits for the end. An exception on the way, Ctrl-C too, cancels it."""
        with self.start_document(email, pdf) as job:
            return job.result(on_progress=on_progress)

    def close(self) -> None:
        """Closes the account; jobs go on. Closing again is fine."""
        self._pointer = None

    def _open(self) -> _library.AccountPointer:
        # Whoever got it keeps it alive during the call, whatever another thread closes meanwhile.
        pointer = self._pointer
        if pointer is None:
            raise ValueError("this mailbutton account is closed")
        return pointer

    def __enter__(self) -> Account:
        self._open()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        problem: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mailbutton.Account {'closed' if self._pointer is None else 'open'}>"


class Job:
    """Work under way. Closing it, or losing the last reference to it, cancels what still runs.

    `await job` gives its result; cancelling the asyncio task then cancels the work.
    """

    def __init__(self, pointer: _library.ReplyPointer) -> None:
        self._pointer: Optional[_library.ReplyPointer] = pointer
        # Progress that was taken from the library when its wait was over already: for the next one.
        self._untold: Deque[Progress] = deque()

    @property
    def status(self) -> Status:
        """PENDING while it is under way."""
        # Not by waiting: that would take progress away from whoever listens.
        said = _library.reply_json(self._open())
        return Status.PENDING if said is None else Status(json.loads(said)["status"])

    @property
    def done(self) -> bool:
        return _library.reply_json(self._open()) is not None

    def wait(self, timeout: Optional[float] = None, on_progress: Optional[OnProgress] = None) -> Status:
        """Waits for the end, or `timeout` seconds: the status is PENDING then, and the work goes on.

        `on_progress` is called on this thread; returning False from it cancels the work. So does an exception that
        comes up while this waits, in `on_progress` or by Ctrl-C; it is raised here.
        """
        pointer = self._open()
        until = None if timeout is None else time.monotonic() + timeout
        try:
            if on_progress is not None:
                self._listen(pointer, until, on_progress)
            return _wait_until(pointer, until)
        except BaseException:
            _library.reply_cancel(pointer)
            raise

    def _listen(
        self, pointer: _library.ReplyPointer, until: Optional[float], on_progress: OnProgress
    ) -> None:
        if _Listener.is_over:
            return
        with _Listener(pointer, self._untold) as listener:
            while True:
                progress = listener.next(until)
                if progress is None:
                    return
                if on_progress(progress) is False:
                    _library.reply_cancel(pointer)

    def result(self, timeout: Optional[float] = None, on_progress: Optional[OnProgress] = None) -> Reply:
        """Waits and gives the reply, or raises the `Error` that it is; TimeoutError after `timeout` seconds."""
        if self.wait(timeout, on_progress) is Status.PENDING:
            raise TimeoutError("the work is still under way")
        return checked(_read(self._open()))

    def cancel(self) -> None:
        """Asks the work to stop, from any thread; `wait` then ends soon. An ended job stays as it is."""
        pointer = self._pointer
        if pointer is not None:
            _library.reply_cancel(pointer)

    def close(self) -> None:
        """Cancels what still runs and forgets the job. Closing again is fine."""
        self.cancel()
        self._pointer = None

    async def _result(self) -> Reply:
        import asyncio

        try:
            return await asyncio.to_thread(self.result)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def __await__(self) -> Generator[Any, None, Reply]:
        return self._result().__await__()

    def _open(self) -> _library.ReplyPointer:
        pointer = self._pointer
        if pointer is None:
            raise ValueError("this mailbutton job is closed")
        return pointer

    def __enter__(self) -> Job:
        self._open()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        problem: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mailbutton.Job {'closed' if self._pointer is None else self.status.name}>"


class _Listener:
    """A thread that collects progress while the waiting one sleeps where signals wake it.

    Python loses an exception that passes through a C callback, and in the main thread a KeyboardInterrupt may come up
    before the callback's first line. So the callback runs where no signal handler does, and only fills a queue.
    """

    is_over = False
    _running: Set[threading.Thread] = set()

    def __init__(self, pointer: _library.ReplyPointer, untold: Deque[Progress]) -> None:
        self._pointer = pointer
        self._untold = untold
        # Ends with None. Its own, so that each waiting thread gets the end.
        self._told: queue.SimpleQueue[Optional[Progress]] = queue.SimpleQueue()
        self._wanted = True
        self._thread = threading.Thread(target=self._run, name="mailbutton-progress", daemon=True)

    def _run(self) -> None:
        callback = _library.ProgressCallback(self._collect)
        self._running.add(self._thread)
        try:
            while self._wanted and not _Listener.is_over:
                if _wait(self._pointer, _SLICE, callback) is not Status.PENDING:
                    break
        finally:
            self._told.put(None)
            self._running.discard(self._thread)

    @classmethod
    def end_all(cls) -> None:
        """Python ends threads that come back to it after its own end: in a callback, through the library's frames."""
        cls.is_over = True
        for thread in list(cls._running):
            thread.join()

    def _collect(self, _userdata: object, step: bytes, text: bytes, permille: int) -> int:
        self._told.put(Progress(step.decode(), text.decode(), permille))
        return 0

    def next(self, until: Optional[float]) -> Optional[Progress]:
        """The next step; None at the end, or when the time is up."""
        with suppress(IndexError):
            return self._untold.popleft()
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            return self._told.get(timeout=left)
        except queue.Empty:
            return None

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Soon over.
        self._wanted = False
        self._thread.join()
        while not self._told.empty():
            progress = self._told.get()
            if progress is not None:
                self._untold.append(progress)


atexit.register(_Listener.end_all)


def _wait_until(pointer: _library.ReplyPointer, until: Optional[float]) -> Status:
    while True:
        left = _SLICE if until is None else max(0.0, min(_SLICE, until - time.monotonic()))
        status = _wait(pointer, left)
        if status is not Status.PENDING or (until is not None and time.monotonic() >= until):
            return status


def _wait(pointer: _library.ReplyPointer, seconds: float, callback: Any = _library.NO_CALLBACK) -> Status:
    # Rounded up, so that what is left of a millisecond is not spent on looking again and again.
    milliseconds = math.ceil(1000 * seconds)
    return Status(_library.reply_wait(pointer, milliseconds, callback, None))


def _answer(pointer: _library.ReplyPointer) -> Reply:
    return checked(_read(pointer))


def _read(pointer: _library.ReplyPointer) -> Reply:
    reply: Reply = json.loads(_library.reply_json(pointer))
    return reply


def _checking(account: _library.AccountPointer, email: Optional[Json], pdf: Any) -> _library.ReplyPointer:
    if isinstance(pdf, os.PathLike):
        given, size = _with_file(email, pdf), 0
    else:
        given, size = _encode(email), 0 if pdf is None else _library.Buffer(pdf).len
    pointer: _library.ReplyPointer = _library.check_document(account, given, size)
    return pointer


def _sending(account: _library.AccountPointer, email: Optional[Json], pdf: Any) -> _library.ReplyPointer:
    pointer: _library.ReplyPointer
    if pdf is None or isinstance(pdf, os.PathLike):
        given = _encode(email) if pdf is None else _with_file(email, pdf)
        pointer = _library.send_document(account, given, None, 0)
    else:
        given, data = _encode(email), _library.Buffer(pdf)
        pointer = _library.send_document(account, given, data.buf, data.len)
    return pointer


def _encode(value: Optional[Json]) -> Optional[bytes]:
    return None if value is None else json.dumps(value, default=_plain).encode("ascii")


def _given(**members: Any) -> Optional[bytes]:
    return _encode({name: value for name, value in members.items() if value is not None})


def _with_file(email: Optional[Json], path: Path) -> Optional[bytes]:
    given = email or {}
    document = {**(given.get("document") or {}), "path": os.fsdecode(path)}
    return _encode({**given, "document": document})


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no place in mailbutton's JSON")


def _text(path: Optional[Path]) -> Optional[str]:
    return None if path is None else os.fspath(path)
