"""The binding by itself: values in and out, errors, objects used after their end."""

import ctypes.util
import gc
import mmap
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import MappingProxyType

import mailbutton
import pytest
from mailbutton import Status
from servers import PASSWORD
from support import OTHER_PASSWORD, PDF, ROOT, SilentServer, email, environment, parsed, run, smtp_settings

HEADER = (ROOT / "include/mailbutton.h").read_text()


def test_versions_agree():
    assert mailbutton.version() == mailbutton.__version__


def test_the_statuses_are_those_of_the_header():
    constants = {name: int(value) for name, value in re.findall(r"#define MAILBUTTON_(\w+) (-?\d+)", HEADER)}
    assert constants.pop("ABI_VERSION") == mailbutton._library.ABI_VERSION
    assert constants == {status.name: status.value for status in Status}


def test_every_status_but_two_has_an_exception():
    from mailbutton._errors import _CLASSES

    assert set(_CLASSES) == set(Status) - {Status.OK, Status.PENDING}
    assert all(kind.__name__ in mailbutton.__all__ for kind in _CLASSES.values())


def test_every_function_of_the_header_is_bound():
    source = (Path(mailbutton.__file__).parent / "_library.py").read_text()
    declared = set(re.findall(r"(?:\*| )(mailbutton_\w+)\(", HEADER))
    assert len(declared) > 10
    # Python reads these two from the JSON.
    declared -= {"mailbutton_reply_reason", "mailbutton_reply_message"}
    assert set(re.findall(r"mailbutton_\w+", source)) == declared


def test_a_damaged_store_does_not_take_the_form_away(tmp_path):
    store = tmp_path / "settings.json"
    store.write_text("{}")
    with mailbutton.open(store) as account:
        assert account.opened["store_problem"]["code"] == "store_damaged"
        reply = account.form()
        assert (reply["status"], reply["reason"]) == (Status.STORE_FAILED, "store_damaged")
        assert reply["form"]["fields"]
        with pytest.raises(mailbutton.StoreFailed):
            account.settings_get()
        account.settings_clear()
        assert account.form()["status"] == Status.OK


def test_settings_survive_the_account(tmp_path, server):
    store = tmp_path / "settings.json"
    with mailbutton.open(store, program_name="Ledger") as account:
        assert account.opened["configured"] is False
        saved = account.settings_set(MappingProxyType(smtp_settings(server)))
        assert saved["has_secret"]["password"] is True
    with mailbutton.open(str(store)) as account:
        assert account.opened["configured"] is True
        assert account.settings_get()["settings"]["smtp_port"] == server.port_starttls
        account.settings_clear()
        assert account.settings_get()["settings"] is None


def test_the_texts_are_in_the_language_that_is_asked_for():
    with mailbutton.open(locale="ro-MD", texts={"ro": "button-email = Trimite"}) as account:
        assert account.form()["form"]["locale"] == "ro"
        assert account.form(locale="de")["form"]["locale"] == account.form({"smtp_port": 25}, locale="de")["form"]["locale"] == "de"
        assert account.button({"kind": "invoice"})["button"]["label"] == "Trimite"
        assert account.button({"kind": "invoice", "locale": "de"})["email"]["subject"] == "Rechnung"
        assert account.discover("ana@example.test", locale="de")["message"].startswith("Für example.test")
        with pytest.raises(mailbutton.BadSettings, match="Felder"):
            account.send_test({"smtp_host": "x y"}, locale="de")
    with pytest.raises(mailbutton.BadCall, match="button-mail"):
        mailbutton.open(texts={"ro": "button-mail = Trimite"})


def test_a_form_follows_what_is_typed(account):
    def fields(values=None):
        return {field["key"]: field for field in account.form(values)["form"]["fields"]}

    assert fields()["password"]["has_value"] is True
    assert fields()["http_server"]["visible"] is False
    assert fields({"protocol": "http"})["http_server"]["visible"] is True
    assert fields({"smtp_port": "many"})["smtp_port"]["error"]["code"] == "port_invalid"


def test_an_address_fills_the_form_in(server):
    row = {
        "id": "orchard", "name": "Orchard Mail", "domains": ["example.test"],
        "servers": [{"host": server.host, "port": server.port_starttls, "security": "starttls"}],
    }  # fmt: skip
    with mailbutton.open(program_name="Ledger", providers=[row], ca_file=str(server.ca_file)) as account:
        values = {"email_address": server.user, "password": server.password}
        form = account.form(values)["form"]
        assert (form["provider"]["name"], form["proposal"]["provider"]) == ("Orchard Mail", "orchard")
        # What is proposed works as it is.
        values |= form["proposal"]["patch"]
        assert account.send_test(settings=values)["reason"] == "accepted"
        assert account.form(values)["form"]["proposal"] is None
        assert account.form({"email_address": "ana@gmail.com"})["form"]["proposal"]["patch"]["smtp_host"] == "smtp.gmail.com"


