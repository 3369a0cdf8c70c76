"""The library's functions for a page, whose calls come from outside the program and are not trusted."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Callable, Dict, Hashable, Iterable, Iterator, List, Mapping, NamedTuple, Optional

from . import _account, _library
from ._account import Account, Job, Progress
from ._errors import Reply, Status

# How long one call of reply_wait may take: well below what servers and proxies allow a request.
_WAIT = 20.0
# How long an end is kept, in case that the answer with it was lost; and how long work may take before it is cancelled.
_KEPT = 60.0
_OVERDUE = 3600.0
# In all, and under way for one owner: nobody keeps the others from sending.
_MOST = 64
_MOST_OF_ONE = 16

_WITHOUT_JSON = {
    "settings_get": _library.settings_get,
    "settings_clear": _library.settings_clear,
    "sign_out": _library.sign_out,
}
_WITH_JSON = {
    "form": _library.form,
    "words": _library.words,
    "discover": _library.discover,
    "settings_set": _library.settings_set,
    "button": _library.button,
    "send_test": _library.send_test,
    "sign_in": _library.sign_in,
    "sign_in_finish": _library.sign_in_finish,
}
_WITH_PDF = {"check_document": _account._checking, "send_document": _account._sending}
_WORK = frozenset(["discover", "send_test", "send_document", "sign_in", "sign_in_finish", "sign_out"])
_OF_JOBS = frozenset(["reply_wait", "reply_cancel"])
_FUNCTIONS = _OF_JOBS.union(_WITHOUT_JSON, _WITH_JSON, _WITH_PDF)

Json = Mapping[str, Any]
OnEnd = Callable[[Reply], object]


class Bridge:
    """mailbutton's functions for a page: `call` takes what the page asks for, and gives what it is to get.

    Any number of threads may use one. What a page gives never raises: what is wrong with it is a reply with BAD_CALL. A
    page gets to no file: `path` is refused wherever it stands, and no reply names a folder. Work under way is a `job`, and
    only the `owner` (a session, say) that began it can wait for it or cancel it.

    `functions` are those that the page may call, by the library's names without `mailbutton_`; all of them if left out.
    Who may save or test settings can let the program connect to any server.
    """

    def __init__(self, account: Account, *, functions: Optional[Iterable[str]] = None) -> None:
        allowed = _FUNCTIONS if functions is None else _OF_JOBS.union(functions)
        if allowed - _FUNCTIONS:
            raise ValueError(f"no such function: {', '.join(sorted(allowed - _FUNCTIONS))}")
        self._account = account
        self._allowed = allowed
        self._jobs: Dict[str, _Work] = {}
        self._starting = 0
        self._lock = threading.Lock()
        self._sending = threading.RLock()

    def call(
        self,
        function: object,
        json: object = None,
        pdf: Any = None,
        *,
        owner: Hashable = None,
        on_end: Optional[OnEnd] = None,
    ) -> Reply:
        """Calls `function` with the page's `json` and gives the reply, or a job if it takes longer.

        `pdf` is what the page uploaded, or the program's own document: as bytes, or as the path of its file. `on_end` gets
        the last reply, once, before the page does and whether the page asks for it or not, if need be on another thread:
        the place to write down what was sent.
        """
        if not isinstance(function, str) or function not in self._allowed:
            return _bad_call("unknown_function", "There is no such function, or the page may not call it.")
        if not isinstance(json, (Mapping, type(None))):
            return _bad_call("bad_argument", "The JSON of a call is an object.")
        place = _place_of_path(json)
        if place is not None:
            return _bad_call("path_refused", "A page can name no files of the program.", place)
        self._forget_the_old()
        if function in _OF_JOBS:
            return self._ask(function, json or {}, owner)
        key = json.get("idempotency_key") if json is not None and function == "send_document" else None
        order = _Order(owner, key if isinstance(key, str) else None, on_end)
        if function not in _WORK:
            return self._begin(function, json, pdf, order)
        if order.key is None:
            return self._work(function, json, pdf, order)
        # One after the other: a browser, too, may ask again by itself.
        with self._sending:
            return self._sent(order) or self._work(function, json, pdf, order)

    def _sent(self, order: _Order) -> Optional[Reply]:
        """The email of this name that is under way, or was or may have been sent. One that was refused may go out again."""
        with self._lock:
            named = [(name, work) for name, work in self._jobs.items() if work.order[:2] == order[:2]]
        for name, work in named:
            if work.ended is None:
                return work.pending(name, 0)
            if work.reply["status"] in (Status.OK, Status.UNCERTAIN):
                return work.reply
        return None

    def _work(self, function: str, json: Optional[Json], pdf: Any, order: _Order) -> Reply:
        with self._room(order.owner) as is_there:
            if not is_there:
                return _bad_call("too_many_jobs", "Too much is under way at once. Try again in a moment.")
            return self._begin(function, json, pdf, order)

    def _begin(self, function: str, json: Optional[Json], pdf: Any, order: _Order) -> Reply:
        try:
            pointer = _start(self._account._open(), function, json, pdf)
        except _NotJson:
            return _bad_call("bad_argument", "The JSON cannot be passed on to the library.")
        job = Job(pointer)
        work = _Work(job, order, self._account._store)
        is_over, name = job.done, secrets.token_urlsafe(16)
        # The answer of one that is over at once may get lost as well.
        if not is_over or order.key is not None:
            with self._lock:
                self._jobs[name] = work
        if is_over:
            return work.end()
        threading.Thread(target=work.run, name="mailbutton-work", daemon=True).start()
        return work.pending(name, 0)

    def _ask(self, function: str, json: Json, owner: Hashable) -> Reply:
        name, after = json.get("job"), json.get("after") or 0
        with self._lock:
            work = self._jobs.get(name) if isinstance(name, str) else None
        if work is None or work.order.owner != owner:
            return _bad_call("unknown_job", "There is no such job, or it has been over for a while.", "job")
        if function == "reply_cancel":
            work.cancel()
            return _reply(Status.OK, "canceling")
        if not isinstance(after, int) or after < 0:
            return _bad_call("bad_argument", "This is the number of progress entries that were seen.", "after")
        if not work.wait(after, _WAIT):
            return work.pending(str(name), after)
        work.is_told = True
        return work.reply

    @contextmanager
    def _room(self, owner: Hashable) -> Iterator[bool]:
        """Whether one more piece of work may start; an end makes room, the oldest that was told first."""
        with self._lock:
            if len(self._jobs) + self._starting >= _MOST:
                ended = [name for name, work in self._jobs.items() if work.ended is not None]
                for name in sorted(ended, key=lambda name: not self._jobs[name].is_told)[:1]:
                    del self._jobs[name]
            own = sum(work.ended is None and work.order.owner == owner for work in self._jobs.values())
            is_there = len(self._jobs) + self._starting < _MOST and own < _MOST_OF_ONE
            self._starting += is_there
        try:
            yield is_there
        finally:
            with self._lock:
                self._starting -= is_there

    def _forget_the_old(self) -> None:
        now = time.monotonic()
        with self._lock:
            for name, work in list(self._jobs.items()):
                if work.ended is not None and now - work.ended > _KEPT:
                    del self._jobs[name]
                elif now - work.begun > _OVERDUE:
                    work.cancel()


class _Order(NamedTuple):
    """Who wants a piece of work, what the page calls it, and who hears of its end."""

    owner: Hashable
    # Of an email: a page whose answer was lost asks for the same one again.
    key: Optional[str]
    on_end: Optional[OnEnd]


class _Work:
    """A job, what was told of it so far, and in the end its reply."""

    def __init__(self, job: Job, order: _Order, store: Optional[str]) -> None:
        self.order = order
        self.is_told = False
        self.begun = time.monotonic()
        self.ended: Optional[float] = None
        self.reply: Reply = {}
        self._job = job
        self._store = store
        self._trail: List[Progress] = []
        self._changed = threading.Condition()

    def run(self) -> None:
        self._job.wait(on_progress=self._tell)
        self.end()

    def _tell(self, progress: Progress) -> None:
        with self._changed:
            self._trail.append(progress)
            self._changed.notify_all()

    def end(self) -> Reply:
        self.reply = _without_folder(_account._read(self._job._open()), self._store)
        try:
            if self.order.on_end is not None:
                self.order.on_end(self.reply)
        finally:
            with self._changed:
                self.ended = time.monotonic()
                self._changed.notify_all()
        return self.reply

    def wait(self, after: int, seconds: float) -> bool:
        """Until something new was told, or the end: whether it is that."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended is not None or len(self._trail) > after, seconds)
            return self.ended is not None

    def pending(self, name: str, after: int) -> Reply:
        with self._changed:
            trail = [progress._asdict() for progress in self._trail[after:]]
            newest = self._trail[-1]._asdict() if self._trail else None
            seen = len(self._trail)
        told = {"job": name, "progress": newest, "seen": seen, "trail": trail}
        return {**_reply(Status.PENDING, "pending"), **told}

    def cancel(self) -> None:
        self._job.cancel()


