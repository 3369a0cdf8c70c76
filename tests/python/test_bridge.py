"""The bridge: what a page may ask for, what it gets, and what it cannot do."""

import json
import threading
import time

import mailbutton
import pytest
from mailbutton import _bridge
from support import LONG, PDF, email, leaks, make_pdf, parsed, smtp_settings

JOB_FUNCTIONS = {"reply_wait", "reply_cancel"}


@pytest.fixture
def bridge(account):
    return mailbutton.Bridge(account)


@pytest.fixture
def stuck(silent):
    """A bridge whose sends end only when they are cancelled."""
    with mailbutton.open() as account:
        account.settings_set(silent.settings())
        yield mailbutton.Bridge(account)


def finish(bridge, reply, owner=None):
    """The last reply, and all that was told on the way."""
    told, seen, deadline = [], 0, time.monotonic() + LONG
    while reply["status_name"] == "PENDING":
        assert time.monotonic() < deadline
        job = reply.get("job") or job
        reply = bridge.call("reply_wait", {"job": job, "after": seen}, owner=owner)
        told += reply.get("trail", [])
        seen = reply.get("seen", seen)
    return reply, told


def refused(reply, reason, key=None):
    assert (reply["status"], reply["status_name"], reply["reason"]) == (-1, "BAD_CALL", reason), reply
    assert [error["key"] for error in reply["errors"]] == ([] if key is None else [key]), reply
    return True


# What a page gets


def test_each_reply_is_the_librarys(bridge, account, server):
    typed = {"smtp_host": "smtp.example.com:587"}
    assert bridge.call("form", typed) == account.form(typed)
    assert bridge.call("form") == account.form()
    assert bridge.call("form", {**typed, "locale": "ro"}) == account.form(typed, locale="ro")
    assert bridge.call("words", {"locale": "ar"}) == account.words(locale="ar")
    assert bridge.call("settings_get") == account.settings_get()
    document = {"kind": "invoice", "reference": "7", "recipient": {"addresses": "bogdan@example.test"}}
    assert bridge.call("button", document) == account.button(document)
    assert bridge.call("check_document", email(), PDF) == account.check_document(email(), PDF)
    saved = bridge.call("settings_set", smtp_settings(server, sender_name="Ana"))
    assert (saved["reason"], saved["settings"]["sender_name"]) == ("saved", "Ana")
    assert bridge.call("settings_set", {"smtp_port": "x"})["status_name"] == "BAD_SETTINGS"
    assert bridge.call("settings_clear")["reason"] == "cleared"
    assert bridge.call("send_document", email(), PDF)["reason"] == "not_configured"
    json.dumps(bridge.call("form"))


def test_a_document_is_a_job_to_its_end(bridge, server):
    begun = bridge.call("send_document", email(), make_pdf(500_000))
    assert begun["status_name"] == "PENDING" and begun["job"] and isinstance(begun["trail"], list)
    reply, told = finish(bridge, begun)
    assert reply["reason"] == "accepted"
    assert [step for step in dict.fromkeys(each["step"] for each in told)][-2:] == ["content", "verdict"]
    assert all(each["text"] and isinstance(each["permille"], int) for each in told)
    server.wait_for_messages(1)
    # The answer with the end may have been lost on its way to the page.
    assert bridge.call("reply_wait", {"job": begun["job"]}) == reply


def test_a_test_is_a_job(bridge, server):
    reply, _ = finish(bridge, bridge.call("send_test", {"settings": smtp_settings(server)}))
    assert reply["reason"] == "accepted" and reply["steps"]
    reply, _ = finish(bridge, bridge.call("discover", {"email_address": "ana@gmail.com"}))
    assert reply["proposals"][0]["provider"] == "gmail"


def test_a_sign_in_is_begun_waited_for_and_forgotten():
    settings = {"smtp_host": "smtp.gmail.com", "smtp_port": 465, "auth": "oauth2", "username": "ana@gmail.com"}
    with mailbutton.open(oauth={"gmail": {"client_id": "program"}}) as account:
        bridge = mailbutton.Bridge(account)
        begun, _ = finish(bridge, bridge.call("sign_in", {"settings": settings}))
        assert begun["reason"] == "sign_in_begun" and begun["url"].startswith("https://accounts.google.com/")
        waiting = bridge.call("sign_in_finish", {"sign_in": begun["sign_in"]})
        assert waiting["status_name"] == "PENDING"
        bridge.call("reply_cancel", {"job": waiting["job"]})
        assert finish(bridge, waiting)[0]["status_name"] == "CANCELED"
        assert finish(bridge, bridge.call("sign_out"))[0]["reason"] == "not_configured"


