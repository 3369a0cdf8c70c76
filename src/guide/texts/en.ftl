### Every text that reaches a person, in English. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Sending
field-protocol = Send through
choice-protocol-smtp = My email provider (SMTP)
choice-protocol-http = A web service (HTTP relay)
help-protocol = Most people choose their email provider.
field-http_server = Web service address
help-http_server = The address that the operator of the web service gave you.
placeholder-http_server = https://email.example.com/
field-http_token = Access token
help-http_token = Only if the operator of the web service gave you one.
field-smtp_host = SMTP server
help-smtp_host = The name of your provider's outgoing mail server, for example smtp.gmail.com, smtp.mail.yahoo.com or smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Port
help-smtp_port = 465 and 587 are the usual ones. Your provider's help pages say which.
placeholder-smtp_port = 587
field-smtp_security = Encryption
help-smtp_security = Automatic fits nearly every server: TLS on port 465, STARTTLS on every other port. A connection that cannot be encrypted is not used.
choice-smtp_security-auto = Automatic (recommended)
choice-smtp_security-tls = TLS from the start (usual on port 465)
choice-smtp_security-starttls = STARTTLS (usual on port 587)
choice-smtp_security-none = None: everything travels readable
field-allow_insecure_login = Send my password unencrypted
help-allow_insecure_login = Anyone on the way to the server can then read the password. Only for a server on your own network.
field-auth = Log in with
choice-auth-password = Username and password
choice-auth-oauth2 = Sign-in with the provider (OAuth 2.0)
help-auth = Some providers, such as Microsoft 365, let programs send only after a sign-in on their own page.
field-username = Username
help-username = Often your full email address. Leave it empty if the server wants no login.
placeholder-username = name@example.com
field-mailbox = Other mailbox
help-mailbox = Only if you send from another mailbox than your own, for example a shared one. Your own account still signs in.
placeholder-mailbox = office@example.com
field-email_address = Email address
help-email_address = The address that your emails are sent from.
placeholder-email_address = name@example.com
field-password = Password
help-password = The password of this email account. If one is stored already, leave this empty to keep it.
help-password-app_password = { $provider } takes an app password here, not your normal one.
help-password-two_steps = If 2-step verification is on, { $provider } takes an app password here, not your normal one.
help-password-not_for_long = { $provider } is switching password sign-in for email programs off. If the test is refused, ask your administrator to allow it ("Authenticated SMTP").
help-password-key = { $provider } takes a key here, made on its website.
help-password-no_password = { $provider } no longer lets programs sign in with a password. Use another email account to send from.
field-sender_name = Sender name
help-sender_name = The name that the people you write to see, usually your business's name.
field-send_copy = Send a copy of every email to this address
help-send_copy = For your own records. The people you write to do not see it.
field-copy_to = Address for copies
help-copy_to = Several addresses are separated by commas.
placeholder-copy_to = archive@example.com
field-different_reply_to = Receive email replies at a different address than you send from
help-different_reply_to = Replies then go to the address below.
field-reply_to = Address for replies
help-reply_to = Several addresses are separated by commas.
placeholder-reply_to = office@example.com
field-allow_untrusted_certificate = Trust this server's own certificate
help-allow_untrusted_certificate = Only for a server of your own with a self-signed certificate. Run the test, compare the fingerprint that it shows, and accept it.
field-trusted_certificate = Certificate fingerprint
help-trusted_certificate = SHA-256. Filled in when you accept the certificate that the test shows; from then on only that certificate is accepted.
button-test = Test email settings
button-update = Update
button-sign_in = Sign in
button-sign_out = Sign out
button-email = Email
page-signed_in-title = Signed in
page-signed_in = You can close this page and go back to { $program }.
page-not_signed_in-title = Not signed in
page-not_signed_in = Go back to { $program }: it says why.

why_not-fields = Some fields still need your attention.

## Providers: what to do there, step by step

proposal-provider = Use { $provider }'s server { $host } on port { $port }.
proposal-autoconfig = { $domain } publishes these settings: { $host } on port { $port }.
proposal-srv = { $domain } names { $host } as its server for sending emails.
proposal-mx = The emails of { $domain } are kept by { $provider }, whose settings these are.
proposal-probe = { $host } answers on port { $port } with encryption.

steps-required-1 = Sign in on { $provider }'s website and look for app passwords in the security settings.
steps-required-2 = Make a new one, and give it the name { $program }.
steps-required-3 = Copy it into the password field here, in place of your normal password.
steps-with_two_steps-1 = If 2-step verification is on at { $provider }, make an app password in the security settings there, and give it the name { $program }.
steps-with_two_steps-2 = Copy it into the password field here. Without 2-step verification, enter your normal password.
steps-not_for_long-1 = Ask the administrator of your { $provider } account to allow programs to sign in with a password.
steps-not_for_long-2 = Enter the mailbox's password here.
steps-no_password-1 = Use another email account to send from: { $provider } does not let programs sign in with a password.
steps-key-1 = Sign in on { $provider }'s website and make a key or a login for SMTP.
steps-key-2 = Copy the username and the key into the fields here.
steps-none-1 = Enter the password that you sign in to { $provider } with.
steps-unknown-1 = Check in { $provider }'s settings whether other programs are allowed to send through your mailbox.
steps-unknown-2 = Enter the password that you sign in with. If { $provider } has app passwords, make one for { $program } and enter that instead.

