### Every text that reaches a person, in German. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Versand
field-protocol = Senden über
choice-protocol-smtp = Mein E-Mail-Anbieter (SMTP)
choice-protocol-http = Ein Webdienst (HTTP-Relay)
help-protocol = In den meisten Fällen passt der E-Mail-Anbieter.
field-http_server = Adresse des Webdienstes
help-http_server = Die Adresse, die Sie vom Betreiber des Webdienstes erhalten haben.
placeholder-http_server = https://email.example.com/
field-http_token = Zugriffstoken
help-http_token = Nur wenn Sie vom Betreiber des Webdienstes eines erhalten haben.
field-smtp_host = SMTP-Server
help-smtp_host = Der Name des Postausgangsservers Ihres Anbieters, zum Beispiel smtp.gmail.com, smtp.mail.yahoo.com oder smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Port
help-smtp_port = Üblich sind 465 und 587. Welcher der richtige ist, steht auf den Hilfeseiten Ihres Anbieters.
placeholder-smtp_port = 587
field-smtp_security = Verschlüsselung
help-smtp_security = Automatisch passt für fast jeden Server: TLS auf Port 465, STARTTLS auf jedem anderen Port. Eine Verbindung, die sich nicht verschlüsseln lässt, wird nicht verwendet.
choice-smtp_security-auto = Automatisch (empfohlen)
choice-smtp_security-tls = TLS von Anfang an (üblich auf Port 465)
choice-smtp_security-starttls = STARTTLS (üblich auf Port 587)
choice-smtp_security-none = Keine: alles wird lesbar übertragen
field-allow_insecure_login = Mein Passwort unverschlüsselt senden
help-allow_insecure_login = Jeder auf dem Weg zum Server kann das Passwort dann lesen. Nur für einen Server in Ihrem eigenen Netzwerk.
field-auth = Anmelden mit
choice-auth-password = Benutzername und Passwort
choice-auth-oauth2 = Anmeldung beim Anbieter (OAuth 2.0)
help-auth = Manche Anbieter wie Microsoft 365 lassen Programme nur nach einer Anmeldung auf ihrer eigenen Seite senden.
field-username = Benutzername
help-username = Oft Ihre vollständige E-Mail-Adresse. Lassen Sie das Feld leer, wenn der Server keine Anmeldung verlangt.
placeholder-username = name@example.com
field-mailbox = Anderes Postfach
help-mailbox = Nur wenn Sie von einem anderen Postfach als Ihrem eigenen senden, zum Beispiel von einem gemeinsamen. Angemeldet wird weiterhin Ihr eigenes Konto.
placeholder-mailbox = buero@example.com
field-email_address = E-Mail-Adresse
help-email_address = Die Adresse, von der Ihre E-Mails gesendet werden.
placeholder-email_address = name@example.com
field-password = Passwort
help-password = Das Passwort dieses E-Mail-Kontos. Ist schon eines gespeichert, lassen Sie das Feld leer, um es zu behalten.
help-password-app_password = { $provider } verlangt hier ein App-Passwort, nicht Ihr normales Passwort.
help-password-two_steps = Ist die Bestätigung in zwei Schritten aktiviert, verlangt { $provider } hier ein App-Passwort, nicht Ihr normales Passwort.
help-password-not_for_long = { $provider } schaltet die Anmeldung mit Passwort für E-Mail-Programme nach und nach ab. Wird der Test abgelehnt, bitten Sie Ihren Administrator, sie zu erlauben („Authentifiziertes SMTP“).
help-password-key = { $provider } verlangt hier einen Schlüssel, den Sie auf der Website des Anbieters erstellen.
help-password-no_password = { $provider } lässt die Anmeldung von Programmen mit einem Passwort nicht mehr zu. Senden Sie über ein anderes E-Mail-Konto.
field-sender_name = Absendername
help-sender_name = Der Name, den die Empfänger Ihrer E-Mails sehen, meist der Name Ihres Unternehmens.
field-send_copy = Eine Kopie jeder E-Mail an diese Adresse senden
help-send_copy = Für Ihre eigenen Unterlagen. Die Empfänger Ihrer E-Mails sehen sie nicht.
field-copy_to = Adresse für Kopien
help-copy_to = Mehrere Adressen werden durch Kommas getrennt.
placeholder-copy_to = archiv@example.com
field-different_reply_to = Antworten an einer anderen Adresse als der Absenderadresse empfangen
help-different_reply_to = Antworten gehen dann an die unten stehende Adresse.
field-reply_to = Antwortadresse
help-reply_to = Mehrere Adressen werden durch Kommas getrennt.
placeholder-reply_to = buero@example.com
field-allow_untrusted_certificate = Dem eigenen Zertifikat dieses Servers vertrauen
help-allow_untrusted_certificate = Nur für einen eigenen Server mit selbst signiertem Zertifikat. Führen Sie den Test aus, vergleichen Sie den angezeigten Fingerabdruck und akzeptieren Sie ihn.
field-trusted_certificate = Fingerabdruck des Zertifikats
help-trusted_certificate = SHA-256. Wird ausgefüllt, wenn Sie das Zertifikat akzeptieren, das der Test anzeigt; von da an wird nur dieses Zertifikat akzeptiert.
button-test = E-Mail-Einstellungen testen
button-update = Speichern
button-sign_in = Anmelden
button-sign_out = Abmelden
button-email = Per E-Mail senden
page-signed_in-title = Angemeldet
page-signed_in = Sie können diese Seite schließen und zu { $program } zurückkehren.
page-not_signed_in-title = Nicht angemeldet
page-not_signed_in = Kehren Sie zu { $program } zurück: Dort steht der Grund.

why_not-fields = Einige Felder müssen noch ausgefüllt oder geprüft werden.

## Providers: what to do there, step by step

proposal-provider = Server { $host } von { $provider } auf Port { $port } verwenden.
proposal-autoconfig = { $domain } veröffentlicht diese Einstellungen: { $host } auf Port { $port }.
proposal-srv = { $domain } nennt { $host } als seinen Server zum Senden von E-Mails.
proposal-mx = Die E-Mails von { $domain } liegen bei { $provider }, dessen Einstellungen das sind.
proposal-probe = { $host } antwortet auf Port { $port } mit Verschlüsselung.

steps-required-1 = Melden Sie sich auf der Website von { $provider } an und suchen Sie in den Sicherheitseinstellungen nach App-Passwörtern.
steps-required-2 = Erstellen Sie ein neues mit dem Namen { $program }.
steps-required-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-with_two_steps-1 = Ist bei { $provider } die Bestätigung in zwei Schritten aktiviert, erstellen Sie dort in den Sicherheitseinstellungen ein App-Passwort mit dem Namen { $program }.
steps-with_two_steps-2 = Kopieren Sie es hier in das Passwortfeld. Ohne Bestätigung in zwei Schritten geben Sie Ihr normales Passwort ein.
steps-not_for_long-1 = Bitten Sie den Administrator Ihres Kontos bei { $provider }, Programmen die Anmeldung mit Passwort zu erlauben.
steps-not_for_long-2 = Geben Sie hier das Passwort des Postfachs ein.
steps-no_password-1 = Verwenden Sie ein anderes E-Mail-Konto zum Senden: { $provider } lässt die Anmeldung von Programmen mit einem Passwort nicht zu.
steps-key-1 = Melden Sie sich auf der Website von { $provider } an und erstellen Sie einen Schlüssel oder Zugangsdaten für SMTP.
steps-key-2 = Kopieren Sie den Benutzernamen und den Schlüssel hier in die Felder.
steps-none-1 = Geben Sie das Passwort ein, mit dem Sie sich bei { $provider } anmelden.
steps-unknown-1 = Prüfen Sie in den Einstellungen von { $provider }, ob andere Programme über Ihr Postfach senden dürfen.
steps-unknown-2 = Geben Sie das Passwort ein, mit dem Sie sich anmelden. Gibt es bei { $provider } App-Passwörter, erstellen Sie eines für { $program } und geben Sie dieses ein.