def test_the_programs_own_document_may_be_a_file(bridge, server, tmp_path):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(PDF)
    assert bridge.call("check_document", email(), path)["reason"] == "checked"
    reply, _ = finish(bridge, bridge.call("send_document", email(document={"file_name": "Invoice 7.pdf"}), path))
    assert reply["reason"] == "accepted"
    (received,) = server.wait_for_messages(1)
    (part,) = parsed(received).iter_attachments()
    assert (part.get_filename(), part.get_content()) == ("Invoice 7.pdf", PDF)
    assert str(tmp_path) not in json.dumps(reply)


def test_progress_is_told_from_where_the_page_left_off(bridge, server):
    begun = bridge.call("send_document", email(), make_pdf(500_000))
    (work,) = bridge._jobs.values()
    assert work.wait(10**6, LONG)
    whole = work.pending("", 0)["trail"]
    assert work.pending("", 3)["trail"] == whole[3:] and work.pending("", 3)["seen"] == len(whole)
    assert work.pending("", 0)["progress"] == whole[-1]
    assert finish(bridge, begun)[0]["reason"] == "accepted"


def test_a_wait_ends_while_nothing_happens(stuck, silent, monkeypatch):
    monkeypatch.setattr(_bridge, "_WAIT", 0.05)
    reply = begun = stuck.call("send_document", email(), PDF)
    while not reply["progress"] or reply["progress"]["step"] != "greeting":
        reply = stuck.call("reply_wait", {"job": begun["job"], "after": reply["seen"]})
    # A silent server's greeting is the last step that there is.
    reply = stuck.call("reply_wait", {"job": begun["job"], "after": reply["seen"]})
    assert (reply["status_name"], reply["job"], reply["trail"]) == ("PENDING", begun["job"], [])
    assert reply["progress"]["step"] == "greeting"
    stuck.call("reply_cancel", {"job": begun["job"]})


def test_cancelling(stuck, silent):
    begun = stuck.call("send_document", email(), PDF)
    connection = silent.wait_for_connection()
    assert stuck.call("reply_cancel", {"job": begun["job"]})["reason"] == "canceling"
    assert finish(stuck, begun)[0]["status_name"] == "CANCELED"
    silent.wait_for_hang_up(connection)


def test_several_may_wait_for_one_job(stuck, silent):
    begun, ends = stuck.call("send_document", email(), PDF), []
    silent.wait_for_connection()
    waiters = [threading.Thread(target=lambda: ends.append(finish(stuck, begun)[0])) for _ in range(4)]
    for waiter in waiters:
        waiter.start()
    stuck.call("reply_cancel", {"job": begun["job"]})
    for waiter in waiters:
        waiter.join(LONG)
    assert [end["reason"] for end in ends] == ["canceled"] * 4


def test_an_email_that_is_asked_for_again_is_the_same_one(bridge, server):
    """A page does not know whether what it asked for was heard, where no answer comes."""
    ends, named = [], email(idempotency_key="invoice-7")
    begun = [bridge.call("send_document", named, PDF, on_end=ends.append) for _ in range(3)]
    ended = [finish(bridge, reply)[0] for reply in begun]
    assert bridge.call("send_document", named, PDF, on_end=ends.append) == ended[0]
    assert ended == [ended[0]] * 3 and ends == ended[:1] and ended[0]["reason"] == "accepted"
    # Another name, and another page, is another email.
    for more in ({"idempotency_key": "invoice-8"}, {}, {}):
        assert finish(bridge, bridge.call("send_document", email(**more), PDF))[0]["reason"] == "accepted"
    reply, _ = finish(bridge, bridge.call("send_document", named, PDF, owner="bogdan"), "bogdan")
    assert reply["reason"] == "accepted" and reply != ended[0]
    assert len(server.wait_for_messages(5)) == 5


def test_an_email_that_is_over_at_once_is_remembered_too(bridge, server, monkeypatch):
    monkeypatch.setattr(_bridge.Job, "done", property(lambda job: job.wait(LONG) is not mailbutton.Status.PENDING))
    first, again = (bridge.call("send_document", email(idempotency_key="7"), PDF) for _ in range(2))
    assert first == again and first["reason"] == "accepted"
    assert len(server.wait_for_messages(1)) == 1


def test_an_email_that_was_refused_may_be_asked_for_again(bridge, server):
    named = email(to="unknown@example.test", idempotency_key="invoice-7")
    assert finish(bridge, bridge.call("send_document", named, PDF))[0]["status_name"] == "REFUSED"
    again = finish(bridge, bridge.call("send_document", {**named, "to": "bogdan@example.test"}, PDF))[0]
    assert again["reason"] == "accepted" and len(server.wait_for_messages(1)) == 1