def test_a_button_begins_an_email_that_can_be_sent(account, server):
    document = {
        "kind": "invoice",
        "reference": "2026/7",
        "recipient": {"name": "Bogdan", "addresses": ["bogdan@example.test"]},
    }
    pressed = account.button(document)
    assert pressed["button"]["enabled"] is True
    assert account.send_document(pressed["email"], PDF)["status"] == Status.OK
    server.wait_for_messages(1)


def test_a_reference_reads_from_left_to_right_in_an_arabic_email(account, server):
    document = {"kind": "invoice", "reference": "2026-0124", "recipient": {"addresses": "bogdan@example.test"}}
    pressed = account.button({**document, "locale": "ar"})
    assert (pressed["warnings"], pressed["email"]["document"]["file_name"]) == ([], "2026-0124 فاتورة.pdf")
    account.send_document(pressed["email"], PDF)
    (message,) = map(parsed, server.wait_for_messages(1))
    held = "فاتورة \u200e2026-0124\u200e"
    assert held in message["Subject"] and held in message.get_body(("plain",)).get_content()


def test_an_address_is_enough_for_the_settings_of_a_known_provider(account):
    reply = account.discover("ana@gmail.com")
    assert (reply["reason"], reply["proposals"][0]["patch"]["smtp_host"]) == ("discovered", "smtp.gmail.com")
    assert not account.form(reply["proposals"][0]["patch"])["form"]["fields"][0]["error"]
    with SilentServer() as server:
        nameserver = f"127.0.0.1:{server.port}"
        proxy = f"socks5://{nameserver}"
        with mailbutton.open(discovery={"nameserver": nameserver}, proxy=proxy) as asking:
            with asking.start_discover("ana@firm.test", total_ms=60_000) as job:
                assert not job.done
                job.cancel()
                with pytest.raises(mailbutton.Canceled):
                    job.result()
            assert asking.discover("ana@firm.test", total_ms=100)["proposals"] == []


def test_an_error_tells_everything(account):
    with pytest.raises(mailbutton.BadSettings) as caught:
        account.settings_set({"smtp_host": "", "smtp_port": 0, "password": OTHER_PASSWORD})
    error = caught.value
    assert (error.status, error.reason) == (Status.BAD_SETTINGS, "bad_settings")
    assert {"smtp_host", "smtp_port"} <= {fault["key"] for fault in error.errors}
    assert str(error) == error.message == error.reply["message"]
    assert error.advice == []
    assert OTHER_PASSWORD not in repr(error)
    same = pickle.loads(pickle.dumps(error))
    assert (type(same), same.reply) == (type(error), error.reply)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (mailbutton.BadCall, lambda account: account.settings_set({"smtp_hots": "x"})),
        (mailbutton.BadCall, lambda account: account.settings_set({"smtp_port": float("nan")})),
        (mailbutton.BadCall, lambda account: account.form({"sender_name": "\ud800"})),
        (mailbutton.BadEmail, lambda account: account.send_document(email(to="nobody"), PDF)),
        (mailbutton.BadCall, lambda account: account.send_document(email(), b"")),
        (mailbutton.BadSettings, lambda account: account.discover("nobody")),
        (mailbutton.BadCall, lambda _: mailbutton.open(discovery={"nameserver": "localhost"})),
        (mailbutton.BadEmail, lambda account: account.send_test(to="nobody")),
        (TypeError, lambda account: account.send_document(email(), "%PDF-1.4")),
        (TypeError, lambda account: account.send_document(email(), None)),
        (TypeError, lambda account: account.settings_set({"password": b"bytes"})),
        (BufferError, lambda account: account.send_document(email(), memoryview(PDF)[::2])),
        (mailbutton.StoreFailed, lambda _: mailbutton.open("/nonexistent/settings.json")),
        (mailbutton.BadCall, lambda _: mailbutton.open(passphrase=OTHER_PASSWORD)),
        (mailbutton.BadCall, lambda _: mailbutton.open(deadlines={"connect_ms": 0})),
    ],
)
def test_what_is_wrong_is_said(account, kind, call):
    with pytest.raises(kind):
        call(account)


def test_before_the_settings_are_saved_nothing_can_be_sent():
    with mailbutton.open() as account, pytest.raises(mailbutton.BadSettings) as caught:
        account.send_document(email(), PDF)
    assert caught.value.reason == "not_configured"


def test_any_bytes_are_a_pdf(account, server, tmp_path):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(PDF)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        kinds = [PDF, bytearray(PDF), memoryview(PDF), memoryview(bytearray(PDF)), mapped]
        for number, data in enumerate(kinds):
            account.send_document(email(subject=str(number)), data)
        assert len(server.wait_for_messages(len(kinds))) == len(kinds)
        # Closing a map that something still points into would be an error.
    changeable = bytearray(PDF)
    account.send_document(email(), changeable)
    changeable.clear()