steps-gmail-1 = Öffnen Sie die Sicherheitsseite Ihres Google-Kontos und aktivieren Sie die Bestätigung in zwei Schritten, falls sie noch nicht aktiviert ist.
steps-gmail-2 = Öffnen Sie „App-Passwörter“, geben Sie { $program } als Namen ein und wählen Sie „Erstellen“.
steps-gmail-3 = Kopieren Sie die 16 Buchstaben, die Google anzeigt, hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-google-workspace-1 = Öffnen Sie die Sicherheitsseite Ihres Google-Kontos und aktivieren Sie die Bestätigung in zwei Schritten, falls sie noch nicht aktiviert ist.
steps-google-workspace-2 = Öffnen Sie „App-Passwörter“, geben Sie { $program } als Namen ein und wählen Sie „Erstellen“.
steps-google-workspace-3 = Kopieren Sie die 16 Buchstaben, die Google anzeigt, hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-google-workspace-4 = Gibt es keine Seite für App-Passwörter, bitten Sie Ihren Google-Workspace-Administrator, sie zu erlauben.
steps-outlook-personal-1 = Verwenden Sie ein anderes E-Mail-Konto zum Senden: { $provider } lässt die Anmeldung von Programmen mit einem Passwort nicht mehr zu.
steps-outlook-personal-2 = Damit Antworten trotzdem bei Ihrer Adresse von { $provider } ankommen, geben Sie diese als Antwortadresse ein.
steps-microsoft365-1 = Öffnen Sie das Microsoft 365 Admin Center und wählen Sie „Benutzer“, „Aktive Benutzer“ und das Postfach, von dem { $program } sendet. Sind Sie nicht der Administrator, bitten Sie Ihren darum.
steps-microsoft365-2 = Wählen Sie auf der Registerkarte „E-Mail“ den Punkt „E-Mail-Apps verwalten“, aktivieren Sie „Authentifiziertes SMTP“ und speichern Sie die Änderungen.
steps-microsoft365-3 = Geben Sie hier die Adresse und das Passwort des Postfachs ein und testen Sie die Einstellungen.
steps-yahoo-1 = Melden Sie sich an und öffnen Sie die Seite „Kontosicherheit“.
steps-yahoo-2 = Wählen Sie „App-Passwort erstellen“ (oder „App-Passwort generieren“), geben Sie { $program } als Namen der App ein und lassen Sie das Passwort generieren.
steps-yahoo-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-att-1 = Melden Sie sich bei Ihrem AT&T-Konto an und erstellen Sie einen „Secure mail key“ für Ihre E-Mail-Adresse.
steps-att-2 = Kopieren Sie den Schlüssel hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-icloud-1 = Aktivieren Sie die Zwei-Faktor-Authentifizierung für Ihren Apple Account, falls sie noch nicht aktiviert ist.
steps-icloud-2 = Melden Sie sich bei account.apple.com an, öffnen Sie „Anmelden und Sicherheit“, wählen Sie „App-spezifische Passwörter“ und erstellen Sie eines mit dem Namen { $program }.
steps-icloud-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-gmx-1 = Melden Sie sich auf der Website von { $provider } an und erlauben Sie in den E-Mail-Einstellungen den Zugriff über POP3 und IMAP: Auch das Senden braucht ihn.
steps-gmx-2 = Ist die Zwei-Faktor-Authentifizierung aktiviert, erstellen Sie in Ihrem Konto unter „Sicherheit“ ein anwendungsspezifisches Passwort.
steps-gmx-3 = Geben Sie dieses Passwort hier ein. Ohne Zwei-Faktor-Authentifizierung geben Sie Ihr normales ein.
steps-tonline-1 = Melden Sie sich im Kundencenter der Telekom an und legen Sie ein Passwort für E-Mail-Programme fest.
steps-tonline-2 = Geben Sie dieses Passwort hier ein: Es ist nicht das, mit dem Sie sich anmelden.
steps-fastmail-1 = Melden Sie sich bei Fastmail an und öffnen Sie „Settings“, „Privacy & Security“ und dann „Integrations“ (oder „Connected apps“).
steps-fastmail-2 = Wählen Sie „New app password“, geben Sie { $program } als Namen ein und lassen Sie den Zugriff auf E-Mails aktiviert.
steps-fastmail-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld.
steps-zoho-1 = Melden Sie sich bei Ihrem Zoho-Konto an und öffnen Sie „Security“, dann „App Passwords“.
steps-zoho-2 = Wählen Sie „Generate New Password“ und geben Sie { $program } als Namen ein.
steps-zoho-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld. Ohne Multi-Faktor-Authentifizierung funktioniert auch Ihr normales.
steps-proton-1 = Prüfen Sie, ob Sie eine Adresse mit eigener Domain und einen Tarif mit SMTP haben: Mit anderen ist das Senden nicht möglich.
steps-proton-2 = Öffnen Sie in den Einstellungen „IMAP/SMTP“, wählen Sie „Token generieren“, geben Sie { $program } als Namen ein und wählen Sie die Adresse aus.
steps-proton-3 = Geben Sie diese Adresse hier als Benutzernamen ein und kopieren Sie das Token in das Passwortfeld.
steps-yandex-1 = Öffnen Sie die Einstellungen von Yandex Mail, wählen Sie „Email clients“ und erlauben Sie den Zugriff mit App-Passwörtern.
steps-yandex-2 = Öffnen Sie in Ihrer Yandex ID „App passwords“ und erstellen Sie eines für Mail mit dem Namen { $program }.
steps-yandex-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-mailru-1 = Melden Sie sich bei Ihrem Mail.ru-Konto an und öffnen Sie die Sicherheitseinstellungen, dann die Passwörter für externe Anwendungen.
steps-mailru-2 = Fügen Sie eines mit dem Namen { $program } hinzu und geben Sie ihm Zugriff auf E-Mails über IMAP, POP und SMTP.
steps-mailru-3 = Kopieren Sie das angezeigte Passwort hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-qq-1 = Melden Sie sich bei QQ Mail an, öffnen Sie die Einstellungen, dann das Konto, und schalten Sie den Dienst POP3/IMAP/SMTP ein.
steps-qq-2 = Lassen Sie einen Autorisierungscode erzeugen und bestätigen Sie ihn mit Ihrem Telefon.
steps-qq-3 = Kopieren Sie den Code hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-netease-1 = Melden Sie sich bei Ihrem Postfach an, öffnen Sie die Einstellungen, dann POP3/SMTP/IMAP, und schalten Sie SMTP ein.
steps-netease-2 = Erstellen Sie einen Autorisierungscode und bestätigen Sie ihn mit Ihrem Telefon.
steps-netease-3 = Kopieren Sie den Code hier in das Passwortfeld, anstelle Ihres normalen Passworts.
steps-no_programs-1 = Verwenden Sie ein anderes E-Mail-Konto zum Senden: { $provider } lässt sich nur in den eigenen Apps nutzen.
steps-no_programs-2 = Damit Antworten trotzdem bei Ihrer Adresse von { $provider } ankommen, geben Sie diese als Antwortadresse ein.
steps-sendgrid-1 = Melden Sie sich bei SendGrid an und erstellen Sie einen API-Schlüssel mit dem Namen { $program } und der Berechtigung, E-Mails zu senden.
steps-sendgrid-2 = Geben Sie hier als Benutzernamen das Wort apikey ein.
steps-sendgrid-3 = Kopieren Sie den Schlüssel in das Passwortfeld.
steps-mailgun-1 = Melden Sie sich bei Mailgun an, öffnen Sie „Sending“, dann „Domain settings“, wählen Sie Ihre Domain und öffnen Sie „SMTP credentials“.
steps-mailgun-2 = Geben Sie den angezeigten Login hier vollständig als Benutzernamen ein.
steps-mailgun-3 = Setzen Sie dort sein Passwort zurück und kopieren Sie das neue in das Passwortfeld.
steps-postmark-1 = Melden Sie sich bei Postmark an, öffnen Sie Ihren Server, dann „API Tokens“, und kopieren Sie das Server-API-Token.
steps-postmark-2 = Geben Sie das Token hier zweimal ein: als Benutzernamen und als Passwort.
steps-ses-1 = Öffnen Sie die SES-Konsole in der Region, aus der Sie senden, dann „SMTP settings“, und wählen Sie „Create SMTP credentials“.
steps-ses-2 = Kopieren Sie den SMTP-Benutzernamen und das SMTP-Passwort hier in die Felder. Es sind nicht Ihre AWS-Zugriffsschlüssel.
steps-ses-3 = Prüfen Sie, ob der Server hier der dieser Region ist.
steps-brevo-1 = Melden Sie sich bei Brevo an und öffnen Sie „SMTP & API“, dann die Registerkarte „SMTP“.
steps-brevo-2 = Geben Sie den dort angezeigten Login hier als Benutzernamen ein.
steps-brevo-3 = Generieren Sie einen SMTP-Schlüssel mit dem Namen { $program } und kopieren Sie ihn in das Passwortfeld. Ein API-Schlüssel funktioniert hier nicht.
steps-resend-1 = Melden Sie sich bei Resend an und erstellen Sie einen API-Schlüssel mit dem Namen { $program } und dem Recht zu senden.
steps-resend-2 = Geben Sie hier als Benutzernamen das Wort resend ein.
steps-resend-3 = Kopieren Sie den Schlüssel in das Passwortfeld.
steps-mailjet-1 = Melden Sie sich bei Mailjet an und öffnen Sie die Seite mit Ihren API-Schlüsseln.
steps-mailjet-2 = Geben Sie hier den API-Schlüssel als Benutzernamen und den geheimen Schlüssel als Passwort ein.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Dieser Server dient dem Empfangen von E-Mails. Verwenden Sie zum Senden den Server { $host } von { $provider }.
warning-port_25 = Port 25 ist für E-Mails zwischen Servern gedacht, und viele Internetanbieter sperren ihn. Verwenden Sie 587 oder 465, wenn Ihr E-Mail-Anbieter sie unterstützt.
warning-no_encryption = Ihre E-Mails und die Dokumente darin werden für jeden auf dem Weg lesbar übertragen.
warning-own_certificate = Nur dem einen Zertifikat mit diesem Fingerabdruck wird vertraut. Erhält der Server ein neues, führen Sie den Test erneut aus und akzeptieren Sie es.

fault-required = Diese Angabe wird benötigt.
fault-required-http_server = Geben Sie die Adresse des Webdienstes ein.
fault-required-smtp_host = Geben Sie den Namen des SMTP-Servers Ihres Anbieters ein.
fault-required-smtp_port = Geben Sie den Port ein: bei den meisten Anbietern 587 oder 465.
fault-required-username = Geben Sie die E-Mail-Adresse des Kontos ein, das sich anmeldet.
fault-required-email_address = Geben Sie die E-Mail-Adresse ein, von der Sie senden.
fault-required-password = Geben Sie das Passwort dieses Kontos ein.
fault-required-copy_to = Geben Sie die Adresse ein, die die Kopien erhält, oder entfernen Sie das zugehörige Häkchen.
fault-required-reply_to = Geben Sie die Adresse ein, an die Antworten gehen sollen.
fault-required-trusted_certificate = Führen Sie den Test aus und akzeptieren Sie das angezeigte Zertifikat, oder entfernen Sie das zugehörige Häkchen.
fault-password_again = Das gespeicherte Passwort gehört zu einem anderen Server, Port oder Benutzernamen oder zu einer anderen Verschlüsselung. Geben Sie das Passwort noch einmal ein.
fault-password_without_username = Geben Sie den Benutzernamen ein, der zum Passwort gehört, oder leeren Sie das Passwortfeld.
fault-token_in_clear = Ohne Verschlüsselung würde die Anmeldung lesbar übertragen. Wählen Sie eine andere Verschlüsselung.
fault-not_signed_in = Melden Sie sich zuerst an: Für dieses Konto gibt es noch keine Anmeldung.
fault-sign_in_settings_changed = Die Einstellungen wurden inzwischen geändert, deshalb wurde diese Anmeldung nicht gespeichert. Melden Sie sich noch einmal an.
fault-no_sign_in_here = Für diesen Server ist keine Anmeldung beim Anbieter bekannt. Verwenden Sie Benutzername und Passwort.
fault-no_client = { $program } kann sich bei { $provider } noch nicht anmelden: Der Hersteller muss das Programm dort zuerst registrieren.
fault-choice_unknown = { $value } steht nicht zur Auswahl. Möglich sind: { $choices }.
fault-host_has_scheme = Lassen Sie „{ $scheme }“ weg: Hier steht nur der Name des Servers, zum Beispiel smtp.example.com.
fault-host_has_port = Lassen Sie „:{ $port }“ hier weg: Für den Port gibt es ein eigenes Feld.
fault-host_has_path = Lassen Sie alles ab dem „/“ weg: Hier steht nur der Name des Servers.
fault-host_has_space = Ein Servername enthält keine Leerzeichen.
fault-host_is_address = Das ist eine E-Mail-Adresse. Hier wird der Name des Servers benötigt, zum Beispiel smtp.example.com.
fault-host_invalid = Das ist kein Servername. Er sieht aus wie smtp.example.com.
fault-port_invalid = Der Port ist eine ganze Zahl von 1 bis 65535; üblich sind 587 und 465.
fault-url_invalid = Das ist keine Webadresse. Sie sieht aus wie https://email.example.com/.
fault-url_not_web = Hier sind nur Adressen mit https:// möglich.
fault-url_not_secure = Das Dokument würde unverschlüsselt übertragen: Verwenden Sie https:// statt http://.
fault-url_has_login = Lassen Sie Benutzername und Passwort in der Adresse weg: Für ein Zugriffstoken gibt es ein eigenes Feld.
fault-username_control = Der Benutzername enthält einen Zeilenumbruch oder ein anderes unsichtbares Zeichen. Tippen Sie ihn neu ein, statt ihn einzufügen.
fault-secret_control = Die Eingabe enthält einen Zeilenumbruch oder ein anderes unsichtbares Zeichen. Tippen Sie sie neu ein, statt sie einzufügen.
fault-fingerprint_invalid = Ein SHA-256-Fingerabdruck hat 64 Stellen aus den Ziffern 0 bis 9 und den Buchstaben A bis F.
fault-insecure_login = Ohne Verschlüsselung würde das Passwort lesbar übertragen. Wählen Sie eine andere Verschlüsselung, oder setzen Sie dieses Häkchen, wenn Sie das so wollen.
fault-established_provider = Entfernen Sie dieses Häkchen: { $provider } hat ein gültiges Zertifikat, und wird es abgelehnt, würde etwas auf dem Weg Ihr Passwort erhalten.
fault-too_long_text = Das ist zu lang: Höchstens { $limit } Zeichen sind möglich.