steps-gmail-1 = Open the security page of your Google Account and switch on 2-Step Verification, if it is not on yet.
steps-gmail-2 = Open App passwords, enter { $program } as the name, and choose Create.
steps-gmail-3 = Copy the 16 letters that Google shows into the password field here, in place of your normal password.
steps-google-workspace-1 = Open the security page of your Google Account and switch on 2-Step Verification, if it is not on yet.
steps-google-workspace-2 = Open App passwords, enter { $program } as the name, and choose Create.
steps-google-workspace-3 = Copy the 16 letters that Google shows into the password field here, in place of your normal password.
steps-google-workspace-4 = If there is no page for app passwords, ask your Google Workspace administrator to allow them.
steps-outlook-personal-1 = Use another email account to send from: { $provider } no longer lets programs sign in with a password.
steps-outlook-personal-2 = To get the replies at your { $provider } address all the same, enter it as the address for replies.
steps-microsoft365-1 = Open the Microsoft 365 admin center and choose Users, Active users, and the mailbox that { $program } sends from. If you are not the administrator, ask yours to do it.
steps-microsoft365-2 = On the Mail tab choose Manage email apps, tick Authenticated SMTP, and save the changes.
steps-microsoft365-3 = Enter the mailbox's address and password here, and test the settings.
steps-yahoo-1 = Sign in and open the Account Security page.
steps-yahoo-2 = Choose Create app password (or Generate app password), enter { $program } as the app's name, and choose Generate password.
steps-yahoo-3 = Copy the password that is shown into the password field here, in place of your normal one.
steps-att-1 = Sign in to your AT&T account and make a secure mail key for your email address.
steps-att-2 = Copy the key into the password field here, in place of your normal password.
steps-icloud-1 = Switch on two-factor authentication for your Apple Account, if it is not on yet.
steps-icloud-2 = Sign in at account.apple.com, open Sign-In and Security, choose App-Specific Passwords, and make one with the name { $program }.
steps-icloud-3 = Copy it into the password field here, in place of your normal password.
steps-gmx-1 = Sign in on { $provider }'s website and allow access by POP3 and IMAP in the email settings: it is needed for sending too.
steps-gmx-2 = If two-factor authentication is on, make an application-specific password under Security in your account.
steps-gmx-3 = Enter that password here. Without two-factor authentication, enter your normal one.
steps-tonline-1 = Sign in to Telekom's customer centre and set a password for email programs.
steps-tonline-2 = Enter that password here: it is not the one that you sign in with.
steps-fastmail-1 = Sign in to Fastmail, open Settings, Privacy & Security, and then Integrations (or Connected apps).
steps-fastmail-2 = Choose New app password, enter { $program } as the name, and leave access to mail on.
steps-fastmail-3 = Copy the password that is shown into the password field here.
steps-zoho-1 = Sign in to your Zoho account and open Security, then App Passwords.
steps-zoho-2 = Choose Generate New Password and enter { $program } as the name.
steps-zoho-3 = Copy the password that is shown into the password field here. Without multi-factor authentication, your normal one works too.
steps-proton-1 = Check that you have an address at a domain of your own and a plan with SMTP: sending is not possible with others.
steps-proton-2 = In the settings open IMAP/SMTP, choose Generate token, enter { $program } as the name, and pick the address.
steps-proton-3 = Enter that address as the username here, and copy the token into the password field.
steps-yandex-1 = Open the settings of Yandex Mail, choose Email clients, and allow access with app passwords.
steps-yandex-2 = Open App passwords in your Yandex ID, make one for Mail, and give it the name { $program }.
steps-yandex-3 = Copy the password that is shown into the password field here, in place of your normal one.
steps-mailru-1 = Sign in to your Mail.ru account and open Security, then Passwords for external applications.
steps-mailru-2 = Add one with the name { $program }, and give it access to mail by IMAP, POP and SMTP.
steps-mailru-3 = Copy the password that is shown into the password field here, in place of your normal one.
steps-qq-1 = Sign in to QQ Mail, open Settings, then Account, and switch the POP3/IMAP/SMTP service on.
steps-qq-2 = Choose Generate authorization code and confirm it with your phone.
steps-qq-3 = Copy the code into the password field here, in place of your normal password.
steps-netease-1 = Sign in to your mailbox, open Settings, then POP3/SMTP/IMAP, and switch SMTP on.
steps-netease-2 = Make an authorization code and confirm it with your phone.
steps-netease-3 = Copy the code into the password field here, in place of your normal password.
steps-no_programs-1 = Use another email account to send from: { $provider } can be used in its own apps only.
steps-no_programs-2 = To get the replies at your { $provider } address all the same, enter it as the address for replies.
steps-sendgrid-1 = Sign in to SendGrid and make an API key with the name { $program } and the permission to send mail.
steps-sendgrid-2 = Enter the word apikey as the username here.
steps-sendgrid-3 = Copy the key into the password field.
steps-mailgun-1 = Sign in to Mailgun, open Sending, then Domain settings, choose your domain, and open SMTP credentials.
steps-mailgun-2 = Enter the login that is shown as the username here, all of it.
steps-mailgun-3 = Reset its password there, and copy the new one into the password field.
steps-postmark-1 = Sign in to Postmark, open your server, then API Tokens, and copy the server API token.
steps-postmark-2 = Enter the token twice here: as the username and as the password.
steps-ses-1 = Open the SES console in the region that you send from, then SMTP settings, and choose Create SMTP credentials.
steps-ses-2 = Copy the SMTP user name and the SMTP password into the fields here. They are not your AWS access keys.
steps-ses-3 = Check that the server here is the one of that region.
steps-brevo-1 = Sign in to Brevo, open SMTP & API, then the SMTP tab.
steps-brevo-2 = Enter the login that is shown there as the username here.
steps-brevo-3 = Generate an SMTP key with the name { $program }, and copy it into the password field. An API key does not work here.
steps-resend-1 = Sign in to Resend and make an API key with the name { $program } and sending access.
steps-resend-2 = Enter the word resend as the username here.
steps-resend-3 = Copy the key into the password field.
steps-mailjet-1 = Sign in to Mailjet and open the page with your API keys.
steps-mailjet-2 = Enter the API key as the username here, and the secret key as the password.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = This server is for receiving emails. To send them, use { $provider }'s server { $host }.
warning-port_25 = Port 25 is meant for mail between servers, and many internet providers block it. Use 587 or 465 if your provider offers them.
warning-no_encryption = Your emails, and the documents in them, travel readable for anyone on the way.
warning-own_certificate = Only the one certificate with this fingerprint is trusted. When the server gets a new one, run the test again and accept it.

fault-required = This is needed.
fault-required-http_server = Enter the web service's address.
fault-required-smtp_host = Enter the name of your provider's SMTP server.
fault-required-smtp_port = Enter the port: 587 or 465 with most providers.
fault-required-username = Enter the email address of the account that signs in.
fault-required-email_address = Enter the email address that you send from.
fault-required-password = Enter the password of this account.
fault-required-copy_to = Enter the address that gets the copies, or untick the box that asks for it.
fault-required-reply_to = Enter the address that replies should go to.
fault-required-trusted_certificate = Run the test and accept the certificate that it shows, or untick the box that asks for it.
fault-password_again = The server, port, encryption or username is not the one that the stored password belongs to. Enter the password again.
fault-password_without_username = Enter the username that goes with the password, or clear the password.
fault-token_in_clear = Without encryption the sign-in would travel readable. Choose another encryption.
fault-not_signed_in = Sign in first: this account has no sign-in yet.
fault-sign_in_settings_changed = The settings were changed meanwhile, so that this sign-in was not saved. Sign in again.
fault-no_sign_in_here = No sign-in is known for this server. Log in with username and password.
fault-no_client = { $program } cannot sign in with { $provider } yet: its maker has to register it there first.
fault-choice_unknown = { $value } is not one of the choices: { $choices }.
fault-host_has_scheme = Leave out "{ $scheme }": only the server's name goes here, for example smtp.example.com.
fault-host_has_port = Leave out ":{ $port }" here: the port has a field of its own.
fault-host_has_path = Leave out everything from the "/" on: only the server's name goes here.
fault-host_has_space = A server name has no spaces in it.
fault-host_is_address = This is an email address. The server's name is needed here, for example smtp.example.com.
fault-host_invalid = This is not a server name. It looks like smtp.example.com.
fault-port_invalid = The port is a whole number from 1 to 65535; 587 and 465 are the usual ones.
fault-url_invalid = This is not a web address. It looks like https://email.example.com/.
fault-url_not_web = Only https:// addresses work here.
fault-url_not_secure = The document would travel unencrypted: use https:// instead of http://.
fault-url_has_login = Leave the name and password out of the address: a token has a field of its own.
fault-username_control = The username has a line break or another invisible character in it. Type it again rather than pasting it.
fault-secret_control = There is a line break or another invisible character in it. Type it again rather than pasting it.
fault-fingerprint_invalid = A SHA-256 fingerprint has 64 digits from 0 to 9 and A to F.
fault-insecure_login = Without encryption the password would travel readable. Choose another encryption, or tick this box if that is what you want.
fault-established_provider = Untick this box: { $provider } has a proper certificate, and if it is refused, something on the way would get your password.
fault-too_long_text = This is too long: at most { $limit } characters fit.