def test_a_closed_account_says_so(account):
    account.close()
    account.close()
    calls = [
        account.form,
        account.settings_get,
        account.settings_clear,
        account.send_test,
        account.start_test,
        account.__enter__,
        lambda: account.settings_set({}),
        lambda: account.button({}),
        lambda: account.check_document(email()),
        lambda: account.discover("ana@gmail.com"),
        lambda: account.send_document(email(), PDF),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="account is closed"):
            call()
    assert repr(account) == "<mailbutton.Account closed>"


def test_a_closed_job_says_so(account):
    job = account.start_document(email(), PDF)
    assert job.result()["reason"] == "accepted"
    assert repr(job) == "<mailbutton.Job OK>"
    job.close()
    job.close()
    job.cancel()
    for call in (job.wait, job.result, job.__enter__, lambda: job.done, lambda: job.status):
        with pytest.raises(ValueError, match="job is closed"):
            call()
    assert repr(job) == "<mailbutton.Job closed>"


def test_a_job_outlives_its_account(account, server):
    with account.start_document(email(), PDF) as job:
        account.close()
        assert job.result()["status"] == Status.OK
    server.wait_for_messages(1)


def test_no_repr_shows_a_secret(account):
    with pytest.raises(mailbutton.BadSettings) as caught:
        account.send_test({"smtp_host": "", "username": "ana", "password": OTHER_PASSWORD})
    with account.start_test() as job:
        texts = [repr(vars(account)), repr(vars(job)), repr(account), repr(job), repr(caught.value)]
    assert not [text for text in texts for secret in (PASSWORD, OTHER_PASSWORD) if secret in text]


def test_a_job_that_is_forgotten_is_cancelled():
    with SilentServer() as server, mailbutton.open() as account:
        account.settings_set(server.settings())
        job = account.start_document(email(), PDF)
        connection = server.wait_for_connection()
        del job
        gc.collect()
        server.wait_for_hang_up(connection)


def test_closing_while_others_wait_is_safe():
    """Each thread that is inside a call keeps what it uses alive."""
    with SilentServer() as server, mailbutton.open() as account:
        account.settings_set(server.settings())
        job = account.start_document(email(), PDF)
        waiters = [threading.Thread(target=job.wait) for _ in range(8)]
        for waiter in waiters:
            waiter.start()
        server.wait_for_connection()
        account.close()
        job.close()
        for waiter in waiters:
            waiter.join(10)
            assert not waiter.is_alive()


RAW = """
import ctypes, json, os
library = ctypes.CDLL(os.environ["MAILBUTTON_LIBRARY"])
names = ["form", "discover", "settings_set", "settings_get", "settings_clear", "button", "check_document", "send_test"]
names += ["send_document", "open"]
for name in names:
    function = getattr(library, "mailbutton_" + name)
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p] * {"send_document": 4, "check_document": 3}.get(name, 2)
library.mailbutton_reply_json.restype = ctypes.c_char_p
for name in ("reply_json", "reply_cancel", "reply_free", "free"):
    getattr(library, "mailbutton_" + name).argtypes = [ctypes.c_void_p]
library.mailbutton_reply_wait.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]

def say(reply):
    status = library.mailbutton_reply_wait(reply, -1, None, None)
    said = json.loads(library.mailbutton_reply_json(reply))
    library.mailbutton_reply_free(reply)
    assert said["status"] == status
    return status

for name in names:
    function = getattr(library, "mailbutton_" + name)
    assert say(function(*[None] * len(function.argtypes))) == -1, name

account = ctypes.c_void_p()
assert say(library.mailbutton_open(None, ctypes.addressof(account))) == 0
for name in ("settings_set", "button", "discover"):
    assert say(getattr(library, "mailbutton_" + name)(account, None)) == -1, name
assert say(library.mailbutton_send_document(account, b"{}", None, 5)) == -1
assert say(library.mailbutton_send_document(account, None, b"%PDF-", 5)) == -1
assert library.mailbutton_reply_wait(None, -1, None, None) == -1
assert library.mailbutton_reply_json(None) is None
library.mailbutton_reply_cancel(None)
library.mailbutton_reply_free(None)
library.mailbutton_free(None)
library.mailbutton_free(account)
print("well")
"""


def test_null_is_an_error_and_no_crash():
    assert run(RAW) == "well\n"


@pytest.mark.parametrize(
    ("library", "words"),
    [("/nonexistent/libmailbutton.so", "cannot be loaded"), (ctypes.util.find_library("c"), "cannot be loaded")],
)
def test_a_library_that_does_not_fit_is_an_import_error(library, words):
    command = [sys.executable, "-c", "import mailbutton"]
    done = subprocess.run(command, env=environment(MAILBUTTON_LIBRARY=library), capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError" in done.stderr and words in done.stderr


def test_json_goes_in_and_out_whole(account):
    name = "Țară \N{GRINNING FACE} \" \\ </script>"
    account.settings_set({**account.settings_get()["settings"], "sender_name": name})
    assert account.settings_get()["settings"]["sender_name"] == name