fault-too_long = { $bytes } Bytes sind zu viel: Höchstens { $limit } werden angenommen.
fault-bad_json = Das ist kein JSON: Der Fehler steht in Zeile { $line }, Spalte { $column }.
fault-wrong_type = Hier wird erwartet: { $expected }; gefunden wurde: { $found }.
type-an_object = ein Objekt
type-text = Text
type-true_or_false = true oder false
type-true_or_false_or_an_object = true, false oder ein Objekt
type-a_number = eine Zahl
type-a_list = eine Liste
type-text_or_a_list_of_texts = Text oder eine Liste von Texten
type-a_number_or_text = eine Zahl oder Text
type-a_host_name = ein Servername
type-a_link_or_null = ein Link oder null
type-null = null
fault-out_of_range = Der Wert muss zwischen { $least } und { $most } liegen.
fault-unknown_key = Einen Schlüssel mit diesem Namen gibt es nicht.
fault-unknown_key_near = Einen Schlüssel mit diesem Namen gibt es nicht. Ist { $nearest } gemeint?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf ist NULL, und in email_json fehlt document.path: Geben Sie die Bytes des PDFs oder den Pfad seiner Datei an.
   *[other] { $argument } ist NULL.
}
call-bad_utf8 = { $argument } ist kein UTF-8: Das erste falsche Byte steht an Position { $position }.
call-null_with_length = { $argument } ist NULL, als Länge sind aber { $length } Bytes angegeben.
call-bad_length = { $argument } hat { $bytes } Bytes; eine so große Kopie passt nicht in den Speicher dieses Rechners.
fault-key_needs_store = Ohne store hat dies keine Wirkung.
fault-one_key_only = Nur eine der Angaben key, passphrase und keychain ist möglich.
fault-wrong_type_expected = Hier wird erwartet: { $expected }.

fault-control_character = Dieser Text enthält ein Zeichen, das nicht gesendet werden kann ({ $character }), zum Beispiel einen Zeilenumbruch. Tippen Sie ihn neu ein, statt ihn einzufügen.
fault-bidi_character = Dieser Text enthält ein unsichtbares Zeichen, das die Schreibrichtung ändert ({ $character }). Tippen Sie ihn neu ein, statt ihn einzufügen.

fault-address_empty = Hier fehlt eine Adresse.
fault-address_no_at = { $address } ist keine E-Mail-Adresse: Das „@“ fehlt.
fault-address_several_at = { $address } ist keine E-Mail-Adresse: Sie enthält mehr als ein „@“.
fault-address_missing_separator = { $address }: Setzen Sie ein Komma zwischen zwei Adressen.
fault-address_no_local = { $address } ist keine E-Mail-Adresse: Der Teil vor dem „@“ fehlt.
fault-address_no_domain = { $address } ist keine E-Mail-Adresse: Der Teil nach dem „@“ fehlt.
fault-address_space = { $address } ist keine E-Mail-Adresse: Sie enthält ein Leerzeichen.
fault-address_invisible_character = Die Adresse enthält ein unsichtbares Zeichen ({ $character }). Tippen Sie sie neu ein, statt sie einzufügen.
fault-address_local_too_long = Der Teil vor dem „@“ ist zu lang: Er hat { $bytes } Bytes, höchstens { $limit } sind erlaubt.
fault-address_too_long = Die Adresse ist zu lang: Sie hat { $bytes } Bytes, höchstens { $limit } sind erlaubt.
fault-address_bad_domain = { $domain } ist keine Domain einer E-Mail-Adresse.
fault-address_bad_local = { $local } kann nicht vor dem „@“ einer E-Mail-Adresse stehen.
fault-mailbox_quote = { $text }: Ein Anführungszeichen fehlt.
fault-mailbox_bracket = { $text }: Die Adresse muss zwischen „<“ und „>“ stehen.
fault-mailbox_text_after_address = { $text }: Nach dem „>“ darf nichts mehr stehen.
fault-mailbox_missing_separator = { $text }: Setzen Sie ein Komma zwischen zwei Adressen.
fault-too_many_recipients = { $number } Empfänger sind zu viele für eine E-Mail: Höchstens { $limit } sind erlaubt.
fault-one_address_only = Geben Sie nur eine Adresse ein.
fault-no_recipients = Geben Sie mindestens einen Empfänger ein.
fault-header_too_long = Das ist zu lang für eine E-Mail: Es sind { $bytes } Bytes, höchstens { $limit } sind erlaubt.
fault-file_name_empty = Die Datei braucht einen Namen.
fault-file_name_dots = „{ $name }“ ist kein Dateiname.
fault-file_name_separator = Ein Dateiname kann das Zeichen „{ $character }“ nicht enthalten.
fault-file_name_encoded_word = Ein Dateiname kann „=?“ nicht enthalten: Manche E-Mail-Programme würden einen anderen Namen anzeigen.
fault-file_name_too_long = Der Dateiname ist zu lang: Er hat { $bytes } Bytes, höchstens { $limit } sind erlaubt.
fault-file_missing = Die Datei { $path } ist nicht vorhanden.
fault-file_is_folder = { $path } ist ein Ordner, keine Datei.
fault-file_not_regular = { $path } ist keine gewöhnliche Datei.
fault-file_changed = Die Datei { $path } wurde geändert, während sie gelesen wurde. Versuchen Sie es erneut, sobald sie vollständig ist.
fault-file_unreadable = Die Datei { $path } kann nicht gelesen werden: { $error }.
fault-files_too_large = Das Dokument und die Anhänge sind zusammen zu groß: Höchstens { $limit } Bytes werden angenommen.
fault-files_no_memory = Für { $bytes } Bytes reicht der Arbeitsspeicher nicht aus.
fault-pdf_empty = Das PDF ist leer: Es enthält keine Bytes.
fault-pdf_not_a_pdf = Das ist kein PDF: In den ersten 1.024 Bytes steht kein „%PDF-“.
fault-document_twice = Entweder die Bytes des PDFs oder der Pfad seiner Datei kann angegeben werden, nicht beides.
fault-attachment_twice = Entweder path oder base64 kann angegeben werden, nicht beides.
fault-attachment_missing = Entweder path oder base64 muss angegeben werden.
fault-file_name_missing = Ein Anhang, der als base64 angegeben wird, braucht einen file_name.
fault-base64_bad = Das ist kein base64.
fault-type_bad = { $type } ist kein Medientyp wie application/pdf.
fault-type_composite = { $type } kann nicht als Typ eines Anhangs gesendet werden; verwenden Sie application/octet-stream.
fault-body_twice = Entweder body oder body_html zusammen mit body_text kann angegeben werden.
fault-body_text_missing = Neben body_html ist body_text nötig, für E-Mail-Programme, die kein HTML anzeigen.
fault-body_html_missing = body_text gehört zu body_html; verwenden Sie body für reinen Text.
fault-idempotency_key_bad = Der Schlüssel besteht aus 1 bis { $limit } sichtbaren ASCII-Zeichen.
fault-access_token_bad = Ein Zugriffstoken besteht aus 1 bis { $limit } sichtbaren ASCII-Zeichen.
fault-access_token_unused = Diese Einstellungen verwenden kein Zugriffstoken: auth ist nicht oauth2.
fault-sign_in_unused = Diese Einstellungen haben keine Anmeldung beim Anbieter: auth ist nicht oauth2.
fault-flow_unknown = Der Wert ist browser, redirect, device oder client_credentials.
fault-redirect_uri_bad = Zu redirect gehört eine eigene https://-Adresse, zu den anderen Werten nicht.
fault-sign_in_unknown = Es gibt keine solche Anmeldung: Sie wurde schon abgeschlossen oder mit einem anderen Kontoobjekt oder von einem anderen Prozess begonnen.
fault-callback_bad = Das ist nicht die Adresse, an die der Anbieter den Browser für diese Anmeldung geschickt hat.
fault-no_randomness = Das System hat keine Zufallszahlen geliefert, die jede E-Mail benötigt. Versuchen Sie es erneut.

fault-key_invalid = Der Schlüssel besteht nicht aus 32 Bytes in base64.
fault-passphrase_empty = Die Passphrase ist leer.
fault-ca_file_unreadable = Die Zertifikatsdatei kann nicht gelesen werden: { $detail }.
fault-ca_file_invalid = Ein Zertifikat in dieser Datei kann nicht verwendet werden: { $detail }.
fault-ca_file_empty = Diese Datei enthält kein Zertifikat. Es muss im PEM-Format vorliegen.
fault-store_empty = Der Pfad der Einstellungsdatei ist leer.
fault-program_name_empty = Der Name des Programms ist leer.
fault-key_missing = Diese Angabe ist nötig.
fault-host_name_invalid = Das ist kein Name eines Servers oder einer Domain.
fault-link_invalid = Das ist keine Adresse einer Webseite, die mit https:// beginnt und keine Anmeldedaten enthält.
fault-provider_twice = Es gibt schon eine andere Zeile mit der id { $id }.
fault-locale_invalid = Das ist kein Sprachkürzel wie en, ro oder pt-BR.
fault-text_syntax = Der Text { $id } ist in Zeile { $line } kein Fluent: { $detail }.
fault-text_unknown = Es gibt keinen Text mit der Kennung { $id } (Zeile { $line }).
fault-text_twice = Der Text { $id } ist doppelt vorhanden (Zeile { $line }).
fault-text_word = Der Text { $id } (Zeile { $line }) verwendet { $word }, was es für ihn nicht gibt.
fault-hello_name_invalid = Das ist kein Hostname, der mit EHLO gesendet werden kann.
fault-proxy_invalid = { $variable ->
    [none] Das ist nicht die Adresse eines Proxys. Sie sieht aus wie socks5://proxy.example.com:1080 oder http://user:password@proxy.example.com:3128 oder ist das Wort environment.
   *[other] Die Umgebungsvariable { $variable } enthält nicht die Adresse eines Proxys. Sie sieht aus wie socks5://proxy.example.com:1080 oder http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Proxys mit { $scheme }:// können hier nicht verwendet werden: Geben Sie einen mit socks5:// oder http:// an.
   *[other] Die Umgebungsvariable { $variable } nennt einen Proxy mit { $scheme }://, der hier nicht verwendet werden kann: Geben Sie einen mit socks5:// oder http:// an.
}
fault-proxy_login_invalid = { $variable ->
    [none] Der Benutzername oder das Passwort des Proxys kann nicht verwendet werden: Beide haben höchstens 255 Bytes und keine Zeilenumbrüche, und Sonderzeichen werden wie in Webadressen geschrieben, zum Beispiel %40 für @.
   *[other] Der Benutzername oder das Passwort des Proxys in der Umgebungsvariable { $variable } kann nicht verwendet werden: Beide haben höchstens 255 Bytes und keine Zeilenumbrüche, und Sonderzeichen werden wie in Webadressen geschrieben, zum Beispiel %40 für @.
}

