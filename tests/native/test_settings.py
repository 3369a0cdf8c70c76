"""The settings page, from an empty form to saved settings."""


def fill_in(window, server, password):
    window.click("Email settings")
    window.fill("SMTP server", server.host)
    window.fill("Port", str(server.port_starttls))
    window.fill("Username", server.user)
    window.fill("Password", password, is_secret=True)


def test_a_wrong_password_is_told_and_mended(open_window, server, shoot):
    with open_window("--ca-file", server.ca_file) as window:
        fill_in(window, server, "not the password")
        window.click("Test email settings")
        window.says("did not accept the username and password")
        shoot("refused")
        assert server.messages() == []
        window.fill("Password", server.password, is_secret=True)
        window.click("Test email settings")
        window.says("The settings work")
        shoot("tested")
        server.wait_for_messages(1)
        window.click("Update")