fault-too_long = { $bytes } bytes are too many: at most { $limit } are taken.
fault-bad_json = This is not JSON: the error is at line { $line }, column { $column }.
fault-wrong_type = This should be { $expected } and is { $found }.
type-an_object = an object
type-text = text
type-true_or_false = true or false
type-true_or_false_or_an_object = true, false or an object
type-a_number = a number
type-a_list = a list
type-text_or_a_list_of_texts = text or a list of texts
type-a_number_or_text = a number or text
type-a_host_name = a host name
type-a_link_or_null = a link or null
type-null = null
fault-out_of_range = This must be from { $least } to { $most }.
fault-unknown_key = There is no such key.
fault-unknown_key_near = There is no such key. Is { $nearest } meant?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf is NULL, and email_json has no document.path: give the bytes of the PDF, or the path of its file.
   *[other] { $argument } is NULL.
}
call-bad_utf8 = { $argument } is not UTF-8: the first wrong byte is at position { $position }.
call-null_with_length = { $argument } is NULL, but its length is { $length } bytes.
call-bad_length = { $argument } has { $bytes } bytes, which is more than this machine can hold a copy of.
fault-key_needs_store = This has no effect without a store.
fault-one_key_only = Only one of key, passphrase and keychain can be given.
fault-wrong_type_expected = This should be { $expected }.

fault-control_character = There is a character in this text that cannot be sent ({ $character }), for example a line break. Type it again rather than pasting it.
fault-bidi_character = There is an invisible character in this text that changes the direction of the text ({ $character }). Type it again rather than pasting it.

fault-address_empty = An address is missing here.
fault-address_no_at = { $address } is not an email address: the "@" is missing.
fault-address_several_at = { $address } is not an email address: it has more than one "@".
fault-address_missing_separator = { $address }: put a comma between two addresses.
fault-address_no_local = { $address } is not an email address: the part before the "@" is missing.
fault-address_no_domain = { $address } is not an email address: the part after the "@" is missing.
fault-address_space = { $address } is not an email address: there is a space in it.
fault-address_invisible_character = There is an invisible character in the address ({ $character }). Type it again rather than pasting it.
fault-address_local_too_long = The part before the "@" is too long: it has { $bytes } bytes, and at most { $limit } are allowed.
fault-address_too_long = The address is too long: it has { $bytes } bytes, and at most { $limit } are allowed.
fault-address_bad_domain = { $domain } is not the domain of an email address.
fault-address_bad_local = { $local } cannot stand before the "@" of an email address.
fault-mailbox_quote = { $text }: a quotation mark is missing.
fault-mailbox_bracket = { $text }: the address must stand between "<" and ">".
fault-mailbox_text_after_address = { $text }: nothing may follow the ">".
fault-mailbox_missing_separator = { $text }: put a comma between two addresses.
fault-too_many_recipients = { $number } recipients are too many for one email: at most { $limit } are allowed.
fault-one_address_only = Enter one address only.
fault-no_recipients = Enter at least one recipient.
fault-header_too_long = This is too long for an email: it has { $bytes } bytes, and at most { $limit } are allowed.
fault-file_name_empty = The file needs a name.
fault-file_name_dots = "{ $name }" is not a file name.
fault-file_name_separator = A file name cannot have "{ $character }" in it.
fault-file_name_encoded_word = A file name cannot have "=?" in it: some email programs would show another name.
fault-file_name_too_long = The file name is too long: it has { $bytes } bytes, and at most { $limit } are allowed.
fault-file_missing = The file { $path } is not there.
fault-file_is_folder = { $path } is a folder, not a file.
fault-file_not_regular = { $path } is not an ordinary file.
fault-file_changed = The file { $path } changed while it was read. Try again when it is complete.
fault-file_unreadable = The file { $path } cannot be read: { $error }.
fault-files_too_large = The document and the attachments are too large together: at most { $limit } bytes are taken.
fault-files_no_memory = There is not enough memory for { $bytes } bytes.
fault-pdf_empty = The PDF is empty: it has no bytes.
fault-pdf_not_a_pdf = This is not a PDF: there is no "%PDF-" in its first 1,024 bytes.
fault-document_twice = Either the bytes of the PDF or the path of its file can be given, not both.
fault-attachment_twice = Either path or base64 can be given, not both.
fault-attachment_missing = Either path or base64 must be given.
fault-file_name_missing = An attachment that is given as base64 needs a file_name.
fault-base64_bad = This is not base64.
fault-type_bad = { $type } is not a media type such as application/pdf.
fault-type_composite = { $type } cannot be sent as an attachment's type; use application/octet-stream.
fault-body_twice = Either body, or body_html together with body_text can be given.
fault-body_text_missing = body_html needs body_text beside it, for readers that show no HTML.
fault-body_html_missing = body_text goes with body_html; use body for text alone.
fault-idempotency_key_bad = The key is 1 to { $limit } visible ASCII characters.
fault-access_token_bad = An access token is 1 to { $limit } visible ASCII characters.
fault-access_token_unused = These settings take no access token: auth is not oauth2.
fault-sign_in_unused = These settings have no sign-in: auth is not oauth2.
fault-flow_unknown = The flow is browser, redirect, device or client_credentials.
fault-redirect_uri_bad = The flow redirect takes an https:// address of your own, and no other flow does.
fault-sign_in_unknown = There is no such sign-in: it was finished before, or begun with another account object or by another process.
fault-callback_bad = This is not the address to which the provider sent the browser for this sign-in.
fault-no_randomness = The system gave no random numbers, which every email needs. Try again.