fault-nameserver_invalid = Das ist keine Adresse eines Nameservers. Sie sieht aus wie 192.0.2.53 oder 127.0.0.1:5353.

discovery-nothing = Für { $domain } wurden keine Einstellungen gefunden: Sie stehen auf den Hilfeseiten Ihres Anbieters.
discovery-canceled = Die Suche nach Einstellungen wurde abgebrochen.

settings-faults = { $count ->
    [one] { $label }: { $message }
   *[other] { $count } Felder müssen noch ausgefüllt oder geprüft werden. Das erste ist { $label }: { $message }
}
email-faults = Die E-Mail kann so nicht gesendet werden. { $message }
not_configured = Der E-Mail-Versand ist noch nicht eingerichtet. Füllen Sie zuerst die E-Mail-Einstellungen aus.

## The store

protection-memory = Die Einstellungen werden nur im Arbeitsspeicher gehalten und sind verloren, sobald { $program } beendet wird.
protection-given_key = Das Passwort ist in der Einstellungsdatei mit einem Schlüssel verschlüsselt, den { $program } aufbewahrt.
protection-passphrase = Das Passwort ist in der Einstellungsdatei mit einem Schlüssel verschlüsselt, der aus einer Passphrase gebildet wird.
protection-keychain = Das Passwort ist in der Einstellungsdatei mit einem Schlüssel aus dem Schlüsselbund des Systems verschlüsselt.
protection-key_file = Das Passwort ist in der Einstellungsdatei verschlüsselt. Der Schlüssel liegt daneben in einer Datei, die nur dieser Benutzer lesen darf: Wer beide Dateien lesen kann, kann das Passwort lesen.

store-damaged = Die Einstellungsdatei { $path } ist beschädigt ({ $detail }). Sie wurde unverändert gelassen. Löschen Sie die Einstellungen und geben Sie sie neu ein, oder stellen Sie die Datei aus einer Sicherung wieder her.
store-tampered = Die Einstellungsdatei { $path } wurde von etwas anderem als { $program } geändert. Zur Sicherheit wird sie nicht verwendet; sie wurde unverändert gelassen. Löschen Sie die Einstellungen und geben Sie sie neu ein, oder stellen Sie die Datei aus einer Sicherung wieder her.
store-wrong_key = Die Einstellungsdatei { $path } lässt sich mit diesem Schlüssel nicht öffnen ({ $detail }). Sie wurde unverändert gelassen.
store-newer = Die Einstellungsdatei { $path } stammt von einer neueren Version von { $program }. Sie wurde unverändert gelassen. Aktualisieren Sie { $program }.
store-no_folder = Der Ordner { $path } für die Einstellungsdatei kann nicht verwendet werden: { $detail }.
store-unreadable = Die Einstellungsdatei { $path } kann nicht gelesen werden: { $detail }.
store-unwritable = Die Einstellungen konnten nicht in { $path } gespeichert werden: { $detail }. Die bisherigen Einstellungen gelten weiter.
store-busy = Ein anderes Programm speichert gerade die Einstellungen in { $path }. Versuchen Sie es erneut.
store-key_file_exposed = Die Schlüsseldatei { $path } kann von anderen Benutzern dieses Computers gelesen werden und schützt deshalb nichts. Machen Sie sie nur für ihren Besitzer lesbar.
store-key_missing = Die Schlüsseldatei { $path }, mit der die Einstellungen geöffnet werden, fehlt. Stellen Sie sie aus einer Sicherung wieder her, oder löschen Sie die Einstellungen und geben Sie sie neu ein.
store-no_keychain = Der Schlüsselbund des Systems kann nicht verwendet werden: { $detail }.

## The Email button

kind-invoice = Rechnung
kind-quote = Angebot
kind-order = Bestellung
kind-credit_note = Gutschrift
kind-delivery_note = Lieferschein
kind-receipt = Quittung
kind-reminder = Zahlungserinnerung
kind-statement = Kontoauszug
kind-payslip = Gehaltsabrechnung
kind-report = Bericht
kind-document = Dokument
button-subject = { $document }
button-subject_from = { $document } von { $sender }
button-body =
    Guten Tag { $name },

    im Anhang finden Sie: { $document }.
button-body_no_name =
    Guten Tag,

    im Anhang finden Sie: { $document }.
button-closing =
    Mit freundlichen Grüßen
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } stimmt vermutlich nicht. Ist { $meant } gemeint?
check-recipient_twice = { $address } steht zweimal unter den Empfängern.
check-no_subject = Die E-Mail hat keinen Betreff.
check-no_body = Die E-Mail hat keinen Text.
check-placeholder = { $placeholder } sieht nach einem Platzhalter aus, der nicht ausgefüllt wurde.
check-other_provider = { $sender } ist eine Adresse von { $provider }, aber die E-Mail geht über { $other }: Viele Server halten solche E-Mails für gefälscht. Senden Sie über { $provider } oder von einer anderen Adresse.
check-over_size_limit = Die E-Mail hat { $size }, und { $provider } nimmt höchstens { $limit } an. Verkleinern Sie die Anhänge, oder senden Sie stattdessen einen Link.
check-over_recipient_limit = Die E-Mail hat { $number } Empfänger, und { $provider } erlaubt höchstens { $limit }. Senden Sie sie nacheinander an jeweils einige davon.
check-no_reply_to = Antworten auf diese E-Mail gehen an { $sender }, wo sie wahrscheinlich niemand liest. Geben Sie eine Antwortadresse ein.

## The test mail

test_subject = Test-E-Mail von { $program }
test_body =
    Dies ist eine Test-E-Mail von { $program }.

    Wenn Sie sie lesen können, funktionieren Ihre E-Mail-Einstellungen.

## Progress

step-turn = Warten, bis andere E-Mails gesendet sind
step-sign_in = Anmeldung wird erneuert
step-name = Server suchen
step-connect = Verbinden
step-proxy = Über den Proxy verbinden
step-tls = Verbindung verschlüsseln
step-greeting = Server begrüßen
step-login = Anmelden
step-sender = Absender nennen
step-recipient = Empfänger nennen
step-content = Senden
step-verdict = Auf die Antwort des Servers warten

## What happened

problem-accepted = Der Server hat die E-Mail angenommen.
problem-accepted_partly = Der Server hat die E-Mail für einige Empfänger angenommen und die übrigen Empfänger abgelehnt.
test-accepted = Die Einstellungen funktionieren: Der Server hat eine Test-E-Mail an { $recipient } angenommen.
problem-name_not_found = Der Server { $host } wurde nicht gefunden. Die E-Mail wurde nicht gesendet.
problem-name_lookup_failed = Der Name { $host } konnte nicht nachgeschlagen werden: Es scheint keine Internetverbindung zu bestehen. Die E-Mail wurde nicht gesendet.
problem-no_route = Von diesem Computer führt kein Weg zu { $host }: Das Netzwerk ist ausgefallen oder nicht verbunden. Die E-Mail wurde nicht gesendet.
problem-connection_refused = { $host } hat die Verbindung auf Port { $port } abgelehnt. Die E-Mail wurde nicht gesendet.
step-repair = Andere Ports ausprobieren
problem-connection_failed = Es kam keine Verbindung zu { $host } auf Port { $port } zustande. Die E-Mail wurde nicht gesendet.
problem-timed_out = { $step ->
    [name] Der Name { $host } konnte nicht rechtzeitig nachgeschlagen werden. Die E-Mail wurde nicht gesendet.
    [connect] { $host } antwortet auf Port { $port } nicht. Die E-Mail wurde nicht gesendet.
    [content] { $host } hat nichts mehr angenommen, bevor die E-Mail vollständig war. Sie wurde nicht gesendet.
   *[other] { $host } hat nicht mehr geantwortet. Die E-Mail wurde nicht gesendet.
}
problem-out_of_time = Der Versand hat länger gedauert als erlaubt. Die E-Mail wurde nicht gesendet.
problem-disconnected = { $step ->
    [content] { $host } hat die Verbindung geschlossen, bevor die E-Mail vollständig war. Sie wurde nicht gesendet.
   *[other] { $host } hat die Verbindung geschlossen. Die E-Mail wurde nicht gesendet.
}
problem-name_not_found-proxy = Der Proxy { $proxy } wurde nicht gefunden. Die E-Mail wurde nicht gesendet.
problem-name_lookup_failed-proxy = Der Name des Proxys { $proxy } konnte nicht nachgeschlagen werden: Es scheint keine Netzwerkverbindung zu bestehen. Die E-Mail wurde nicht gesendet.
problem-no_route-proxy = Von diesem Computer führt kein Weg zum Proxy { $proxy }: Das Netzwerk ist ausgefallen oder nicht verbunden. Die E-Mail wurde nicht gesendet.
problem-connection_refused-proxy = Der Proxy { $proxy } hat die Verbindung abgelehnt. Die E-Mail wurde nicht gesendet.
problem-connection_failed-proxy = Es kam keine Verbindung zum Proxy { $proxy } zustande. Die E-Mail wurde nicht gesendet.
problem-timed_out-proxy = { $step ->
    [name] Der Name des Proxys { $proxy } konnte nicht rechtzeitig nachgeschlagen werden. Die E-Mail wurde nicht gesendet.
    [connect] Der Proxy { $proxy } antwortet nicht. Die E-Mail wurde nicht gesendet.
   *[other] Der Proxy { $proxy } hat die Verbindung zu { $host } nicht rechtzeitig hergestellt. Die E-Mail wurde nicht gesendet.
}
problem-disconnected-proxy = Der Proxy { $proxy } hat die Verbindung geschlossen, statt eine zu { $host } herzustellen. Die E-Mail wurde nicht gesendet.
problem-bad_reply-proxy = Die Antwort von { $proxy } ist nicht das, was ein Proxy der eingestellten Art antworten würde. Die E-Mail wurde nicht gesendet.
problem-proxy_login_refused = Der Proxy { $proxy } verlangt einen Benutzernamen und ein Passwort oder andere als die eingestellten. Die E-Mail wurde nicht gesendet.
problem-proxy_failed = Der Proxy { $proxy } hat keine Verbindung zu { $host } auf Port { $port } hergestellt. Die E-Mail wurde nicht gesendet.
problem-bad_reply = Die Antwort von { $host } auf Port { $port } ist nicht die erwartete. Die E-Mail wurde nicht gesendet.

