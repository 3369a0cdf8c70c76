"""The HTTP protocol, as a small server of the test's own sees it."""

import base64
import time
from urllib.parse import parse_qs

import mailbutton
import pytest
from mailbutton import Status
from support import LONG, PDF, TOKEN, HttpServer, SilentServer, email, make_pdf, part_name


@pytest.fixture
def relay():
    with HttpServer() as server:
        yield server


@pytest.fixture
def account(relay):
    with mailbutton.open(program_name="Ledger") as account:
        account.settings_set(relay.settings())
        yield account


def refusal(account, kind, **changes):
    return refusal_of(account, PDF, kind, **changes)


def refusal_of(account, pdf, kind, **changes):
    with pytest.raises(kind) as caught:
        account.send_document(email(**changes), pdf)
    return caught.value


def test_a_test_is_a_form_post(account, relay):
    reply = account.send_test(to="carmen@example.test")
    assert reply["status"] == Status.OK
    (request,) = relay.requests
    assert request.path == "/send?company=7"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Host"] == f"127.0.0.1:{relay.port}"
    assert request.headers["Authorization"] is None
    fields = parse_qs(request.body.decode(), strict_parsing=True)
    assert set(fields) == {"from", "reply_to", "to", "subject", "body"}
    assert fields["from"] == ["Ștefan & Fiii SRL"]
    assert fields["reply_to"] == ["office@example.test"]
    assert fields["to"] == ["carmen@example.test"]


def test_a_transcript_tells_of_the_request_without_its_path(account, relay):
    said = [line[10:] for line in account.send_test(transcript=True)["transcript"].splitlines()]
    assert said[0].startswith("* connected to 127.0.0.1:")
    assert said[1].startswith("* POST to 127.0.0.1, ") and said[-1] == "* answered: 204 No Content"
    assert "company" not in "".join(said)


def test_a_send_is_a_multipart_post(account, relay):
    pdf, csv = make_pdf(200_000), b"a;b\r\n1;2\n"
    account.settings_set(relay.settings(send_copy=True, copy_to="archive@example.test"))
    sent = email(
        to="Bogdan <bogdan@example.test>, ana@example.test",
        cc="carmen@example.test",
        bcc="dan@example.test",
        body="Bună *ziua*",
        document={"file_name": "Factură 7.pdf"},
        attachments=[{"base64": base64.b64encode(csv).decode(), "file_name": "Anexă.csv"}],
    )
    account.send_document(sent, pdf)
    (request,) = relay.requests
    parts = request.parts()
    texts = {part_name(part): part.get_payload(decode=True).decode() for part in parts if not part.get_filename()}
    assert "<em>ziua</em>" in texts.pop("body")
    assert texts == {
        "from": "Ștefan & Fiii SRL",
        "reply_to": "office@example.test",
        "to": "bogdan@example.test,ana@example.test",
        "cc": "carmen@example.test",
        "bcc": "dan@example.test,archive@example.test",
        "subject": "Invoice 7",
    }
    files = [part for part in parts if part.get_filename()]
    assert [part.get_content_type() for part in files] == ["application/pdf", "text/csv"]
    assert b'filename="Factur\xc4\x83 7.pdf"' in request.body
    assert b'filename="Anex\xc4\x83.csv"' in request.body
    assert pdf in request.body and csv in request.body


def test_a_token_and_a_key_go_along(account, relay):
    account.settings_set(relay.settings(http_token=TOKEN))
    account.send_document(email(idempotency_key="invoice-7"), PDF)
    account.send_test()
    send, test = relay.requests
    assert send.headers["Authorization"] == test.headers["Authorization"] == f"Bearer {TOKEN}"
    assert send.headers["Idempotency-Key"] == "invoice-7"


def test_a_token_stays_with_its_server(account, relay):
    account.settings_set(relay.settings(http_token=TOKEN))
    assert account.settings_set(relay.settings())["has_secret"]["http_token"] is True
    # Another relay gets its own token, or none.
    moved = account.settings_set(relay.settings(http_server="http://localhost:1/"))
    assert moved["has_secret"]["http_token"] is False