fault-key_invalid = The key is not 32 bytes in base64.
fault-passphrase_empty = The passphrase is empty.
fault-ca_file_unreadable = The certificate file cannot be read: { $detail }.
fault-ca_file_invalid = A certificate in this file cannot be used: { $detail }.
fault-ca_file_empty = There is no certificate in this file. It must be in PEM form.
fault-store_empty = The path of the settings file is empty.
fault-program_name_empty = The program's name is empty.
fault-key_missing = This must be given.
fault-host_name_invalid = This is not the name of a host or a domain.
fault-link_invalid = This is not the address of a web page that begins with https:// and has no login in it.
fault-provider_twice = There is another row with the id { $id }.
fault-locale_invalid = This is not a language tag such as en, ro or pt-BR.
fault-text_syntax = The text { $id } is not written in Fluent, at line { $line }: { $detail }.
fault-text_unknown = There is no text with the id { $id } (line { $line }).
fault-text_twice = The text { $id } is there twice (line { $line }).
fault-text_word = The text { $id } (line { $line }) names { $word }, which is not there for it.
fault-hello_name_invalid = This is not a host name that can be sent with EHLO.
fault-proxy_invalid = { $variable ->
    [none] This is not the address of a proxy. It looks like socks5://proxy.example.com:1080 or http://user:password@proxy.example.com:3128, or is the word environment.
   *[other] The environment variable { $variable } is not the address of a proxy. It looks like socks5://proxy.example.com:1080 or http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Proxies with { $scheme }:// cannot be used here: give one with socks5:// or http://.
   *[other] The environment variable { $variable } names a proxy with { $scheme }://, which cannot be used here: give one with socks5:// or http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] The proxy's username or password cannot be used: each has at most 255 bytes and no line breaks, and what is special in web addresses is written as there, for example %40 for @.
   *[other] The proxy's username or password in the environment variable { $variable } cannot be used: each has at most 255 bytes and no line breaks, and what is special in web addresses is written as there, for example %40 for @.
}

fault-nameserver_invalid = This is not the address of a name server. It looks like 192.0.2.53 or 127.0.0.1:5353.

discovery-nothing = No settings were found for { $domain }: they are on your provider's help pages.
discovery-canceled = Looking for settings was cancelled.

settings-faults = { $count ->
    [1] { $label }: { $message }
   *[other] { $count } fields need your attention. The first one is { $label }: { $message }
}
email-faults = The email cannot be sent like this. { $message }
not_configured = Email is not set up yet. Fill in the email settings first.

## The store

protection-memory = The settings are kept in memory only and are gone when { $program } ends.
protection-given_key = The password is encrypted in the settings file with a key that { $program } keeps.
protection-passphrase = The password is encrypted in the settings file with a key made from a passphrase.
protection-keychain = The password is encrypted in the settings file with a key from the system's keychain.
protection-key_file = The password is encrypted in the settings file. The key is in a file beside it that only this user may read: whoever can read both files can read the password.

store-damaged = The settings file { $path } is damaged ({ $detail }). It was left as it is. Clear the settings and enter them again, or restore the file from a backup.
store-tampered = The settings file { $path } was changed by something other than { $program }. For safety it is not used, and was left as it is. Clear the settings and enter them again, or restore the file from a backup.
store-wrong_key = The settings file { $path } cannot be opened with this key ({ $detail }). It was left as it is.
store-newer = The settings file { $path } was written by a newer version of { $program }. It was left as it is. Update { $program }.
store-no_folder = The folder { $path } for the settings file cannot be used: { $detail }.
store-unreadable = The settings file { $path } cannot be read: { $detail }.
store-unwritable = The settings could not be saved to { $path }: { $detail }. The settings from before are still in force.
store-busy = Another program is saving the settings in { $path } at this moment. Try again.
store-key_file_exposed = The key file { $path } can be read by other users of this computer, so that it protects nothing. Make it readable for its owner only.
store-key_missing = The key file { $path } that opens the settings is missing. Restore it from a backup, or clear the settings and enter them again.
store-no_keychain = The system's keychain cannot be used: { $detail }.

## The Email button

kind-invoice = Invoice
kind-quote = Quote
kind-order = Order
kind-credit_note = Credit note
kind-delivery_note = Delivery note
kind-receipt = Receipt
kind-reminder = Payment reminder
kind-statement = Statement
kind-payslip = Payslip
kind-report = Report
kind-document = Document
button-subject = { $document }
button-subject_from = { $document } from { $sender }
button-body =
    Hello { $name },

    Please find attached: { $document }.
button-body_no_name =
    Hello,

    Please find attached: { $document }.
button-closing =
    Kind regards,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } does not look like the right address. Is { $meant } meant?
check-recipient_twice = { $address } is among the recipients twice.
check-no_subject = The email has no subject.
check-no_body = The email has no text.
check-placeholder = { $placeholder } looks like a placeholder that was not filled in.
check-other_provider = { $sender } is an address of { $provider }, but the email goes through { $other }: many servers take such emails for forged. Send through { $provider }, or from another address.
check-over_size_limit = The email has { $size }, and { $provider } takes { $limit } at most. Make the attachments smaller, or send a link instead.
check-over_recipient_limit = The email has { $number } recipients, and { $provider } takes { $limit } at most. Send it to some of them at a time.
check-no_reply_to = Replies to this email go to { $sender }, where probably nobody reads them. Enter an address for replies.

## The test mail

test_subject = Test email from { $program }
test_body =
    This is a test email from { $program }.

    If you can read it, your email settings work.

## Progress

step-turn = Waiting for other emails to be sent first
step-sign_in = Renewing the sign-in
step-name = Looking up the server
step-connect = Connecting
step-proxy = Connecting through the proxy
step-tls = Encrypting the connection
step-greeting = Greeting the server
step-login = Logging in
step-sender = Naming the sender
step-recipient = Naming the recipients
step-content = Sending
step-verdict = Waiting for the server's answer
step-repair = Trying other ports

## What happened

problem-accepted = The server accepted the email.
problem-accepted_partly = The server accepted the email for some of the recipients, and refused the others.
test-accepted = The settings work: the server accepted a test email to { $recipient }.
problem-name_not_found = The server { $host } was not found. The email was not sent.
problem-name_lookup_failed = The name { $host } could not be looked up: there seems to be no internet connection. The email was not sent.
problem-no_route = There is no way from this computer to { $host }: the network is down or not connected. The email was not sent.
problem-connection_refused = { $host } refused the connection on port { $port }. The email was not sent.
problem-connection_failed = No connection to { $host } on port { $port } came about. The email was not sent.
problem-timed_out = { $step ->
    [name] The name { $host } could not be looked up in time. The email was not sent.
    [connect] { $host } does not answer on port { $port }. The email was not sent.
    [content] { $host } stopped taking the email before it was complete. It was not sent.
   *[other] { $host } stopped answering. The email was not sent.
}
problem-out_of_time = Sending took longer than was allowed. The email was not sent.
problem-disconnected = { $step ->
    [content] { $host } closed the connection before the email was complete. It was not sent.
   *[other] { $host } closed the connection. The email was not sent.
}
problem-name_not_found-proxy = The proxy { $proxy } was not found. The email was not sent.
problem-name_lookup_failed-proxy = The name of the proxy { $proxy } could not be looked up: there seems to be no network connection. The email was not sent.
problem-no_route-proxy = There is no way from this computer to the proxy { $proxy }: the network is down or not connected. The email was not sent.
problem-connection_refused-proxy = The proxy { $proxy } refused the connection. The email was not sent.
problem-connection_failed-proxy = No connection to the proxy { $proxy } came about. The email was not sent.
problem-timed_out-proxy = { $step ->
    [name] The name of the proxy { $proxy } could not be looked up in time. The email was not sent.
    [connect] The proxy { $proxy } does not answer. The email was not sent.
   *[other] The proxy { $proxy } did not connect to { $host } in time. The email was not sent.
}
problem-disconnected-proxy = The proxy { $proxy } closed the connection instead of connecting to { $host }. The email was not sent.
problem-bad_reply-proxy = What came back from { $proxy } is not what a proxy of the kind that is set would say. The email was not sent.
problem-proxy_login_refused = The proxy { $proxy } wants a username and a password, or others than those that are set. The email was not sent.
problem-proxy_failed = The proxy { $proxy } did not connect to { $host } on port { $port }. The email was not sent.
problem-bad_reply = What came back from { $host } on port { $port } is not what was expected of it. The email was not sent.

