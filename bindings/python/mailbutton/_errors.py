"""The statuses of replies, and an exception for each that a program may want to treat by itself."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Dict, List, Optional, Type

Reply = Dict[str, Any]
"""What a call says, as the library's docs/json.md describes it."""


class Status(IntEnum):
    OK = 0
    PENDING = 1
    BAD_CALL = -1
    BAD_SETTINGS = -2
    UNREACHABLE = -3
    NOT_SECURE = -4
    LOGIN_REFUSED = -5
    TRY_LATER = -6
    REFUSED = -7
    UNCERTAIN = -8
    CANCELED = -9
    INTERNAL = -10
    BAD_EMAIL = -11
    STORE_FAILED = -12


class Error(Exception):
    """A reply that is not OK. As a string it is the sentence for the user."""

    def __init__(self, reply: Reply) -> None:
        # The reply is the one argument, so that an error can be pickled.
        super().__init__(reply)
        self.reply = reply

    @property
    def status(self) -> Status:
        return Status(self.reply["status"])

    @property
    def reason(self) -> str:
        """A stable word for programs."""
        return str(self.reply["reason"])

    @property
    def problem(self) -> Optional[str]:
        """What went wrong while sending, finer than the reason: a code of docs/problems.md."""
        return self.reply.get("problem")

    @property
    def message(self) -> str:
        """A sentence for the user; of BadCall, for the developer."""
        return str(self.reply["message"])

    @property
    def advice(self) -> List[Dict[str, Any]]:
        """What the user can do, the likeliest first."""
        return list(self.reply.get("advice", ()))

    @property
    def errors(self) -> List[Dict[str, Any]]:
        """The fields or parts that are wrong."""
        return list(self.reply.get("errors", ()))

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason!r}, {self.message!r})"


class BadCall(Error):
    """The call is wrong, and the program is to be mended."""


class BadSettings(Error):
    """The settings are not complete or not right: show the form."""


class BadEmail(Error):
    """The email is not complete or not right: show it again."""


class Unreachable(Error):
    """The server did not answer, or the connection broke. Nothing was sent."""


class NotSecure(Error):
    """No safe connection came about. Nothing was sent, no password either."""


class LoginRefused(Error):
    """The server did not accept the login. Nothing was sent."""


class TryLater(Error):
    """The server says "not now". Nothing was sent."""


class Refused(Error):
    """The server says "no". Nothing was sent."""


class Uncertain(Error):
    """The email was sent and no answer came: it may have been delivered. A person decides."""


class Canceled(Error):
    """Cancelled before anything was accepted. Nothing was sent."""


class StoreFailed(Error):
    """The settings file cannot be read or written. It was left as it is."""


class Internal(Error):
    """A bug in mailbutton."""


_CLASSES: Dict[Status, Type[Error]] = {
    Status.BAD_CALL: BadCall,
    Status.BAD_SETTINGS: BadSettings,
    Status.UNREACHABLE: Unreachable,
    Status.NOT_SECURE: NotSecure,
    Status.LOGIN_REFUSED: LoginRefused,
    Status.TRY_LATER: TryLater,
    Status.REFUSED: Refused,
    Status.UNCERTAIN: Uncertain,
    Status.CANCELED: Canceled,
    Status.INTERNAL: Internal,
    Status.BAD_EMAIL: BadEmail,
    Status.STORE_FAILED: StoreFailed,
}


def checked(reply: Reply) -> Reply:
    """The reply if it is OK; else it is raised."""
    status = Status(reply["status"])
    if status is not Status.OK:
        raise _CLASSES[status](reply)
    return reply