problem-tls_failed = Es kam keine verschlüsselte Verbindung zu { $host } zustande. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-tls_not_spoken = { $host } verwendet auf Port { $port } kein TLS von Anfang an. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-tls_too_old = { $host } kennt nur Verschlüsselung, die zu alt ist, um sicher zu sein. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-tls_not_offered = { $host } bietet auf Port { $port } keine Verschlüsselung an. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-tls_refused = { $host } hat es abgelehnt, die Verschlüsselung zu beginnen. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-bytes_before_tls = Etwas auf dem Weg zu { $host } hat in den Beginn der Verschlüsselung eingegriffen. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_untrusted = Das Zertifikat von { $host } stammt nicht von einer Stelle, der dieser Computer vertraut. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_expired = Das Zertifikat von { $host } ist abgelaufen ({ $expires }). Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_not_yet_valid = Das Zertifikat von { $host } ist noch nicht gültig (erst ab { $begins }). Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_wrong_name = { $names_known ->
    [yes] Das Zertifikat, das { $host } vorzeigt, gehört zu einem anderen Namen ({ $names }). Weder ein Passwort noch die E-Mail wurde gesendet.
   *[other] Das Zertifikat, das { $host } vorzeigt, gilt nicht für diesen Namen. Weder ein Passwort noch die E-Mail wurde gesendet.
}
problem-certificate_invalid = Das Zertifikat von { $host } kann nicht akzeptiert werden. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_changed = { $host } zeigt ein anderes Zertifikat vor als das von Ihnen akzeptierte. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-login_in_clear = Die Verbindung zu { $host } ist nicht verschlüsselt, deshalb wurde das Passwort nicht gesendet. Auch die E-Mail wurde nicht gesendet.
problem-token_in_clear = Die Verbindung zu { $host } ist nicht verschlüsselt, daher wurde die Anmeldung nicht weitergegeben. Die E-Mail wurde nicht gesendet.
problem-login_server_unproven = { $host } hat nicht nachgewiesen, dass dort Ihr Passwort bekannt ist; möglicherweise hat sich jemand dazwischengeschaltet. Weder das Passwort noch die E-Mail wurde gesendet.

problem-encryption_required = { $host } verlangt eine verschlüsselte Verbindung. Die E-Mail wurde nicht gesendet.
problem-login_refused = { $host } hat den Benutzernamen und das Passwort nicht akzeptiert. Die E-Mail wurde nicht gesendet.
problem-login_not_offered = { $host } nimmt auf Port { $port } keine Anmeldung an, es ist aber ein Benutzername eingetragen. Die E-Mail wurde nicht gesendet.
problem-login_unsupported = { $host } bietet keine Anmeldung mit Passwort an, die { $program } kennt. Die E-Mail wurde nicht gesendet.
problem-login_required = { $host } verlangt eine Anmeldung, bevor E-Mails angenommen werden. Die E-Mail wurde nicht gesendet.
problem-token_refused = { $provider } hat die Anmeldung von { $username } nicht zugelassen.
problem-http_unauthorized = Der Webdienst hat den Zugriff abgelehnt. Die E-Mail wurde nicht gesendet.

problem-server_busy = { $host } nimmt von diesem Computer zurzeit keine E-Mails an. Die E-Mail wurde nicht gesendet.
problem-login_deferred = { $host } konnte die Anmeldung zurzeit nicht prüfen. Die E-Mail wurde nicht gesendet.
problem-sender_deferred = { $host } nimmt zurzeit keine E-Mails von { $sender } an. Die E-Mail wurde nicht gesendet.
problem-recipient_deferred = { $host } nimmt zurzeit keine E-Mails für { $recipient } an. Die E-Mail wurde an niemanden gesendet.
problem-recipient_deferred-copy = { $host } nimmt zurzeit keine E-Mails für { $recipient } an, Ihre Adresse für Kopien. Die E-Mail wurde an niemanden gesendet.
problem-content_deferred = { $host } hat die E-Mail zurzeit nicht angenommen. Sie wurde nicht gesendet.
problem-http_busy = Der Webdienst ist zurzeit überlastet. Die E-Mail wurde nicht gesendet.

problem-server_refused = { $host } hat die Kommunikation mit diesem Computer abgelehnt. Die E-Mail wurde nicht gesendet.
problem-sender_refused = { $host } nimmt keine E-Mails von { $sender } an. Die E-Mail wurde nicht gesendet.
problem-recipient_refused = { $host } hat den Empfänger { $recipient } abgelehnt. Die E-Mail wurde an niemanden gesendet.
problem-recipient_refused-copy = { $host } hat { $recipient } abgelehnt, Ihre Adresse für Kopien. Die E-Mail wurde an niemanden gesendet.
problem-content_refused = { $host } hat die E-Mail abgelehnt. Sie wurde nicht gesendet.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] Die E-Mail ist zu groß: Sie hat { $size }, und { $host } nimmt höchstens { $limit } an. Sie wurde nicht gesendet.
   *[other] Die E-Mail ist zu groß für { $host }. Sie wurde nicht gesendet.
}
problem-address_not_supported = { $host } kann eine Adresse nicht verarbeiten, die vor dem @ andere Buchstaben als A bis Z enthält. Die E-Mail wurde nicht gesendet.
problem-http_refused = Der Webdienst hat einen Fehler gemeldet.
problem-http_not_found = Unter dieser Webadresse gibt es keinen E-Mail-Dienst. Die E-Mail wurde nicht gesendet.
problem-http_redirected = Der Webdienst will das Dokument an eine andere Adresse weiterleiten; das geschieht aus Sicherheitsgründen nicht. Die E-Mail wurde nicht gesendet.

problem-file_changed = Die Datei des Dokuments wurde geändert, ersetzt oder gelöscht, bevor die E-Mail vollständig war. Sie wurde nicht gesendet.
problem-file_unreadable = Die Datei des Dokuments konnte nicht gelesen werden. Die E-Mail wurde nicht gesendet.

problem-no_verdict = Die E-Mail wurde vollständig an { $host } gesendet, es ist aber nicht bekannt, ob sie angenommen wurde. Sie kann zugestellt worden sein oder auch nicht und wird nicht von selbst noch einmal gesendet.
problem-canceled = Der Versand wurde abgebrochen. Es wurde nichts gesendet.
problem-internal = In mailbutton ist etwas schiefgegangen. Das ist ein Programmfehler in mailbutton.

# Connecting
problem-no_network = { $host } ist nicht erreichbar, obwohl der Name stimmt: Dieser Computer scheint keine Internetverbindung zu haben. Die E-Mail wurde nicht gesendet.
problem-blocked_on_this_computer = Dieser Computer erlaubt { $program } keine Verbindung zu { $host }. Die E-Mail wurde nicht gesendet.
problem-port_25_blocked = { $host } ist auf Port 25 nicht erreichbar, den die meisten Internetanbieter sperren. Die E-Mail wurde nicht gesendet.
problem-imap_port = Port { $port } von { $host } dient dem Empfangen von E-Mails (IMAP), nicht dem Senden. Die E-Mail wurde nicht gesendet.
problem-pop3_port = Port { $port } von { $host } dient dem Empfangen von E-Mails (POP3), nicht dem Senden. Die E-Mail wurde nicht gesendet.
problem-web_port = Port { $port } von { $host } ist für Webseiten da, nicht für das Senden von E-Mails. Die E-Mail wurde nicht gesendet.
problem-not_a_mail_server = Was auf Port { $port } von { $host } antwortet, ist kein Mailserver. Die E-Mail wurde nicht gesendet.
problem-tls_from_the_start = { $host } erwartet auf Port { $port } Verschlüsselung von Anfang an, und die Einstellungen beginnen ohne sie. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-clear_at_the_start = { $host } beginnt auf Port { $port } ohne Verschlüsselung und schaltet später um (STARTTLS), und die Einstellungen verschlüsseln von Anfang an. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-port_closed = { $host } hat die Verbindung auf Port { $port } abgelehnt, was für { $provider } ungewöhnlich ist: Möglicherweise wird sie auf dem Weg blockiert. Die E-Mail wurde nicht gesendet.
problem-port_silent = { $host } antwortet auf Port { $port } nicht: Vielleicht ist es ein anderer Port, oder etwas auf dem Weg blockiert ihn. Die E-Mail wurde nicht gesendet.
problem-greeting_missing = { $host } hat die Verbindung auf Port { $port } angenommen und dann nichts gesagt. Die E-Mail wurde nicht gesendet.
problem-cut_off = Die Verbindung zu { $host } auf Port { $port } wurde gleich zu Beginn abgebrochen. Die E-Mail wurde nicht gesendet.
problem-queue_too_long = Diese E-Mail hat zu lange auf die anderen vor ihr gewartet. Sie wurde nicht gesendet.

# Encryption
problem-starttls_hidden = Etwas auf dem Weg zu { $host } verbirgt die Verschlüsselung, die der Server anbietet. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-tls_not_ready = { $host } kann die Verbindung zurzeit nicht verschlüsseln. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-starttls_broken = { $host } war mit der Verschlüsselung einverstanden und hat sie dann nicht begonnen. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-client_certificate_wanted = { $host } lässt nur Programme zu, die ein eigenes Zertifikat vorzeigen. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-intercepted_by_antivirus = Ein Antivirenprogramm ({ $issuer }) hat die verschlüsselte Verbindung zu { $host } geöffnet und sein eigenes Zertifikat eingesetzt. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-intercepted_by_firewall = Die Firewall dieses Netzwerks ({ $issuer }) hat die verschlüsselte Verbindung zu { $host } geöffnet und ihr eigenes Zertifikat eingesetzt. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-captive_portal = Anstelle von { $host } hat ein Gerät dieses Netzwerks geantwortet: Das Netzwerk verlangt wahrscheinlich, dass Sie sich zuerst anmelden. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-clock_wrong = Das Zertifikat von { $host } passt nicht zum Datum dieses Computers, das möglicherweise nicht stimmt. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_not_the_providers = Das empfangene Zertifikat ist nicht das von { $provider }: Etwas zwischen diesem Computer und { $host } hat sein eigenes eingesetzt. Weder ein Passwort noch die E-Mail wurde gesendet.
problem-certificate_self_signed = { $host } zeigt ein selbst signiertes Zertifikat vor, für das niemand sonst bürgt. Weder ein Passwort noch die E-Mail wurde gesendet.