problem-tls_failed = No encrypted connection to { $host } came about. Neither a password nor the email was sent.
problem-tls_not_spoken = { $host } does not speak TLS from the start on port { $port }. Neither a password nor the email was sent.
problem-tls_too_old = { $host } only knows encryption that is too old to be safe. Neither a password nor the email was sent.
problem-tls_not_offered = { $host } offers no encryption on port { $port }. Neither a password nor the email was sent.
problem-tls_refused = { $host } refused to start encryption. Neither a password nor the email was sent.
problem-bytes_before_tls = Something on the way to { $host } interfered with the start of encryption. Neither a password nor the email was sent.
problem-certificate_untrusted = The certificate of { $host } is not from an authority that this computer trusts. Neither a password nor the email was sent.
problem-certificate_expired = The certificate of { $host } has expired ({ $expires }). Neither a password nor the email was sent.
problem-certificate_not_yet_valid = The certificate of { $host } is valid only from { $begins } on. Neither a password nor the email was sent.
problem-certificate_wrong_name = { $names_known ->
    [yes] The certificate that { $host } shows belongs to another name ({ $names }). Neither a password nor the email was sent.
   *[other] The certificate that { $host } shows is not for this name. Neither a password nor the email was sent.
}
problem-certificate_invalid = The certificate of { $host } cannot be accepted. Neither a password nor the email was sent.
problem-certificate_changed = { $host } shows another certificate than the one that you accepted. Neither a password nor the email was sent.
problem-login_in_clear = The connection to { $host } is not encrypted, so the password was not sent. Neither was the email.
problem-token_in_clear = The connection to { $host } is not encrypted, so the sign-in was not passed on. The email was not sent.
problem-login_server_unproven = { $host } did not prove that it knows your password, so somebody may have come between. Neither the password nor the email was sent.

problem-encryption_required = { $host } wants an encrypted connection. The email was not sent.
problem-login_refused = { $host } did not accept the username and password. The email was not sent.
problem-login_not_offered = { $host } takes no login on port { $port }, but a username is set. The email was not sent.
problem-login_unsupported = { $host } offers no way to log in with a password that { $program } knows. The email was not sent.
problem-login_required = { $host } wants a login before it takes emails. The email was not sent.
problem-token_refused = { $provider } did not allow the sign-in of { $username }.
problem-http_unauthorized = The web service refused access. The email was not sent.

problem-server_busy = { $host } takes no emails from this computer right now. The email was not sent.
problem-login_deferred = { $host } could not check the login right now. The email was not sent.
problem-sender_deferred = { $host } takes no email from { $sender } right now. The email was not sent.
problem-recipient_deferred = { $host } does not take emails for { $recipient } right now. The email was sent to nobody.
problem-recipient_deferred-copy = { $host } does not take emails for { $recipient } right now, which is your address for copies. The email was sent to nobody.
problem-content_deferred = { $host } did not take the email right now. It was not sent.
problem-http_busy = The web service is too busy right now. The email was not sent.

problem-server_refused = { $host } refused to talk to this computer. The email was not sent.
problem-sender_refused = { $host } does not take emails from { $sender }. The email was not sent.
problem-recipient_refused = { $host } refused the recipient { $recipient }. The email was sent to nobody.
problem-recipient_refused-copy = { $host } refused { $recipient }, which is your address for copies. The email was sent to nobody.
problem-content_refused = { $host } refused the email. It was not sent.
size-kilobytes = { $number } kB
size-megabytes = { $whole }.{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] The email is too large: it has { $size }, and { $host } takes { $limit }. It was not sent.
   *[other] The email is too large for { $host }. It was not sent.
}
problem-address_not_supported = { $host } cannot handle an address with letters outside A to Z before the @. The email was not sent.
problem-http_refused = The web service reported an error.
problem-http_not_found = There is no email service at this web address. The email was not sent.
problem-http_redirected = The web service wants to send the document on to another address, which is not done for safety. The email was not sent.

problem-file_changed = The document's file was changed, replaced or deleted before the email was complete. It was not sent.
problem-file_unreadable = The document's file could not be read. The email was not sent.

problem-no_verdict = The email was sent to { $host } completely, but it is not known whether it was accepted. It may or may not have been delivered, and is not sent again by itself.
problem-canceled = Sending was cancelled. Nothing was sent.
problem-internal = Something inside mailbutton went wrong. This is a bug in mailbutton.

# Connecting
problem-no_network = { $host } cannot be reached, though its name is right: this computer seems to have no internet connection. The email was not sent.
problem-blocked_on_this_computer = This computer does not allow { $program } to connect to { $host }. The email was not sent.
problem-port_25_blocked = { $host } cannot be reached on port 25, which most internet providers block. The email was not sent.
problem-imap_port = Port { $port } of { $host } is for receiving emails (IMAP), not for sending them. The email was not sent.
problem-pop3_port = Port { $port } of { $host } is for receiving emails (POP3), not for sending them. The email was not sent.
problem-web_port = Port { $port } of { $host } is for web pages, not for sending emails. The email was not sent.
problem-not_a_mail_server = What answers on port { $port } of { $host } is not a mail server. The email was not sent.
problem-tls_from_the_start = { $host } expects encryption from the start on port { $port }, and the settings begin without it. Neither a password nor the email was sent.
problem-clear_at_the_start = { $host } begins without encryption on port { $port } and switches later (STARTTLS), and the settings encrypt from the start. Neither a password nor the email was sent.
problem-port_closed = { $host } refused the connection on port { $port }, which is unusual for { $provider }: something on the way may block it. The email was not sent.
problem-port_silent = { $host } does not answer on port { $port }: the port may be another one, or something on the way blocks it. The email was not sent.
problem-greeting_missing = { $host } took the connection on port { $port } and then said nothing. The email was not sent.
problem-cut_off = The connection to { $host } on port { $port } was cut off right at the start. The email was not sent.
problem-queue_too_long = This email waited too long for the others before it. It was not sent.