def test_pages_that_ask_at_once_send_one_email(bridge, server):
    replies = []
    ask = lambda: replies.append(finish(bridge, bridge.call("send_document", email(idempotency_key="7"), PDF))[0])  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert replies == [replies[0]] * 8 and replies[0]["reason"] == "accepted"
    assert len(server.wait_for_messages(1)) == 1


def test_the_program_hears_of_every_end_once_and_first(bridge, server):
    ends = []
    reply = bridge.call("send_document", email(to="nobody"), PDF, on_end=ends.append)
    assert reply["status_name"] == "BAD_EMAIL" and ends == [reply]
    begun = bridge.call("send_document", email(), PDF, on_end=ends.append)
    reply, _ = finish(bridge, begun)
    assert ends[1:] == [reply]


def test_a_program_that_fails_at_the_end_does_not_keep_the_page_waiting(bridge, monkeypatch):
    failed = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda failure: failed.set())
    begun = bridge.call("send_document", email(), PDF, on_end=lambda reply: 1 / 0)
    assert finish(bridge, begun)[0]["reason"] == "accepted"
    # Python tells of it as of any exception of a thread.
    assert failed.wait(LONG)


# What a page cannot do


@pytest.mark.parametrize(
    ("function", "given", "key"),
    [
        ("send_document", {"document": {"path": "/etc/passwd"}}, "document.path"),
        ("send_document", {"attachments": [{"file_name": "a"}, {"path": "/etc/passwd"}]}, "attachments[1].path"),
        ("check_document", {"attachments": [{"path": "/etc/passwd"}]}, "attachments[0].path"),
        ("send_document", {"document": {"deeper": [[{"path": ["x"]}]]}}, "document.deeper[0][0].path"),
        ("form", {"path": ""}, "path"),
    ],
)
def test_a_page_names_no_file(bridge, server, tmp_path, function, given, key):
    own = tmp_path / "invoice.pdf"
    own.write_bytes(PDF)
    for pdf in (None, PDF, own):
        refused(bridge.call(function, email(**given), pdf), "path_refused", key)
    assert not server.messages()


def test_a_program_chooses_what_its_page_may_call(account):
    bridge = mailbutton.Bridge(account, functions=["button", "send_document"])
    assert bridge.call("button", {})["reason"] == "button"
    reply, _ = finish(bridge, bridge.call("send_document", email(), PDF))
    assert reply["reason"] == "accepted"
    for function in ("settings_set", "settings_get", "form", "open", "free", "", "__class__", None, 7, ["form"]):
        refused(bridge.call(function, {}), "unknown_function")
    with pytest.raises(ValueError, match="settings_put"):
        mailbutton.Bridge(account, functions=["settings_put"])


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"to": value}
    return value


@pytest.mark.parametrize(
    "given",
    [[], "form", 7, True, {"to": 10**5000}, nested(100_000), {"to": object()}, {"to": float("nan")}, {"to": "\ud800"}],
    ids=["list", "text", "number", "flag", "long number", "deep", "object", "nan", "half a letter"],
)
@pytest.mark.parametrize("function", sorted(_bridge._FUNCTIONS - set(_bridge._WITHOUT_JSON)))
def test_whatever_a_page_gives_is_a_reply(bridge, function, given):
    assert bridge.call(function, given, PDF)["status_name"] == "BAD_CALL"


@pytest.mark.parametrize("document", [[], "x", 7, True, [1]], ids=str)
def test_a_document_that_is_none_is_a_reply(bridge, document, tmp_path):
    own = tmp_path / "invoice.pdf"
    own.write_bytes(PDF)
    for pdf in (None, own):
        for function in ("check_document", "send_document"):
            reply = bridge.call(function, email(document=document), pdf)
            assert reply["status_name"] in ("BAD_CALL", "PENDING") or reply["reason"] == "checked", reply
            finish(bridge, reply)


def test_without_a_document_nothing_is_sent(bridge):
    assert bridge.call("send_document", email())["reason"] == "null_argument"
    assert bridge.call("send_document", None, PDF)["reason"] == "null_argument"
    assert bridge.call("send_document", None)["status_name"] == "BAD_CALL"