# Login
problem-sign_in_blocked = { $host } verlangt, dass Sie die Anmeldung zuerst in einem Webbrowser bestätigen. Die E-Mail wurde nicht gesendet.
problem-smtp_auth_off_tenant = In Ihrer Organisation ist das Senden mit Passwort („Authentifiziertes SMTP“) in Microsoft 365 ausgeschaltet. Die E-Mail wurde nicht gesendet.
problem-smtp_auth_off_mailbox = Das Senden mit Passwort („Authentifiziertes SMTP“) ist für dieses Postfach in Microsoft 365 ausgeschaltet. Die E-Mail wurde nicht gesendet.
problem-password_login_over = { $host } lässt die Anmeldung von Programmen mit einem Passwort nicht mehr zu. Die E-Mail wurde nicht gesendet.
problem-blocked_by_sign_in_rules = Eine Sicherheitsregel Ihrer Organisation erlaubt diese Anmeldung nicht. Die E-Mail wurde nicht gesendet.
problem-account_locked = { $host } meldet, dass dieses Konto gesperrt ist. Die E-Mail wurde nicht gesendet.
problem-password_expired = { $host } meldet, dass das Passwort abgelaufen ist. Die E-Mail wurde nicht gesendet.
problem-sign_in_scope = Die Anmeldung bei { $host } erlaubt { $program } nicht, E-Mails zu senden. Die E-Mail wurde nicht gesendet.
problem-sign_in_again = { $host } akzeptiert die Anmeldung von { $username } nicht mehr. Die E-Mail wurde nicht gesendet.
problem-sign_in_refused = { $host } hat die Anmeldung von { $username } nicht akzeptiert. Die E-Mail wurde nicht gesendet.
problem-sign_in_expired = Die Anmeldung von { $username } bei { $provider } ist abgelaufen.
problem-sign_in_denied = Die Anmeldung wurde auf der Seite von { $provider } abgelehnt.
problem-sign_in_busy = Die Anmeldung bei { $provider } ist zurzeit nicht verfügbar.
problem-sign_in_needs_admin = Ein Administrator muss { $program } bei { $provider } zuerst zulassen.
problem-sign_in_against_rules = Eine Sicherheitsregel Ihrer Organisation lässt diese Anmeldung bei { $provider } nicht zu.
problem-program_not_known = { $provider } kennt { $program } nicht so, wie es sich ausweist.
problem-sign_in_abandoned = Die Anmeldung wurde nicht rechtzeitig abgeschlossen.
problem-sign_in_other_account = Angemeldet hat sich { $account }, die Einstellungen sind aber für { $username }.
problem-sign_in_no_listener = { $program } kann das Ende der Anmeldung auf diesem Computer nicht empfangen.
problem-sign_in_clock = { $provider } hat die Anmeldung nicht erlaubt, weil Datum oder Uhrzeit dieses Computers von der eigenen abweicht.
problem-program_not_verified = { $provider } hat { $program } noch nicht überprüft und lässt nur wenige Personen sich damit anmelden.
problem-gmail_app_password = { $provider } hat die Anmeldung nicht akzeptiert: Hier wird ein App-Passwort verlangt, nicht das Passwort Ihres Google-Kontos. Die E-Mail wurde nicht gesendet.
problem-yahoo_app_password = { $provider } hat die Anmeldung nicht akzeptiert: Hier wird ein App-Passwort verlangt, nicht das Passwort für die Website. Die E-Mail wurde nicht gesendet.
problem-icloud_app_password = { $provider } hat die Anmeldung nicht akzeptiert: Hier wird ein App-spezifisches Passwort verlangt, nicht das Passwort Ihres Apple Accounts. Die E-Mail wurde nicht gesendet.
problem-too_many_logins = { $host } nimmt eine Zeit lang keine Anmeldungen mehr an, weil es zu viele waren. Die E-Mail wurde nicht gesendet.
problem-app_password_required = { $host } hat die Anmeldung nicht akzeptiert: Hier wird ein App-Passwort verlangt, nicht das Passwort für die Website. Die E-Mail wurde nicht gesendet.
problem-access_for_programs_off = { $host } hat die Anmeldung nicht akzeptiert: Der Zugriff für E-Mail-Programme ist für dieses Postfach möglicherweise ausgeschaltet. Die E-Mail wurde nicht gesendet.
problem-ip_not_allowed = { $host } erlaubt keine Anmeldungen von der Internetadresse dieses Computers. Die E-Mail wurde nicht gesendet.
problem-key_username = { $provider } hat die Anmeldung nicht akzeptiert: Der Benutzername ist dort das Wort apikey, und das Passwort ist ein Schlüssel. Die E-Mail wurde nicht gesendet.
problem-key_refused = { $provider } hat den Benutzernamen und den Schlüssel nicht akzeptiert. Die E-Mail wurde nicht gesendet.
problem-password_login_ending = { $provider } hat die Anmeldung nicht akzeptiert: Die Anmeldung mit Passwort wird dort abgeschaltet und ist es für dieses Postfach möglicherweise schon. Die E-Mail wurde nicht gesendet.
problem-full_address_needed = { $host } hat die Anmeldung nicht akzeptiert: Der Benutzername ist meist die vollständige E-Mail-Adresse. Die E-Mail wurde nicht gesendet.
problem-password_or_app_password = { $provider } hat den Benutzernamen und das Passwort nicht akzeptiert: Bei Bestätigung in zwei Schritten wird hier ein App-Passwort verlangt. Die E-Mail wurde nicht gesendet.
problem-port_25_without_login = { $host } nimmt auf Port 25, der für E-Mails zwischen Servern da ist, keine Anmeldung an. Die E-Mail wurde nicht gesendet.
problem-login_needs_encryption = { $host } nimmt ohne Verschlüsselung keine Anmeldung an. Die E-Mail wurde nicht gesendet.
problem-only_sign_in_offered = { $host } nimmt von Programmen keine Passwörter an, nur eine Anmeldung im Webbrowser. Die E-Mail wurde nicht gesendet.
problem-sign_in_not_offered = { $host } nimmt keine Anmeldung der Art an, die { $program } kennt. Die E-Mail wurde nicht gesendet.

# Limits
problem-too_many_connections = { $host } hat zu viele gleichzeitige Verbindungen von diesem Konto oder Computer. Die E-Mail wurde nicht gesendet.
problem-recipient_gets_too_many = { $recipient } erhält zurzeit mehr E-Mails, als der Anbieter dieser Adresse annimmt. Die E-Mail wurde nicht gesendet.
problem-daily_limit = Die Anzahl der E-Mails, die { $host } pro Tag oder Monat von diesem Konto annimmt, ist aufgebraucht. Die E-Mail wurde nicht gesendet.
problem-rate_limited = { $host } nimmt eine Zeit lang keine E-Mails mehr von diesem Konto an, weil es viele in kurzer Zeit waren. Die E-Mail wurde nicht gesendet.
problem-greylisted = { $host } lässt eine erste E-Mail einige Minuten warten, um Spam fernzuhalten. Die E-Mail wurde noch nicht gesendet.

# The sender
problem-own_mailbox_full = Ihr eigenes Postfach ist voll, deshalb nimmt { $host } keine E-Mails von Ihnen an. Die E-Mail wurde nicht gesendet.
problem-account_blocked = { $host } hat dieses Konto für das Senden gesperrt. Die E-Mail wurde nicht gesendet.
problem-sender_not_verified = { $host } sendet nur von Adressen, die dort bestätigt wurden, und { $sender } gehört nicht dazu. Die E-Mail wurde nicht gesendet.
problem-test_mode = Das Konto bei { $host } ist noch im Testmodus, in dem es nur an bestätigte Adressen sendet. Die E-Mail wurde nicht gesendet.
problem-sender_not_allowed = { $host } lässt diese Anmeldung nicht von { $sender } senden. Die E-Mail wurde nicht gesendet.
problem-sender_domain_unknown = { $host } kennt den Teil von { $sender } nach dem @ nicht. Die E-Mail wurde nicht gesendet.
problem-sender_domain_protected = Die Domain von { $sender } erlaubt { $host } nicht, für sie zu senden (SPF, DKIM oder DMARC). Die E-Mail wurde nicht gesendet.
problem-sent_from_home = { $host } nimmt keine E-Mails direkt von einem gewöhnlichen Internetanschluss an. Die E-Mail wurde nicht gesendet.
problem-blocklisted = Die Internetadresse, von der diese E-Mail kam, steht auf einer Liste von Spam-Absendern. Die E-Mail wurde nicht gesendet.
problem-hello_refused = { $host } hat den Namen nicht akzeptiert, mit dem sich dieser Computer vorgestellt hat. Die E-Mail wurde nicht gesendet.
problem-login_needed_to_send = { $host } nimmt diese E-Mail nur nach einer Anmeldung an, und es ist kein Benutzername eingetragen. Die E-Mail wurde nicht gesendet.
problem-relay_denied = { $host } leitet keine E-Mails von { $sender } an andere Anbieter weiter. Die E-Mail wurde nicht gesendet.

# The recipients
problem-too_many_recipients = { $host } nimmt keine E-Mail mit so vielen Empfängern an. Die E-Mail wurde an niemanden gesendet.
problem-mailbox_full = Das Postfach von { $recipient } ist voll. Die E-Mail wurde an niemanden gesendet.
problem-recipient_disabled = Das Postfach von { $recipient } nimmt zurzeit keine E-Mails an. Die E-Mail wurde an niemanden gesendet.
problem-recipient_domain_unknown = Kein Mailserver nimmt E-Mails für { $recipient } an: Den Teil nach dem @ gibt es nicht, oder er ist nicht für E-Mails eingerichtet. Die E-Mail wurde an niemanden gesendet.
problem-recipient_malformed = { $host } akzeptiert { $recipient } nicht als E-Mail-Adresse. Die E-Mail wurde an niemanden gesendet.
problem-recipient_unknown = { $recipient } gibt es nicht, meldet { $host }. Die E-Mail wurde an niemanden gesendet.

# The content
problem-virus_found = { $host } vermutet ein Virus in der E-Mail. Sie wurde nicht gesendet.
problem-attachment_blocked = { $host } nimmt keinen Anhang dieser Art an. Die E-Mail wurde nicht gesendet.
problem-spam_block = { $host } hält diese E-Mail für Spam. Sie wurde nicht gesendet.
problem-policy_block = Eine Regel von { $host } erlaubt diese E-Mail nicht. Sie wurde nicht gesendet.

# The server
problem-server_full = { $host } hat zurzeit keinen Platz für weitere E-Mails. Die E-Mail wurde nicht gesendet.
problem-server_trouble = { $host } hat zurzeit selbst eine Störung. Die E-Mail wurde nicht gesendet.