# Encryption
problem-starttls_hidden = Something on the way to { $host } hides the encryption that the server offers. Neither a password nor the email was sent.
problem-tls_not_ready = { $host } cannot encrypt the connection right now. Neither a password nor the email was sent.
problem-starttls_broken = { $host } agreed to encrypt the connection and then did not. Neither a password nor the email was sent.
problem-client_certificate_wanted = { $host } only lets in programs that show a certificate of their own. Neither a password nor the email was sent.
problem-intercepted_by_antivirus = An antivirus program ({ $issuer }) opened the encrypted connection to { $host } and put its own certificate into it. Neither a password nor the email was sent.
problem-intercepted_by_firewall = The firewall of this network ({ $issuer }) opened the encrypted connection to { $host } and put its own certificate into it. Neither a password nor the email was sent.
problem-captive_portal = Instead of { $host }, a device of this network answered: the network probably wants you to sign in first. Neither a password nor the email was sent.
problem-clock_wrong = The certificate of { $host } does not fit the date of this computer, which may be wrong. Neither a password nor the email was sent.
problem-certificate_not_the_providers = The certificate that came is not the one of { $provider }: something between this computer and { $host } put in its own. Neither a password nor the email was sent.
problem-certificate_self_signed = { $host } shows a certificate that it signed itself, so nobody vouches for it. Neither a password nor the email was sent.

# Login
problem-sign_in_blocked = { $host } wants you to confirm the login in a web browser first. The email was not sent.
problem-smtp_auth_off_tenant = Your organisation has switched off sending with a password ("Authenticated SMTP") in Microsoft 365. The email was not sent.
problem-smtp_auth_off_mailbox = Sending with a password ("Authenticated SMTP") is switched off for this mailbox in Microsoft 365. The email was not sent.
problem-password_login_over = { $host } no longer lets programs sign in with a password. The email was not sent.
problem-blocked_by_sign_in_rules = A security rule of your organisation does not allow this login. The email was not sent.
problem-account_locked = { $host } says that this account is locked. The email was not sent.
problem-password_expired = { $host } says that the password has expired. The email was not sent.
problem-sign_in_scope = The sign-in at { $host } does not allow { $program } to send emails. The email was not sent.
problem-sign_in_again = { $host } no longer accepts the sign-in of { $username }. The email was not sent.
problem-sign_in_refused = { $host } did not accept the sign-in of { $username }. The email was not sent.
problem-sign_in_expired = The sign-in of { $username } with { $provider } has ended.
problem-sign_in_denied = The sign-in was declined on the page of { $provider }.
problem-sign_in_busy = The sign-in of { $provider } is not available right now.
problem-sign_in_needs_admin = An administrator has to allow { $program } at { $provider } first.
problem-sign_in_against_rules = A security rule of your organisation does not allow this sign-in with { $provider }.
problem-program_not_known = { $provider } does not know { $program } as it introduces itself.
problem-sign_in_abandoned = The sign-in was not finished in time.
problem-sign_in_other_account = { $account } signed in, and the settings are for { $username }.
problem-sign_in_no_listener = { $program } cannot receive the end of the sign-in on this computer.
problem-sign_in_clock = { $provider } did not allow the sign-in, as the date or time of this computer differs from its own.
problem-program_not_verified = { $provider } has not verified { $program } yet, and lets only a few people sign in with it.
problem-gmail_app_password = { $provider } did not accept the login: it takes an app password here, not the password of your Google Account. The email was not sent.
problem-yahoo_app_password = { $provider } did not accept the login: it takes an app password here, not the password for its website. The email was not sent.
problem-icloud_app_password = { $provider } did not accept the login: it takes an app-specific password here, not the password of your Apple Account. The email was not sent.
problem-too_many_logins = { $host } takes no more logins for a while, because there were too many. The email was not sent.
problem-app_password_required = { $host } did not accept the login: it takes an app password here, not the one for the website. The email was not sent.
problem-access_for_programs_off = { $host } did not accept the login: access for email programs may be switched off for this mailbox. The email was not sent.
problem-ip_not_allowed = { $host } does not allow logins from this computer's internet address. The email was not sent.
problem-key_username = { $provider } did not accept the login: the username there is the word apikey, and the password is a key. The email was not sent.
problem-key_refused = { $provider } did not accept the username and the key. The email was not sent.
problem-password_login_ending = { $provider } did not accept the login: it is switching off sign-in with a password, and may have done so for this mailbox. The email was not sent.
problem-full_address_needed = { $host } did not accept the login: the username is usually the full email address. The email was not sent.
problem-password_or_app_password = { $provider } did not accept the username and password: with 2-step verification it takes an app password here. The email was not sent.
problem-port_25_without_login = { $host } takes no login on port 25, which is for mail between servers. The email was not sent.
problem-login_needs_encryption = { $host } takes no login without encryption. The email was not sent.
problem-only_sign_in_offered = { $host } takes no passwords from programs, only a sign-in in the web browser. The email was not sent.
problem-sign_in_not_offered = { $host } takes no sign-in of the kind that { $program } knows. The email was not sent.

# Limits
problem-too_many_connections = { $host } has too many connections from this account or computer at the same time. The email was not sent.
problem-recipient_gets_too_many = { $recipient } is getting more emails at the moment than its provider takes. The email was not sent.
problem-daily_limit = The number of emails that { $host } takes from this account in a day or month is used up. The email was not sent.
problem-rate_limited = { $host } takes no more emails from this account for a while, because there were many in a short time. The email was not sent.
problem-greylisted = { $host } lets a first email wait for a few minutes to keep spam away. The email was not sent yet.

# The sender
problem-own_mailbox_full = Your own mailbox is full, so { $host } takes no emails from you. The email was not sent.
problem-account_blocked = { $host } has stopped this account from sending. The email was not sent.
problem-sender_not_verified = { $host } sends only from addresses that were confirmed there, and { $sender } is not one of them. The email was not sent.
problem-test_mode = The account at { $host } is still in its test mode, in which it sends only to confirmed addresses. The email was not sent.
problem-sender_not_allowed = { $host } does not let this login send from { $sender }. The email was not sent.
problem-sender_domain_unknown = { $host } does not know the part of { $sender } after the @. The email was not sent.
problem-sender_domain_protected = The domain of { $sender } does not allow { $host } to send for it (SPF, DKIM or DMARC). The email was not sent.
problem-sent_from_home = { $host } takes no emails straight from an ordinary internet connection. The email was not sent.
problem-blocklisted = The internet address that this email came from is on a list of senders of spam. The email was not sent.
problem-hello_refused = { $host } did not accept the name with which this computer introduced itself. The email was not sent.
problem-login_needed_to_send = { $host } takes this email only after a login, and no username is set. The email was not sent.
problem-relay_denied = { $host } does not pass on emails from { $sender } to other providers. The email was not sent.

# The recipients
problem-too_many_recipients = { $host } takes no email with so many recipients. The email was sent to nobody.
problem-mailbox_full = The mailbox of { $recipient } is full. The email was sent to nobody.
problem-recipient_disabled = The mailbox of { $recipient } takes no emails at the moment. The email was sent to nobody.
problem-recipient_domain_unknown = No mail server takes emails for { $recipient }: the part after the @ does not exist, or has no mail. The email was sent to nobody.
problem-recipient_malformed = { $host } does not accept { $recipient } as an email address. The email was sent to nobody.
problem-recipient_unknown = { $recipient } does not exist, says { $host }. The email was sent to nobody.

