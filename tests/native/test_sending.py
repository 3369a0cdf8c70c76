"""An invoice by email, from its button to what became of it."""

import email.policy
from email import message_from_bytes

from desktop import until
from support import Told, save, settings_for

NUMBER = "2026-0117"


def compose(window, to):
    window.click("Email")
    window.fill("To", to)


def attachment(delivered):
    message = message_from_bytes(delivered.raw, policy=email.policy.default)
    (part,) = message.iter_attachments()
    return message, part


def test_the_button_is_there_once_the_settings_are_saved(open_window, server, tmp_path):
    with open_window("--ca-file", server.ca_file) as window:
        window.says("Email is not set up yet.")
        assert window.find("push button", "Email") is None
    save(tmp_path / "company", server.ca_file, **settings_for(server))
    with open_window("--ca-file", server.ca_file) as window:
        window.button("Email")


def test_an_invoice_arrives_byte_for_byte(open_window, server, tmp_path, shoot):
    save(tmp_path / "company", server.ca_file, sender_name="Orchard Books", **settings_for(server))
    subject = f"Invoice {NUMBER} from Orchard Books"
    with open_window("--ca-file", server.ca_file) as window:
        shoot("invoices")
        window.click("Email")
        assert window.wait_for("text", "To").text() == "office@tandarica.example"
        assert window.wait_for("text", "Subject").text() == subject
        window.fill("To", "Bogdan Pop <bogdan@example.test>")
        window.fill("Cc", "carmen@example.test")
        shoot("compose")
        window.click("Send")
        window.says("The server accepted the email.")
        window.says("carmen@example.test")
        shoot("sent")
        window.click("Close")
        window.button("Email")
    (delivered,) = server.wait_for_messages(1)
    assert sorted(delivered.envelope_to) == ["bogdan@example.test", "carmen@example.test"]
    message, part = attachment(delivered)
    assert (message["Subject"], message["To"]) == (subject, "Bogdan Pop <bogdan@example.test>")
    kept = (tmp_path / "company" / f"{NUMBER}.pdf").read_bytes()
    assert part.get_filename() == f"Invoice {NUMBER}.pdf" and part.get_content() == kept
    assert kept.startswith(b"%PDF-") and kept.rstrip().endswith(b"%%EOF")


def test_a_customers_name_with_markup_is_text(open_window, server, tmp_path):
    save(tmp_path / "company", server.ca_file, **settings_for(server))
    with open_window("--ca-file", server.ca_file) as window:
        window.click("2026-0116   1,326.00 EUR\nSmith & Sons <Cider>")
        window.says("Invoice 2026-0116")
        window.click("Email")
        assert window.wait_for("text", "Message").text().startswith("Hello Smith & Sons <Cider>,")


def test_sending_is_cancelled_on_the_way(open_window, tmp_path, shoot):
    company = tmp_path / "company"
    with Told(enough=4_000_000) as server:
        save(company, **server.settings())
        (company / f"{NUMBER}.pdf").write_bytes(b"%PDF-1.4\n" + bytes(18_000_000))
        with open_window() as window:
            compose(window, "bogdan@example.test")
            window.click("Send")
            bar = window.wait_for("progress bar", "")
            until("a part of it has left", lambda: bar.value() > 100, window.describe)
            shoot("sending")
            window.click("Cancel")
            window.says("Nothing was sent.")
            # The email is still there, and can be sent again.
            assert window.wait_for("text", "To").text() == "bogdan@example.test"
            window.button("Send")


def test_a_refused_recipient_is_named_and_the_email_stays(open_window, server, tmp_path, shoot):
    save(tmp_path / "company", server.ca_file, **settings_for(server))
    with open_window("--ca-file", server.ca_file) as window:
        compose(window, "bogdan@example.test, unknown@example.test")
        window.click("Send")
        window.says("550 5.1.1 No such user here")
        shoot("recipient-refused")
        assert server.messages() == []
        window.fill("To", "bogdan@example.test")
        window.click("Send")
        window.says("The server accepted the email.")
        server.wait_for_messages(1)


def test_an_address_that_is_none_is_told_at_its_field(open_window, server, tmp_path):
    save(tmp_path / "company", server.ca_file, **settings_for(server))
    with open_window("--ca-file", server.ca_file) as window:
        compose(window, "bogdan at example.test")
        window.click("Send")
        window.says("@")
        window.button("Send")
        assert server.messages() == []


def test_a_mistyped_address_is_mended_with_a_click(open_window, server, tmp_path, shoot):
    save(tmp_path / "company", server.ca_file, **settings_for(server))
    with open_window("--ca-file", server.ca_file) as window:
        compose(window, "Ion Popescu <ion@gmial.com>; carmen@example.test")
        window.says("Is ion@gmail.com meant?")
        shoot("mistyped")
        window.click("Apply")
        line = window.wait_for("text", "To")
        until("the right address", lambda: line.text() == "Ion Popescu <ion@gmail.com>; carmen@example.test", line.text)


def test_settings_that_do_not_work_any_more_lead_to_their_repair(open_window, server, tmp_path):
    save(tmp_path / "company", server.ca_file, **{**settings_for(server), "password": "an old one"})
    with open_window("--ca-file", server.ca_file) as window:
        compose(window, "bogdan@example.test")
        window.click("Send")
        window.says("did not accept the username and password")
        window.click("Email settings")
        window.fill("Password", server.password, is_secret=True)
        window.click("Update")
        window.says("saved")
        window.click("Invoices")
        window.click("Send")
        window.says("The server accepted the email.")
        server.wait_for_messages(1)


def test_the_demo_works_as_it_says(open_demo):
    with open_demo() as window:
        told = [window.process.stdout.readline() for _ in range(6)]
        window.click("Email settings")
        for line in told[1:5]:
            name, value = line.strip().split("  ", 1)
            window.fill(name, value.strip(), is_secret=name == "Password")
        window.click("Test email settings")
        window.says("The settings work")
        window.click("Update")
        window.says("saved")
        window.click("Invoices")
        compose(window, "anybody@example.test")
        window.click("Send")
        window.says("The server accepted the email.")
        arrived = "".join(window.process.stdout.readline() for _ in range(3))
    assert f"An email arrived for anybody@example.test: Invoice {NUMBER}\n    Invoice {NUMBER}.pdf (" in arrived