# The web service
problem-relay_forbidden = Der Webdienst kennt dieses Zugriffstoken und erlaubt ihm das Senden nicht. Die E-Mail wurde nicht gesendet.
problem-relay_rate_limited = Der Webdienst nimmt eine Zeit lang keine E-Mails mehr an, weil es viele in kurzer Zeit waren. Die E-Mail wurde nicht gesendet.
problem-relay_gateway = Der Webdienst ist hinter seiner Adresse nicht erreichbar. Die E-Mail wurde nicht gesendet.
problem-not_a_relay = Was unter dieser Webadresse antwortet, ist kein E-Mail-Dienst. Die E-Mail wurde nicht gesendet.
problem-network_wants_sign_in = Dieses Netzwerk verlangt, dass Sie sich anmelden, bevor es etwas durchlässt. Die E-Mail wurde nicht gesendet.
problem-relay_account = Der Webdienst verlangt, dass zuerst das Konto dort in Ordnung gebracht wird, zum Beispiel durch eine Zahlung. Die E-Mail wurde nicht gesendet.
problem-relay_rejects_email = Der Webdienst nimmt die E-Mail so, wie sie ist, nicht an. Sie wurde nicht gesendet.
problem-relay_broken = Der Webdienst hat selbst eine Störung. Die E-Mail wurde nicht gesendet.
problem-gateway_lost_answer = Die E-Mail wurde vollständig an { $host } gesendet, aber der Webdienst dahinter hat nicht geantwortet. Sie kann zugestellt worden sein oder auch nicht und wird nicht von selbst noch einmal gesendet.

## What to do: each begins with what to do

advice-check_host = Prüfen Sie den Namen des Servers auf Tippfehler, oder schlagen Sie ihn auf den Hilfeseiten Ihres Anbieters nach.
advice-check_host_and_port = Prüfen Sie den Namen des Servers und den Port auf den Hilfeseiten Ihres Anbieters; üblich sind die Ports 587 und 465.
advice-check_internet = Prüfen Sie, ob dieser Computer mit dem Internet verbunden ist, zum Beispiel indem Sie eine Webseite öffnen.
advice-check_proxy = Prüfen Sie den Proxy { $proxy } in den Einstellungen von { $program }, oder fragen Sie die Person, die ihn eingerichtet hat.
advice-check_proxy_login = Prüfen Sie den Benutzernamen und das Passwort für den Proxy { $proxy } in den Einstellungen von { $program }.
advice-ask_proxy = Bitten Sie die Person, die den Proxy { $proxy } betreut, Verbindungen zu { $host } auf Port { $port } zu erlauben, und zeigen Sie ihr diese Meldung.
advice-firewall = Prüfen Sie, ob eine Firewall oder ein Antivirenprogramm { $program } blockiert, indem Sie es dort zulassen oder den E-Mail-Schutz für einen Test anhalten.
advice-other_program = Versuchen Sie dieselben Einstellungen in Thunderbird: Schlagen sie auch dort fehl, liegt es an den Einstellungen oder am Anbieter; funktionieren sie dort, blockiert etwas { $program }.
advice-other_network = Versuchen Sie es in einem anderen Netzwerk, zum Beispiel über den Hotspot Ihres Smartphones.
advice-try_again = Versuchen Sie es in einer Minute noch einmal.
advice-fewer_at_once = Senden Sie weniger E-Mails auf einmal, oder warten Sie, bis die anderen gesendet sind.
advice-try_later = Versuchen Sie es später noch einmal; wann, steht möglicherweise im Wortlaut der Serverantwort.
advice-check_limits = Prüfen Sie, wie viele E-Mails Ihr Anbieter pro Stunde und pro Tag erlaubt.
advice-port_25_blocked = Verwenden Sie Port 587 statt 25, den die meisten Internetanbieter sperren.
advice-mode_of_465 = Stellen Sie die Verschlüsselung auf Automatisch: Port 465 verwendet TLS von Anfang an.
advice-try_auto = Stellen Sie die Verschlüsselung auf Automatisch, und versuchen Sie es noch einmal.
advice-mode_of_587 = Stellen Sie die Verschlüsselung auf Automatisch: Port { $port } beginnt unverschlüsselt und schaltet mit STARTTLS um.
advice-try_587 = Verwenden Sie Port 587 mit automatischer Verschlüsselung.
advice-try_465 = Verwenden Sie Port 465 mit automatischer Verschlüsselung.
advice-ask_provider = Fragen Sie Ihren Anbieter oder Administrator, und zeigen Sie ihm diese Meldung.
advice-server_must_update = Bitten Sie den Administrator des Servers, TLS 1.2 oder 1.3 zu aktivieren.
advice-other_server = Verwenden Sie einen anderen Mailserver, falls Ihr Anbieter einen hat.
advice-check_clock = Prüfen Sie Datum und Uhrzeit dieses Computers.
advice-renew_certificate = Bitten Sie den Administrator des Servers, das Zertifikat zu erneuern.
advice-accept_certificate = Akzeptieren Sie dieses Zertifikat, aber nur, wenn es Ihr eigener Server ist und der Fingerabdruck mit dem übereinstimmt, den Ihnen der Administrator nennt.
advice-use_what_works = Verwenden Sie Port { $port } mit automatischer Verschlüsselung: Er wurde gerade ausprobiert, und { $host } antwortet dort.
advice-use_what_works-auto = Stellen Sie die Verschlüsselung auf Automatisch: Sie wurde gerade auf Port { $port } ausprobiert, und { $host } antwortet.
advice-use_what_works-tls = Stellen Sie die Verschlüsselung auf TLS von Anfang an: Sie wurde gerade auf Port { $port } ausprobiert, und { $host } antwortet.
advice-compare_certificate = Fragen Sie den Administrator des Servers, ob das Zertifikat erneuert wurde, und vergleichen Sie den Fingerabdruck, bevor Sie es akzeptieren.
advice-use_certificate_name = Verwenden Sie den Server { $certificate_name } und geben Sie das Passwort erneut ein, aber nur, wenn dieser Server Ihrem Anbieter gehört.
advice-intercepted = Schalten Sie die E-Mail-Prüfung des Antivirenprogramms aus: Es setzt sein eigenes Zertifikat an die Stelle des Zertifikats von { $provider }.
advice-use_tls = Stellen Sie die Verschlüsselung auf Automatisch.
advice-allow_insecure_login = Erlauben Sie das unverschlüsselte Passwort nur, wenn der Server in Ihrem eigenen Netzwerk steht und keine Verschlüsselung hat.

advice-app_password-gmail = Verwenden Sie ein App-Passwort: Aktivieren Sie in Ihrem Google-Konto unter „Sicherheit“ die Bestätigung in zwei Schritten, öffnen Sie dann „App-Passwörter“, erstellen Sie eines für { $program }, und geben Sie es hier anstelle Ihres normalen Passworts ein.
advice-app_password-yahoo = Verwenden Sie ein App-Passwort: Öffnen Sie die Seite „Kontosicherheit“ von Yahoo (login.yahoo.com/account/security), wählen Sie „App-Passwort generieren“, dann „Andere App“, geben Sie { $program } ein, klicken Sie auf „Generieren“, und kopieren Sie es in das Passwortfeld.
advice-app_password-icloud = Verwenden Sie ein App-spezifisches Passwort: Melden Sie sich bei account.apple.com an, öffnen Sie „Anmelden und Sicherheit“, wählen Sie „App-spezifische Passwörter“, erstellen Sie eines für { $program }, und geben Sie es hier anstelle Ihres normalen Passworts ein.
advice-app_password = Verwenden Sie ein App-Passwort, da { $provider } Ihr normales Passwort hier nicht akzeptiert: Wie Sie eines erstellen, steht auf den Hilfeseiten des Anbieters.
advice-app_password-two_steps = Verwenden Sie ein App-Passwort, wenn bei { $provider } die Bestätigung in zwei Schritten aktiviert ist: Wie Sie eines erstellen, steht auf den Hilfeseiten des Anbieters.
advice-app_password-any = Verwenden Sie ein App-Passwort, wenn Ihr Anbieter eine Bestätigung in zwei Schritten hat: Er akzeptiert dann Ihr normales Passwort hier nicht.
advice-password_login_off = Bitten Sie Ihren Administrator, die Anmeldung mit Passwort für dieses Postfach zu erlauben („Authentifiziertes SMTP“): { $provider } schaltet sie ab, und ohne sie funktioniert hier kein Passwort.
advice-other_account = Verwenden Sie ein anderes E-Mail-Konto zum Senden: { $provider } lässt die Anmeldung von Programmen mit einem Passwort nicht mehr zu.
advice-full_address = Verwenden Sie Ihre vollständige E-Mail-Adresse als Benutzernamen: Die meisten Anbieter verlangen sie.
advice-check_key = Prüfen Sie den Benutzernamen und den Schlüssel: { $provider } verlangt einen Schlüssel, den Sie auf der Website des Anbieters erstellen, nicht das Passwort, mit dem Sie sich dort anmelden.
advice-check_login = Prüfen Sie den Benutzernamen und das Passwort, indem Sie sich auf der Website Ihres Anbieters anmelden.
advice-login_off = Leeren Sie das Feld für den Benutzernamen, wenn dieser Server keine Anmeldung braucht.
advice-enter_login = Geben Sie den Benutzernamen und das Passwort Ihres E-Mail-Kontos ein.
advice-check_token = Prüfen Sie das Zugriffstoken, das Sie vom Betreiber des Webdienstes erhalten haben.
advice-check_sender = Senden Sie von der Adresse, zu der das Konto gehört, oder lassen Sie { $sender } vom Anbieter als Alias zulassen.
advice-check_recipient = Prüfen Sie die Adresse des Empfängers auf Tippfehler.
advice-check_relay = Geben Sie den Benutzernamen und das Passwort Ihres E-Mail-Kontos ein: Ohne Anmeldung nehmen die meisten Server nur E-Mails für ihre eigenen Benutzer an.
advice-check_content = Prüfen Sie die E-Mail auf das, was der Server in seiner Antwort im Wortlaut beanstandet.
advice-make_smaller = Verkleinern Sie die Anhänge, oder senden Sie sie in mehreren E-Mails.
advice-send_link = Senden Sie stattdessen einen Link zum Dokument.
advice-plain_address = Bitten Sie den Empfänger um eine Adresse, die nur die Buchstaben A bis Z enthält, oder verwenden Sie einen Anbieter, der solche Adressen unterstützt.
advice-check_url = Prüfen Sie die Adresse des Webdienstes zusammen mit dessen Betreiber.
advice-ask_relay = Fragen Sie den Betreiber des Webdienstes, und zeigen Sie ihm diese Meldung.
advice-complete_file = Senden Sie die E-Mail noch einmal, sobald die Datei des Dokuments vollständig ist und nichts mehr in sie schreibt.
advice-check_file = Prüfen Sie, ob sich die Datei des Dokuments öffnen lässt, und senden Sie die E-Mail noch einmal.
advice-ask_recipient = Fragen Sie den Empfänger, ob die E-Mail angekommen ist, bevor Sie sie noch einmal senden.
advice-look_in_sent = Sehen Sie im Ordner „Gesendet“ Ihres Postfachs nach: Viele Anbieter legen dort eine Kopie der gesendeten E-Mails ab.
advice-report_bug = Melden Sie dies dem Hersteller von { $program }.

