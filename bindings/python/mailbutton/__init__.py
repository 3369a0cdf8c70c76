"""An email settings form and an Email button for any program.

    with mailbutton.open("settings.json", program_name="Ledger") as account:
        account.settings_set({...})
        account.send_document({"to": "bogdan@example.com", "subject": "Invoice 7"}, pdf)

What the calls take and return is the JSON of the library's docs/json.md, as dicts.
"""

from ._account import Account, Job, Progress, open, version
from ._bridge import Bridge
from ._errors import (
    BadCall,
    BadEmail,
    BadSettings,
    Canceled,
    Error,
    Internal,
    LoginRefused,
    NotSecure,
    Refused,
    Reply,
    Status,
    StoreFailed,
    TryLater,
    Uncertain,
    Unreachable,
)

__version__ = "0.1.0"

__all__ = [
    "Account",
    "BadCall",
    "BadEmail",
    "BadSettings",
    "Bridge",
    "Canceled",
    "Error",
    "Internal",
    "Job",
    "LoginRefused",
    "NotSecure",
    "Progress",
    "Refused",
    "Reply",
    "Status",
    "StoreFailed",
    "TryLater",
    "Uncertain",
    "Unreachable",
    "open",
    "version",
]