# The content
problem-virus_found = { $host } believes that there is a virus in the email. It was not sent.
problem-attachment_blocked = { $host } does not take an attachment of this kind. The email was not sent.
problem-spam_block = { $host } takes this email for spam. It was not sent.
problem-policy_block = A rule of { $host } does not allow this email. It was not sent.

# The server
problem-server_full = { $host } has no room for more emails right now. The email was not sent.
problem-server_trouble = { $host } has a problem of its own right now. The email was not sent.

# The web service
problem-relay_forbidden = The web service knows this token and does not allow it to send. The email was not sent.
problem-relay_rate_limited = The web service takes no more emails for a while, because there were many in a short time. The email was not sent.
problem-relay_gateway = The web service cannot be reached behind its address. The email was not sent.
problem-not_a_relay = What answers at this web address is not an email service. The email was not sent.
problem-network_wants_sign_in = This network wants you to sign in before it lets anything through. The email was not sent.
problem-relay_account = The web service wants its account to be put in order first, for example a payment. The email was not sent.
problem-relay_rejects_email = The web service does not accept the email as it is. It was not sent.
problem-relay_broken = The web service has a problem of its own. The email was not sent.
problem-gateway_lost_answer = The email was sent to { $host } completely, but the web service behind it gave no answer. It may or may not have been delivered, and is not sent again by itself.

## What to do: each begins with what to do

advice-check_host = Check the server's name for typing mistakes, or look it up on your provider's help pages.
advice-check_host_and_port = Check the server's name and the port on your provider's help pages; 587 and 465 are the usual ports.
advice-check_internet = Check that this computer is connected to the internet, for example by opening a web page.
advice-check_proxy = Check the proxy { $proxy } in the settings of { $program }, or ask whoever set it up.
advice-check_proxy_login = Check the username and the password for the proxy { $proxy } in the settings of { $program }.
advice-ask_proxy = Ask whoever looks after the proxy { $proxy } to allow connections to { $host } on port { $port }, and show them this message.
advice-firewall = Check whether a firewall or antivirus program blocks { $program }, by allowing it there or pausing the email protection for one test.
advice-other_program = Try the same settings in Thunderbird: if they fail there as well, the settings or the provider are the cause; if they work there, something blocks { $program }.
advice-other_network = Try another network, for example your phone's hotspot.
advice-try_again = Try again in a minute.
advice-fewer_at_once = Send fewer emails at once, or wait until the others are sent.
advice-try_later = Try again later; the server's own words may say when.
advice-check_limits = Check how many emails your provider allows in an hour and in a day.
advice-port_25_blocked = Use port 587 instead of 25, which most internet providers block.
advice-mode_of_465 = Set the encryption to automatic: port 465 speaks TLS from the start.
advice-use_what_works = Use port { $port } with automatic encryption: it was tried just now, and { $host } answers there.
advice-use_what_works-auto = Set the encryption to automatic: it was tried just now on port { $port }, and { $host } answers.
advice-use_what_works-tls = Set the encryption to TLS from the start: it was tried just now on port { $port }, and { $host } answers.
advice-try_auto = Set the encryption to automatic, and try again.
advice-mode_of_587 = Set the encryption to automatic: port { $port } starts unencrypted and switches with STARTTLS.
advice-try_587 = Use port 587 with automatic encryption.
advice-try_465 = Use port 465 with automatic encryption.
advice-ask_provider = Ask your provider or administrator, and show them this message.
advice-server_must_update = Ask the server's administrator to switch on TLS 1.2 or 1.3.
advice-other_server = Use another mail server, if your provider has one.
advice-check_clock = Check the date and time of this computer.
advice-renew_certificate = Ask the server's administrator to renew its certificate.
advice-accept_certificate = Accept this certificate, but only if the server is your own and the fingerprint is the one that its administrator gives you.
advice-compare_certificate = Ask the server's administrator whether the certificate was renewed, and compare the fingerprint before you accept it.
advice-use_certificate_name = Use the server { $certificate_name } and enter the password again, but only if that server is your provider's.
advice-intercepted = Switch off the email scanning of the antivirus program: it puts its own certificate in place of the one of { $provider }.
advice-use_tls = Set the encryption to automatic.
advice-allow_insecure_login = Allow the unencrypted password only if the server is on your own network and has no encryption.

advice-app_password-gmail = Use an app password: in your Google Account switch on 2-step verification under Security, then open App passwords, make one for { $program }, and enter it here in place of your normal password.
advice-app_password-yahoo = Use an app password: open Yahoo's Account Security page (login.yahoo.com/account/security), choose Generate app password, choose Other, type { $program }, press Generate, and copy it into the password field.
advice-app_password-icloud = Use an app-specific password: sign in at account.apple.com, open Sign-In and Security, choose App-Specific Passwords, make one for { $program }, and enter it here in place of your normal password.
advice-app_password = Use an app password, as { $provider } does not accept your normal one here: its help pages say how to make one.
advice-app_password-two_steps = Use an app password if 2-step verification is on at { $provider }: its help pages say how to make one.
advice-app_password-any = Use an app password if your provider has 2-step verification: it then does not accept your normal one here.
advice-password_login_off = Ask your administrator to allow password sign-in for this mailbox ("Authenticated SMTP"): { $provider } is switching it off, and without it no password works here.
advice-other_account = Use another email account to send from: { $provider } no longer lets programs sign in with a password.
advice-full_address = Use your full email address as the username: most providers want it.
advice-check_key = Check the username and the key: { $provider } takes a key made on its website, not the password that you sign in with there.
advice-check_login = Check the username and the password by signing in on your provider's website.
advice-login_off = Clear the username if this server needs no login.
advice-enter_login = Enter the username and the password of your email account.
advice-check_token = Check the access token that the operator of the web service gave you.
advice-check_sender = Send from the address that the account belongs to, or have the provider allow { $sender } as an alias.
advice-check_recipient = Check the recipient's address for typing mistakes.
advice-check_relay = Enter the username and the password of your email account: without a login most servers take emails for their own users only.
advice-check_content = Check the email for what the server complains about in its own words.
advice-make_smaller = Make the attachments smaller, or send them in several emails.
advice-send_link = Send a link to the document instead.
advice-plain_address = Ask the recipient for an address with only the letters A to Z, or use a provider that supports such addresses.
advice-check_url = Check the web service's address with its operator.
advice-ask_relay = Ask the operator of the web service, and show them this message.
advice-complete_file = Send the email again when the document's file is complete and nothing writes to it any more.
advice-check_file = Check that the document's file can be opened, and send the email again.
advice-ask_recipient = Ask the recipient whether the email arrived before you send it again.
advice-look_in_sent = Look into the Sent folder of your mailbox: many providers put a copy of what was sent there.
advice-report_bug = Report this to the maker of { $program }.