class _NotJson(Exception):
    """What came as JSON has no place in it: a number with thousands of digits, say."""


def _start(
    account: _library.AccountPointer, function: str, json: Optional[Json], pdf: Any
) -> _library.ReplyPointer:
    pointer: _library.ReplyPointer
    if function in _WITHOUT_JSON:
        pointer = _WITHOUT_JSON[function](account)
        return pointer
    try:
        given = _account._encode(json)
    except (ValueError, TypeError, RecursionError) as problem:
        raise _NotJson from problem
    if function in _WITH_JSON:
        pointer = _WITH_JSON[function](account, given)
        return pointer
    if json is None or not isinstance(json.get("document") or {}, Mapping):
        # The library says what is wrong with it.
        pdf = None
    return _WITH_PDF[function](account, json, pdf)


def _place_of_path(json: Optional[Json]) -> Optional[str]:
    """Where a `path` stands in the JSON, however deep."""
    left: List[Any] = [("", json)]
    while left:
        place, value = left.pop()
        if isinstance(value, Mapping):
            inside = [(f"{place}.{key}".lstrip("."), item) for key, item in value.items()]
            for at, item in inside:
                if at.rpartition(".")[2] == "path" and item is not None:
                    return at
            left += inside
        elif isinstance(value, (list, tuple)):
            left += [(f"{place}[{at}]", item) for at, item in enumerate(value)]
    return None


def _without_folder(value: Any, store: Optional[str]) -> Any:
    """The sentences about a settings file name it, and the folder is nothing for a page."""
    if store is None:
        return value
    if isinstance(value, dict):
        return {key: _without_folder(item, store) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folder(item, store) for item in value]
    return value.replace(store, PurePath(store).name) if isinstance(value, str) else value


def _bad_call(reason: str, message: str, key: Optional[str] = None) -> Reply:
    errors = [] if key is None else [{"key": key, "code": reason, "message": message}]
    return {**_reply(Status.BAD_CALL, reason, message), "errors": errors}


def _reply(status: Status, reason: str, message: str = "") -> Reply:
    return {"status": int(status), "status_name": status.name, "reason": reason, "message": message}