def test_a_redirect_is_not_followed(account, relay):
    with HttpServer() as elsewhere:
        relay.answer = (307, {"Location": elsewhere.url}, b"")
        assert refusal(account, mailbutton.Refused).reason == "http_redirected"
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, mailbutton.LoginRefused),
        (404, mailbutton.Refused),
        (413, mailbutton.Refused),
        (429, mailbutton.TryLater),
        (503, mailbutton.TryLater),
        (502, mailbutton.Uncertain),
        (504, mailbutton.Uncertain),
    ],
)
def test_each_answer_has_its_meaning(account, relay, status, kind):
    relay.answer = (status, {}, b"No, because.")
    error = refusal(account, kind)
    assert error.reply["server"]["code"] == status
    assert error.reply["server"]["text"] == "No, because."
    assert error.advice
    assert len(relay.requests) == 1


def test_a_server_that_repeats_the_token_does_not_spread_it(account, relay):
    account.settings_set(relay.settings(http_token=TOKEN))
    relay.answer = (401, {}, f"Bad token: {TOKEN}!".encode())
    assert TOKEN not in str(refusal(account, mailbutton.LoginRefused).reply)


def test_a_huge_answer_is_cut(account, relay):
    relay.answer = (500, {}, b"no \x1b[31m\0" * 2_000_000)
    error = refusal(account, mailbutton.Refused)
    assert len(str(error.reply)) < 65536
    assert "\x1b" not in error.reply["server"]["text"]


def test_a_hang_up_after_the_body_is_uncertain(account, relay):
    relay.answer = relay.HANG_UP
    error = refusal(account, mailbutton.Uncertain)
    assert error.reason == "no_verdict"
    assert [each["outcome"] for each in error.reply["recipients"]] == ["uncertain"]
    assert len(relay.requests) == 1


def test_a_cancel_never_says_that_nothing_was_sent_of_what_arrived(account, relay):
    """The end of the content counts where its last byte leaves, not where somebody hears of it."""
    canceled = set()
    for number in range(300):
        key = f"email-{number}"
        with account.start_document(email(idempotency_key=key), PDF) as job:
            job.wait(number / 75_000)
            job.cancel()
            if job.wait() == Status.CANCELED:
                canceled.add(key)
    relay.settle()
    arrived = {request.headers["Idempotency-Key"] for request in relay.requests if request.is_whole}
    assert canceled and not canceled & arrived


def test_success_before_the_whole_document_is_no_acceptance(account, relay):
    relay.reads_body = False
    relay.answer = (200, {}, b"")
    error = refusal_of(account, make_pdf(20_000_000), mailbutton.Unreachable)
    assert error.reason == "bad_reply"
    assert [each["outcome"] for each in error.reply["recipients"]] == ["not_sent"]
    # What is said to be not sent does not go on being sent.
    relay.settle()
    assert len(relay.requests[0].body) < 20_000_000


def test_silence_after_the_body_is_uncertain(relay):
    """Before the relay gives up by itself."""
    relay.answer = relay.SILENCE
    with mailbutton.open(deadlines={"verdict_ms": 300}) as account:
        account.settings_set(relay.settings())
        began = time.monotonic()
        assert refusal(account, mailbutton.Uncertain).reason == "no_verdict"
    assert time.monotonic() - began < LONG


def test_a_server_that_takes_no_bytes_is_given_up(relay):
    """More than fits into the buffers between: the email cannot have been sent."""
    with SilentServer() as silent, mailbutton.open(deadlines={"upload_ms": 300}) as account:
        account.settings_set(relay.settings(http_server=f"http://127.0.0.1:{silent.port}/"))
        with pytest.raises(mailbutton.Unreachable) as caught:
            account.send_document(email(), make_pdf(20_000_000))
    assert caught.value.reason == "timed_out"


def test_nobody_there_is_unreachable(account, relay):
    with SilentServer() as gone:
        pass
    account.settings_set(relay.settings(http_server=f"http://127.0.0.1:{gone.port}/"))
    assert refusal(account, mailbutton.Unreachable).reason == "connection_refused"


def test_a_clear_connection_is_for_this_computer_only(account, relay):
    with pytest.raises(mailbutton.BadSettings) as caught:
        account.settings_set(relay.settings(http_server="http://mail.example.test/"))
    assert [fault["key"] for fault in caught.value.errors] == ["http_server"]