advice-use_sending_port = Verwenden Sie den Server für das Senden mit Port 587 und automatischer Verschlüsselung; sein Name beginnt oft mit smtp.
advice-use_sending_server = Verwenden Sie den Server von { $provider } für das Senden, { $sending_host }, auf Port { $sending_port }.
advice-try_tls = Stellen Sie die Verschlüsselung auf TLS von Anfang an.
advice-intercepted-host = Schalten Sie die E-Mail-Prüfung des Antivirenprogramms aus, oder nehmen Sie { $host } davon aus: Es setzt sein eigenes Zertifikat an die Stelle des Serverzertifikats.
advice-ask_network = Bitten Sie die Person, die dieses Netzwerk betreut, Verbindungen zu { $host } ungeöffnet durchzulassen.
advice-sign_in_network = Öffnen Sie eine beliebige Webseite in einem Browser, melden Sie sich in diesem Netzwerk an, und testen Sie dann noch einmal.
advice-sign_in_browser = Melden Sie sich in einem Webbrowser bei Ihrem Postfach an, bestätigen Sie, dass der Anmeldeversuch von Ihnen kam, und testen Sie noch einmal.
advice-sign_in_again = Melden Sie sich noch einmal an.
advice-sign_in_consent = Melden Sie sich noch einmal an, und erlauben Sie { $program } auf Nachfrage, E-Mails zu senden.
advice-check_sign_in = Prüfen Sie, ob das angemeldete Konto als { $username } senden darf.
advice-use_password = Wählen Sie die Anmeldung mit Benutzername und Passwort.
advice-allow_program = Bitten Sie Ihren Administrator, { $program } das Senden von E-Mails zu erlauben, und zeigen Sie ihm diese Meldung.
advice-register_program = Bitten Sie den Hersteller von { $program } zu prüfen, wie das Programm bei { $provider } registriert ist, und zeigen Sie ihm diese Meldung.
advice-sign_in_as = Melden Sie sich noch einmal an und wählen Sie auf der Seite von { $provider } das Konto { $username }.
advice-use_signed_in_account = Senden Sie stattdessen als { $account }.
advice-restart_and_sign_in = Melden Sie sich noch einmal an, nachdem Sie den Computer neu gestartet haben.
advice-verify_program = Bitten Sie den Hersteller von { $program }, das Programm von { $provider } überprüfen zu lassen.
advice-verify_program-weekly = Bitten Sie den Hersteller von { $program }, das Programm von { $provider } überprüfen zu lassen, wenn Sie sich jede Woche neu anmelden müssen.
advice-verify_program-blocked = Bitten Sie den Hersteller von { $program }, das Programm von { $provider } überprüfen zu lassen, wenn die Seite es als gesperrt oder nicht überprüft bezeichnet hat.
advice-sign_in_instead = Melden Sie sich bei { $provider } an, statt ein Passwort zu verwenden.
advice-sign_in_instead-unregistered = Bitten Sie den Hersteller von { $program }, das Programm bei { $provider } zu registrieren, damit Sie sich ohne Passwort anmelden können.
advice-allow_smtp_auth-tenant = Bitten Sie Ihren Administrator, „Authentifiziertes SMTP“ in Microsoft 365 für Ihre Organisation oder nur für dieses Postfach einzuschalten.
advice-allow_smtp_auth-mailbox = Bitten Sie Ihren Administrator, „Authentifiziertes SMTP“ für dieses Postfach einzuschalten: im Microsoft 365 Admin Center unter „Aktive Benutzer“, beim Benutzer unter „E-Mail“, „E-Mail-Apps verwalten“.
advice-other_account-any = Verwenden Sie zum Senden ein anderes E-Mail-Konto, bei dem sich Programme mit einem Passwort anmelden dürfen.
advice-ask_administrator = Bitten Sie Ihren Administrator um einen Server, über den Programme senden dürfen, und zeigen Sie ihm diese Meldung.
advice-allow_in_rules = Bitten Sie Ihren Administrator, dieses Postfach von der Regel auszunehmen, die die Anmeldung mit Passwort blockiert (Sicherheitsstandards oder bedingter Zugriff).
advice-unlock_account = Melden Sie sich auf der Website Ihres Anbieters an, um das Konto zu entsperren.
advice-renew_password = Ändern Sie das Passwort auf der Website Ihres Anbieters, und geben Sie hier das neue ein.
advice-switch_access_on = Schalten Sie den Zugriff für E-Mail-Programme (POP3, IMAP, SMTP) in den Einstellungen Ihres Postfachs auf der Website Ihres Anbieters ein.
advice-allow_ip = Fügen Sie die Internetadresse dieses Computers in Ihrem Konto auf der Website des Anbieters zu den erlaubten Adressen hinzu.
advice-use_username_apikey = Verwenden Sie das Wort apikey als Benutzernamen und einen bei { $provider } erstellten Schlüssel als Passwort.
advice-use_login_port = Verwenden Sie Port 587 mit automatischer Verschlüsselung und den Anmeldedaten Ihres E-Mail-Kontos.
advice-wait-seconds = { $count ->
    [one] Versuchen Sie es in { $count } Sekunde noch einmal.
   *[other] Versuchen Sie es in { $count } Sekunden noch einmal.
}
advice-wait-minutes = { $count ->
    [one] Versuchen Sie es in { $count } Minute noch einmal.
   *[other] Versuchen Sie es in { $count } Minuten noch einmal.
}
advice-wait-hours = { $count ->
    [one] Versuchen Sie es in { $count } Stunde noch einmal.
   *[other] Versuchen Sie es in { $count } Stunden noch einmal.
}
advice-try_tomorrow = Versuchen Sie es morgen noch einmal, oder bitten Sie Ihren Anbieter um ein höheres Limit.
advice-open_link = Öffnen Sie die Seite, die der Server nennt: Dort steht der Grund und was sich tun lässt.
advice-other_programs = Schließen Sie andere Programme und Geräte, die über dasselbe Konto senden, oder warten Sie, bis sie fertig sind.
advice-ask_recipient_other_address = Bitten Sie den Empfänger um eine andere Adresse, zum Beispiel telefonisch.
advice-free_space = Löschen Sie alte E-Mails in Ihrem eigenen Postfach, auch gesendete, oder bitten Sie Ihren Anbieter um mehr Speicherplatz.
advice-verify_sender = Bestätigen Sie { $sender } auf der Website Ihres Anbieters als Absender, oder senden Sie von einer Adresse, die dort bestätigt ist.
advice-leave_test_mode = Bitten Sie den Anbieter, den Testmodus Ihres Kontos zu beenden, oder senden Sie nur an Adressen, die dort bestätigt sind.
advice-check_sender_domain = Prüfen Sie den Teil nach dem @ in { $sender } auf Tippfehler.
advice-ask_domain = Bitten Sie die Person, die die Domain von { $sender } betreut, { $host } das Senden für sie zu erlauben, oder senden Sie über den Server dieser Domain.
advice-ask_program = Bitten Sie den Hersteller von { $program }, einen richtigen Namen für diesen Computer einzustellen.
advice-check_copy = Prüfen Sie die Adresse für Kopien in den Einstellungen.
advice-fewer_recipients = Senden Sie die E-Mail an weniger Empfänger auf einmal.
advice-tell_recipient_full = Teilen Sie dem Empfänger auf anderem Weg mit, dass das Postfach voll ist, und senden Sie die E-Mail später noch einmal.
advice-check_domain = Prüfen Sie den Teil nach dem @ in { $recipient } auf Tippfehler.
advice-scan_files = Prüfen Sie die Anhänge mit einem Antivirenprogramm, bevor Sie sie an jemanden senden.
advice-remove_attachment = Lassen Sie den Anhang weg, der kein Dokument ist, etwa ein Programm oder ein Archiv.
advice-change_words = Formulieren Sie Betreff und Text anders und ohne Links, und senden Sie die E-Mail noch einmal.

## The words of a user interface around the form and the email

word-settings_title = E-Mail-Einstellungen
word-loading = Wird geladen …
word-saved = Die Einstellungen sind gespeichert.
word-try_again = Erneut versuchen
word-no_answer = { $program } antwortet nicht. Es wurde nichts geändert.
word-connection_lost = Die Verbindung zu { $program } ist abgebrochen. Versuchen Sie es erneut, um zu sehen, wie es weiterging.
word-end_unknown = { $program } weiß nicht, wie es ausgegangen ist. Fragen Sie den Empfänger, ob die E-Mail angekommen ist, bevor Sie sie noch einmal senden.
word-other_version = Ein Teil dieses Formulars ist neuer als diese Seite und kann nicht vollständig gezeigt werden.
word-required = erforderlich
word-show_password = Anzeigen
word-hide_password = Verbergen
word-use_proposal = Diese Einstellungen verwenden
word-provider_steps = So richten Sie { $provider } ein
word-open_page = Seite öffnen
word-testing = Wird getestet …
word-cancel = Abbrechen
word-canceling = Wird abgebrochen …
word-close = Schließen
word-step_ok = erledigt
word-step_failed = fehlgeschlagen
word-step_skipped = nicht erreicht
word-what_to_do = Was zu tun ist
word-apply = Übernehmen
word-apply_and_test = Übernehmen und erneut testen
word-server_said = Der Server sagte
word-details = Einzelheiten
word-certificate = Zertifikat
word-certificate_subject = Ausgestellt für
word-certificate_issuer = Ausgestellt von
word-certificate_valid = Gültig
word-certificate_names = Namen
word-certificate_fingerprint = SHA-256-Fingerabdruck
word-accept_certificate = Akzeptieren und erneut testen
word-signed_in_as = Angemeldet als { $account }
word-sign_in_waiting = Warten auf die Anmeldung im Browser …
word-sign_in_open = Anmeldeseite öffnen
word-sign_in_code = Geben Sie dort diesen Code ein
word-email_title = Per E-Mail senden
word-to = An
word-cc = Cc
word-bcc = Bcc
word-show_cc_bcc = Cc und Bcc
word-addresses_help = Mehrere Adressen werden durch Kommas getrennt.
word-subject = Betreff
word-message = Nachricht
word-write = Schreiben
word-preview = Vorschau
word-markdown_help = **Fett**, *kursiv*, Listen und [Links](https://example.com) sind möglich.
word-document = Dokument
word-attachments = Anhänge
word-add_attachment = Datei hinzufügen
word-remove_attachment = { $file } entfernen
word-send = Senden
word-sending = Wird gesendet …
word-before_sending = Bevor Sie senden
word-send_anyway = Trotzdem senden
word-recipient = Empfänger
word-outcome = Ergebnis
word-outcome_accepted = angenommen
word-outcome_refused = abgelehnt
word-outcome_deferred = jetzt nicht
word-outcome_not_sent = nicht gesendet
word-outcome_uncertain = ungewiss
word-discard_question = Ohne Senden schließen? Das Geschriebene geht verloren.
word-discard = Ohne Senden schließen
word-keep_editing = Weiter bearbeiten