def test_a_job_is_its_owners_alone(stuck, silent):
    begun = stuck.call("send_document", email(), PDF, owner="ana")
    silent.wait_for_connection()
    for owner in (None, "bogdan"):
        for function in JOB_FUNCTIONS:
            refused(stuck.call(function, {"job": begun["job"]}, owner=owner), "unknown_job", "job")
    for job in (None, 7, [], {}, "", "x"):
        refused(stuck.call("reply_wait", {"job": job}, owner="ana"), "unknown_job", "job")
    for after in (-1, "1", 1.5, [1]):
        refused(stuck.call("reply_wait", {"job": begun["job"], "after": after}, owner="ana"), "bad_argument", "after")
    stuck.call("reply_cancel", {"job": begun["job"]}, owner="ana")
    assert finish(stuck, begun, owner="ana")[0]["status_name"] == "CANCELED"


def test_jobs_are_bounded(stuck, monkeypatch):
    monkeypatch.setattr(_bridge, "_MOST", 3)
    begun = [stuck.call("send_document", email(), PDF) for _ in range(3)]
    assert [reply["status_name"] for reply in begun] == ["PENDING"] * 3
    refused(stuck.call("send_document", email(), PDF), "too_many_jobs")
    assert stuck.call("form")["reason"] == "form"
    stuck.call("reply_cancel", {"job": begun[1]["job"]})
    assert stuck._jobs[begun[1]["job"]].wait(10**6, LONG)
    # An end makes room.
    begun.append(stuck.call("send_document", email(), PDF))
    assert begun[3]["status_name"] == "PENDING" and len(stuck._jobs) == 3
    refused(stuck.call("reply_wait", {"job": begun[1]["job"]}), "unknown_job", "job")
    for reply in begun:
        stuck.call("reply_cancel", {"job": reply["job"]})


def test_one_owner_leaves_room_for_the_others(stuck, monkeypatch):
    monkeypatch.setattr(_bridge, "_MOST_OF_ONE", 2)
    begun = [stuck.call("send_document", email(), PDF, owner="ana") for _ in range(2)]
    refused(stuck.call("send_document", email(), PDF, owner="ana"), "too_many_jobs")
    assert stuck.call("send_document", email(), PDF, owner="bogdan")["status_name"] == "PENDING"
    stuck.call("reply_cancel", {"job": begun[0]["job"]}, owner="ana")
    assert finish(stuck, begun[0], "ana")[0]["status_name"] == "CANCELED"
    assert stuck.call("send_document", email(), PDF, owner="ana")["status_name"] == "PENDING"


def test_ends_are_not_kept_and_work_does_not_go_on_for_ever(stuck, silent, monkeypatch):
    begun = stuck.call("send_document", email(), PDF)
    silent.wait_for_connection()
    work = stuck._jobs[begun["job"]]
    monkeypatch.setattr(_bridge, "_OVERDUE", -1.0)
    stuck.call("form")
    assert work.wait(10**6, LONG) and work.reply["status_name"] == "CANCELED"
    stuck.call("form")
    assert begun["job"] in stuck._jobs
    monkeypatch.setattr(_bridge, "_KEPT", -1.0)
    refused(stuck.call("reply_wait", {"job": begun["job"]}), "unknown_job", "job")


def test_many_threads(bridge, server):
    failures = []

    def use(owner):
        for _ in range(5):
            reply, _ = finish(bridge, bridge.call("send_document", email(), PDF, owner=owner), owner)
            if reply["reason"] != "accepted" or bridge.call("form", owner=owner)["reason"] != "form":
                failures.append(reply)

    threads = [threading.Thread(target=use, args=(owner,)) for owner in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not failures and all(work.ended for work in bridge._jobs.values())
    server.wait_for_messages(40)


def test_no_reply_has_a_secret_or_a_folder(server, tmp_path):
    store = tmp_path / "settings"
    with mailbutton.open(store, ca_file=server.ca_file) as account:
        bridge = mailbutton.Bridge(account)
        replies = [bridge.call("settings_set", smtp_settings(server)), bridge.call("settings_get")]
        replies.append(bridge.call("form", smtp_settings(server)))
        replies.append(finish(bridge, bridge.call("send_test", {"transcript": True}))[0])
        store.write_text(store.read_text().replace("2525", "2526").replace("sender_name", "sender_nome"))
        replies += [bridge.call("form"), bridge.call("settings_get"), bridge.call("button", {})]
        replies.append(bridge.call("send_document", email(), PDF))
    assert replies[-1]["status_name"] == "STORE_FAILED" and "settings" in replies[-1]["message"]
    assert not leaks(replies)
    assert str(tmp_path) not in json.dumps(replies)


def test_a_closed_account_is_the_programs_fault(account):
    bridge = mailbutton.Bridge(account)
    account.close()
    with pytest.raises(ValueError, match="closed"):
        bridge.call("form")