advice-use_sending_port = Use the server for sending with port 587 and automatic encryption; its name often begins with smtp.
advice-use_sending_server = Use { $provider }'s server for sending, { $sending_host }, on port { $sending_port }.
advice-try_tls = Set the encryption to TLS from the start.
advice-intercepted-host = Switch off the email scanning of the antivirus program, or let it leave { $host } alone: it puts its own certificate in place of the server's.
advice-ask_network = Ask whoever looks after this network to let connections to { $host } pass unopened.
advice-sign_in_network = Open any web page in a browser and sign in to this network, then test again.
advice-sign_in_browser = Sign in to your mailbox in a web browser, confirm that it was you who tried, and test again.
advice-sign_in_again = Sign in again.
advice-sign_in_consent = Sign in again, and allow { $program } to send emails when you are asked.
advice-check_sign_in = Check that the account that signed in is allowed to send as { $username }.
advice-use_password = Use the username and password to log in.
advice-allow_program = Ask your administrator to allow { $program } to send emails, and show them this message.
advice-register_program = Ask the maker of { $program } to check how it is registered with { $provider }, and show them this message.
advice-sign_in_as = Sign in again, and choose the account { $username } on the page of { $provider }.
advice-use_signed_in_account = Send as { $account } instead.
advice-restart_and_sign_in = Sign in again after restarting the computer.
advice-verify_program = Ask the maker of { $program } to have it verified by { $provider }.
advice-verify_program-weekly = Ask the maker of { $program } to have it verified by { $provider } if you have to sign in again every week.
advice-verify_program-blocked = Ask the maker of { $program } to have it verified by { $provider } if the page said that the program is blocked or not verified.
advice-sign_in_instead = Sign in with { $provider } instead of using a password.
advice-sign_in_instead-unregistered = Ask the maker of { $program } to register it with { $provider }, so that you can sign in without a password.
advice-allow_smtp_auth-tenant = Ask your administrator to switch on "Authenticated SMTP" for your organisation or for this one mailbox in Microsoft 365.
advice-allow_smtp_auth-mailbox = Ask your administrator to switch on "Authenticated SMTP" for this mailbox: in the Microsoft 365 admin center, under Active users, the user, Mail, Manage email apps.
advice-other_account-any = Use another email account to send from, one that lets programs sign in with a password.
advice-ask_administrator = Ask your administrator for a server through which programs may send, and show them this message.
advice-allow_in_rules = Ask your administrator to exempt this mailbox from the rule that blocks sign-in with a password (security defaults or Conditional Access).
advice-unlock_account = Sign in on your provider's website to unlock the account.
advice-renew_password = Change the password on your provider's website, and enter the new one here.
advice-switch_access_on = Switch on access for email programs (POP3, IMAP, SMTP) in the settings of your mailbox on your provider's website.
advice-allow_ip = Add this computer's internet address to the allowed ones in your account on the provider's website.
advice-use_username_apikey = Use the word apikey as the username, and a key made at { $provider } as the password.
advice-use_login_port = Use port 587 with automatic encryption and the login of your email account.
advice-wait-seconds = { $count ->
    [one] Try again in { $count } second.
   *[other] Try again in { $count } seconds.
}
advice-wait-minutes = { $count ->
    [one] Try again in { $count } minute.
   *[other] Try again in { $count } minutes.
}
advice-wait-hours = { $count ->
    [one] Try again in { $count } hour.
   *[other] Try again in { $count } hours.
}
advice-try_tomorrow = Try again tomorrow, or ask your provider for a higher limit.
advice-open_link = Open the page that the server names: it says why, and what can be done.
advice-other_programs = Close other programs and devices that send through the same account, or wait until they are done.
advice-ask_recipient_other_address = Ask the recipient for another address, for example by phone.
advice-free_space = Delete old emails in your own mailbox, the sent ones too, or ask your provider for more space.
advice-verify_sender = Confirm { $sender } as a sender on your provider's website, or send from an address that is confirmed there.
advice-leave_test_mode = Ask the provider to end the test mode of your account, or send only to addresses that are confirmed there.
advice-check_sender_domain = Check the part after the @ in { $sender } for typing mistakes.
advice-ask_domain = Ask whoever looks after the domain of { $sender } to allow { $host } to send for it, or send through the server of that domain.
advice-ask_program = Ask the maker of { $program } to set a proper name for this computer.
advice-check_copy = Check the address for copies in the settings.
advice-fewer_recipients = Send the email to fewer recipients at a time.
advice-tell_recipient_full = Tell the recipient in another way that the mailbox is full, and send the email again later.
advice-check_domain = Check the part after the @ in { $recipient } for typing mistakes.
advice-scan_files = Check the attachments with an antivirus program before you send them to anybody.
advice-remove_attachment = Leave out the attachment that is not a document, such as a program or an archive.
advice-change_words = Write the subject and the text in other words, without links, and send the email again.

## The words of a user interface around the form and the email

word-settings_title = Email settings
word-loading = Loading…
word-saved = The settings are saved.
word-try_again = Try again
word-no_answer = { $program } does not answer. Nothing was changed.
word-connection_lost = The connection to { $program } was lost. Try again to see how it went on.
word-end_unknown = { $program } does not know how it ended. Ask the recipient whether the email arrived before you send it again.
word-other_version = Some of this form is newer than this page and cannot be shown in full.
word-required = required
word-show_password = Show
word-hide_password = Hide
word-use_proposal = Use these settings
word-provider_steps = How to set up { $provider }
word-open_page = Open the page
word-testing = Testing…
word-cancel = Cancel
word-canceling = Cancelling…
word-close = Close
word-step_ok = done
word-step_failed = failed
word-step_skipped = not reached
word-what_to_do = What to do
word-apply = Apply
word-apply_and_test = Apply and test again
word-server_said = The server said
word-details = Details
word-certificate = Certificate
word-certificate_subject = Issued to
word-certificate_issuer = Issued by
word-certificate_valid = Valid
word-certificate_names = Names
word-certificate_fingerprint = SHA-256 fingerprint
word-accept_certificate = Accept and test again
word-signed_in_as = Signed in as { $account }
word-sign_in_waiting = Waiting for the sign-in in the browser…
word-sign_in_open = Open the sign-in page
word-sign_in_code = Enter this code there
word-email_title = Send by email
word-to = To
word-cc = Cc
word-bcc = Bcc
word-show_cc_bcc = Cc and Bcc
word-addresses_help = Several addresses are separated by commas.
word-subject = Subject
word-message = Message
word-write = Write
word-preview = Preview
word-markdown_help = **bold**, *italic*, lists and [links](https://example.com) are possible.
word-document = Document
word-attachments = Attachments
word-add_attachment = Add a file
word-remove_attachment = Remove { $file }
word-send = Send
word-sending = Sending…
word-before_sending = Before you send
word-send_anyway = Send anyway
word-recipient = Recipient
word-outcome = Outcome
word-outcome_accepted = accepted
word-outcome_refused = refused
word-outcome_deferred = not now
word-outcome_not_sent = not sent
word-outcome_uncertain = not certain
word-discard_question = Close without sending? What you wrote is lost.
word-discard = Close without sending
word-keep_editing = Keep editing
