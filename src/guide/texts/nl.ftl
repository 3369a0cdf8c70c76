### Every text that reaches a person, in Dutch. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Verzenden
field-protocol = Verzenden via
choice-protocol-smtp = Mijn e-mailprovider (SMTP)
choice-protocol-http = Een webdienst (HTTP-relay)
help-protocol = De meeste mensen kiezen hun e-mailprovider.
field-http_server = Adres van de webdienst
help-http_server = Het adres dat u van de beheerder van de webdienst hebt gekregen.
placeholder-http_server = https://email.example.com/
field-http_token = Toegangstoken
help-http_token = Alleen als u er een van de beheerder van de webdienst hebt gekregen.
field-smtp_host = SMTP-server
help-smtp_host = De naam van de server voor uitgaande e-mail van uw provider, bijvoorbeeld smtp.gmail.com, smtp.mail.yahoo.com of smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Poort
help-smtp_port = Gebruikelijk zijn 465 en 587. Welke u nodig hebt, staat op de helppagina’s van uw provider.
placeholder-smtp_port = 587
field-smtp_security = Versleuteling
help-smtp_security = Automatisch past bij bijna elke server: TLS op poort 465, STARTTLS op elke andere poort. Een verbinding die niet kan worden versleuteld, wordt niet gebruikt.
choice-smtp_security-auto = Automatisch (aanbevolen)
choice-smtp_security-tls = TLS vanaf het begin (gebruikelijk op poort 465)
choice-smtp_security-starttls = STARTTLS (gebruikelijk op poort 587)
choice-smtp_security-none = Geen: alles is onderweg leesbaar
field-allow_insecure_login = Mijn wachtwoord onversleuteld verzenden
help-allow_insecure_login = Iedereen op de weg naar de server kan het wachtwoord dan lezen. Alleen voor een server in uw eigen netwerk.
field-auth = Inloggen met
choice-auth-password = Gebruikersnaam en wachtwoord
choice-auth-oauth2 = Inloggen bij de provider (OAuth 2.0)
help-auth = Bij sommige providers, zoals Microsoft 365, kunnen programma’s pas verzenden nadat u op hun eigen pagina bent ingelogd.
field-username = Gebruikersnaam
help-username = Vaak uw volledige e-mailadres. Laat dit leeg als u bij de server niet hoeft in te loggen.
placeholder-username = naam@example.com
field-mailbox = Andere mailbox
help-mailbox = Alleen als u vanuit een andere mailbox dan uw eigen verzendt, bijvoorbeeld een gedeelde. U logt nog steeds met uw eigen account in.
placeholder-mailbox = kantoor@example.com
field-email_address = E-mailadres
help-email_address = Het adres waarvandaan uw e-mails worden verzonden.
placeholder-email_address = naam@example.com
field-password = Wachtwoord
help-password = Het wachtwoord van dit e-mailaccount. Is er al een opgeslagen, laat dit dan leeg om het te behouden.
help-password-app_password = { $provider } vraagt hier om een app-wachtwoord, niet om uw gewone wachtwoord.
help-password-two_steps = Als verificatie in 2 stappen aanstaat, vraagt { $provider } hier om een app-wachtwoord, niet om uw gewone wachtwoord.
help-password-not_for_long = { $provider } schakelt het inloggen met een wachtwoord voor e-mailprogramma’s geleidelijk uit. Wordt de test geweigerd, vraag uw beheerder dan om het toe te staan (‘Geverifieerde SMTP’).
help-password-key = { $provider } vraagt hier om een sleutel, die u op de website van de provider aanmaakt.
help-password-no_password = { $provider } laat programma’s niet meer met een wachtwoord inloggen. Gebruik een ander e-mailaccount om mee te verzenden.
field-sender_name = Naam van de afzender
help-sender_name = De naam die de ontvangers van uw e-mails zien, meestal de naam van uw bedrijf.
field-send_copy = Een kopie van elke e-mail naar dit adres verzenden
help-send_copy = Voor uw eigen administratie. De ontvangers van uw e-mails zien dit niet.
field-copy_to = Adres voor kopieën
help-copy_to = Scheid meerdere adressen met komma’s.
placeholder-copy_to = archief@example.com
field-different_reply_to = Antwoorden ontvangen op een ander adres dan waarmee u verzendt
help-different_reply_to = Antwoorden gaan dan naar het adres hieronder.
field-reply_to = Antwoordadres
help-reply_to = Scheid meerdere adressen met komma’s.
placeholder-reply_to = kantoor@example.com
field-allow_untrusted_certificate = Het eigen certificaat van deze server vertrouwen
help-allow_untrusted_certificate = Alleen voor een eigen server met een zelfondertekend certificaat. Voer de test uit, vergelijk de vingerafdruk die wordt getoond en accepteer die.
field-trusted_certificate = Vingerafdruk van het certificaat
help-trusted_certificate = SHA-256. Wordt ingevuld wanneer u het certificaat accepteert dat de test toont; vanaf dat moment wordt alleen dat certificaat geaccepteerd.
button-test = E-mailinstellingen testen
button-update = Opslaan
button-sign_in = Inloggen
button-sign_out = Uitloggen
button-email = E-mailen
page-signed_in-title = Ingelogd
page-signed_in = U kunt deze pagina sluiten en teruggaan naar { $program }.
page-not_signed_in-title = Niet ingelogd
page-not_signed_in = Ga terug naar { $program }: daar staat de reden.

why_not-fields = Enkele velden vragen nog uw aandacht.

## Providers: what to do there, step by step

proposal-provider = Gebruik de server { $host } van { $provider } op poort { $port }.
proposal-autoconfig = { $domain } publiceert deze instellingen: { $host } op poort { $port }.
proposal-srv = { $domain } noemt { $host } als zijn server voor het verzenden van e-mails.
proposal-mx = De e-mails van { $domain } staan bij { $provider }, waarvan dit de instellingen zijn.
proposal-probe = { $host } antwoordt op poort { $port } met versleuteling.

steps-required-1 = Log in op de website van { $provider } en zoek in de beveiligingsinstellingen naar app-wachtwoorden.
steps-required-2 = Maak een nieuw app-wachtwoord met de naam { $program }.
steps-required-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-with_two_steps-1 = Staat verificatie in 2 stappen bij { $provider } aan, maak daar dan in de beveiligingsinstellingen een app-wachtwoord met de naam { $program }.
steps-with_two_steps-2 = Kopieer het hier naar het wachtwoordveld. Zonder verificatie in 2 stappen vult u uw gewone wachtwoord in.
steps-not_for_long-1 = Vraag de beheerder van uw account bij { $provider } om programma’s met een wachtwoord te laten inloggen.
steps-not_for_long-2 = Vul hier het wachtwoord van het postvak in.
steps-no_password-1 = Gebruik een ander e-mailaccount om mee te verzenden: { $provider } laat programma’s niet met een wachtwoord inloggen.
steps-key-1 = Log in op de website van { $provider } en maak een sleutel of inloggegevens voor SMTP.
steps-key-2 = Kopieer de gebruikersnaam en de sleutel hier naar de velden.
steps-none-1 = Vul het wachtwoord in waarmee u bij { $provider } inlogt.
steps-unknown-1 = Controleer in de instellingen van { $provider } of andere programma’s via uw postvak mogen verzenden.
steps-unknown-2 = Vul het wachtwoord in waarmee u inlogt. Heeft { $provider } app-wachtwoorden, maak er dan een voor { $program } en vul dat in.

steps-gmail-1 = Open de beveiligingspagina van uw Google-account en zet verificatie in 2 stappen aan, als dat nog niet is gebeurd.
steps-gmail-2 = Open ‘App-wachtwoorden’, vul { $program } in als naam en kies ‘Maken’.
steps-gmail-3 = Kopieer de 16 letters die Google toont hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-google-workspace-1 = Open de beveiligingspagina van uw Google-account en zet verificatie in 2 stappen aan, als dat nog niet is gebeurd.
steps-google-workspace-2 = Open ‘App-wachtwoorden’, vul { $program } in als naam en kies ‘Maken’.
steps-google-workspace-3 = Kopieer de 16 letters die Google toont hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-google-workspace-4 = Is er geen pagina voor app-wachtwoorden, vraag uw Google Workspace-beheerder dan om ze toe te staan.
steps-outlook-personal-1 = Gebruik een ander e-mailaccount om mee te verzenden: { $provider } laat programma’s niet meer met een wachtwoord inloggen.
steps-outlook-personal-2 = Wilt u de antwoorden toch op uw adres bij { $provider } ontvangen, vul dat dan in als antwoordadres.
steps-microsoft365-1 = Open het Microsoft 365-beheercentrum en kies ‘Gebruikers’, ‘Actieve gebruikers’ en het postvak waarvandaan { $program } verzendt. Bent u niet de beheerder, vraag het dan aan uw beheerder.
steps-microsoft365-2 = Kies op het tabblad ‘E-mail’ voor ‘E-mail-apps beheren’, vink ‘Geverifieerde SMTP’ aan en sla de wijzigingen op.
steps-microsoft365-3 = Vul hier het adres en het wachtwoord van het postvak in en test de instellingen.
steps-yahoo-1 = Log in en open de pagina ‘Accountbeveiliging’.
steps-yahoo-2 = Kies ‘App-wachtwoord maken’ (of ‘App-wachtwoord genereren’), vul { $program } in als naam van de app en laat het wachtwoord genereren.
steps-yahoo-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-att-1 = Log in op uw AT&T-account en maak een ‘secure mail key’ voor uw e-mailadres.
steps-att-2 = Kopieer de sleutel hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-icloud-1 = Zet twee-factor-authenticatie voor uw Apple Account aan, als dat nog niet is gebeurd.
steps-icloud-2 = Log in op account.apple.com, open ‘Inloggen en beveiliging’, kies ‘App-specifieke wachtwoorden’ en maak er een met de naam { $program }.
steps-icloud-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-gmx-1 = Log in op de website van { $provider } en sta in de e-mailinstellingen toegang via POP3 en IMAP toe: die is ook voor het verzenden nodig.
steps-gmx-2 = Staat tweestapsverificatie aan, maak dan in uw account onder beveiliging een app-specifiek wachtwoord.
steps-gmx-3 = Vul dat wachtwoord hier in. Zonder tweestapsverificatie vult u uw gewone wachtwoord in.
steps-tonline-1 = Log in op het klantencentrum van Telekom en stel een wachtwoord voor e-mailprogramma’s in.
steps-tonline-2 = Vul dat wachtwoord hier in: het is niet het wachtwoord waarmee u inlogt.
steps-fastmail-1 = Log in bij Fastmail en open ‘Settings’, ‘Privacy & Security’ en daarna ‘Integrations’ (of ‘Connected apps’).
steps-fastmail-2 = Kies ‘New app password’, vul { $program } in als naam en laat de toegang tot e-mail aanstaan.
steps-fastmail-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld.
steps-zoho-1 = Log in op uw Zoho-account en open ‘Security’ en daarna ‘App Passwords’.
steps-zoho-2 = Kies ‘Generate New Password’ en vul { $program } in als naam.
steps-zoho-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld. Zonder multifactorauthenticatie werkt ook uw gewone wachtwoord.
steps-proton-1 = Controleer of u een adres met een eigen domein en een abonnement met SMTP hebt: met andere is verzenden niet mogelijk.
steps-proton-2 = Open in de instellingen ‘IMAP/SMTP’, kies ‘Token genereren’, vul { $program } in als naam en kies het adres.
steps-proton-3 = Vul dat adres hier in als gebruikersnaam en kopieer het token naar het wachtwoordveld.
steps-yandex-1 = Open de instellingen van Yandex Mail, kies ‘Email clients’ en sta toegang met app-wachtwoorden toe.
steps-yandex-2 = Open ‘App passwords’ in uw Yandex ID en maak er een voor Mail met de naam { $program }.
steps-yandex-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-mailru-1 = Log in op uw Mail.ru-account en open de beveiligingsinstellingen en daarna de wachtwoorden voor externe toepassingen.
steps-mailru-2 = Voeg er een toe met de naam { $program } en geef die toegang tot e-mail via IMAP, POP en SMTP.
steps-mailru-3 = Kopieer het getoonde wachtwoord hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-qq-1 = Log in bij QQ Mail, open de instellingen en daarna het account, en zet de dienst POP3/IMAP/SMTP aan.
steps-qq-2 = Laat een autorisatiecode genereren en bevestig die met uw telefoon.
steps-qq-3 = Kopieer de code hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-netease-1 = Log in op uw postvak, open de instellingen en daarna POP3/SMTP/IMAP, en zet SMTP aan.
steps-netease-2 = Maak een autorisatiecode en bevestig die met uw telefoon.
steps-netease-3 = Kopieer de code hier naar het wachtwoordveld, in plaats van uw gewone wachtwoord.
steps-no_programs-1 = Gebruik een ander e-mailaccount om mee te verzenden: { $provider } is alleen in de eigen apps te gebruiken.
steps-no_programs-2 = Wilt u de antwoorden toch op uw adres bij { $provider } ontvangen, vul dat dan in als antwoordadres.
steps-sendgrid-1 = Log in bij SendGrid en maak een API-sleutel met de naam { $program } en met toestemming om e-mail te verzenden.
steps-sendgrid-2 = Vul hier het woord apikey in als gebruikersnaam.
steps-sendgrid-3 = Kopieer de sleutel naar het wachtwoordveld.
steps-mailgun-1 = Log in bij Mailgun, open ‘Sending’ en daarna ‘Domain settings’, kies uw domein en open ‘SMTP credentials’.
steps-mailgun-2 = Vul de getoonde login hier volledig in als gebruikersnaam.
steps-mailgun-3 = Stel daar het wachtwoord ervan opnieuw in en kopieer het nieuwe naar het wachtwoordveld.
steps-postmark-1 = Log in bij Postmark, open uw server en daarna ‘API Tokens’, en kopieer het server-API-token.
steps-postmark-2 = Vul het token hier twee keer in: als gebruikersnaam en als wachtwoord.
steps-ses-1 = Open de SES-console in de regio waarvandaan u verzendt, daarna ‘SMTP settings’, en kies ‘Create SMTP credentials’.
steps-ses-2 = Kopieer de SMTP-gebruikersnaam en het SMTP-wachtwoord hier naar de velden. Het zijn niet uw AWS-toegangssleutels.
steps-ses-3 = Controleer of de server hier die van die regio is.
steps-brevo-1 = Log in bij Brevo en open ‘SMTP & API’ en daarna het tabblad ‘SMTP’.
steps-brevo-2 = Vul de login die daar staat hier in als gebruikersnaam.
steps-brevo-3 = Genereer een SMTP-sleutel met de naam { $program } en kopieer die naar het wachtwoordveld. Een API-sleutel werkt hier niet.
steps-resend-1 = Log in bij Resend en maak een API-sleutel met de naam { $program } en met toegang om te verzenden.
steps-resend-2 = Vul hier het woord resend in als gebruikersnaam.
steps-resend-3 = Kopieer de sleutel naar het wachtwoordveld.
steps-mailjet-1 = Log in bij Mailjet en open de pagina met uw API-sleutels.
steps-mailjet-2 = Vul hier de API-sleutel in als gebruikersnaam en de geheime sleutel als wachtwoord.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Deze server is voor het ontvangen van e-mails. Gebruik voor het verzenden de server { $host } van { $provider }.
warning-port_25 = Poort 25 is bedoeld voor e-mail tussen servers en wordt door veel internetproviders geblokkeerd. Gebruik 587 of 465 als uw e-mailprovider die aanbiedt.
warning-no_encryption = Uw e-mails, en de documenten daarin, zijn onderweg voor iedereen leesbaar.
warning-own_certificate = Alleen het ene certificaat met deze vingerafdruk wordt vertrouwd. Krijgt de server een nieuw certificaat, voer de test dan opnieuw uit en accepteer het.

fault-required = Vul dit veld in.
fault-required-http_server = Vul het adres van de webdienst in.
fault-required-smtp_host = Vul de naam van de SMTP-server van uw provider in.
fault-required-smtp_port = Vul de poort in: bij de meeste providers 587 of 465.
fault-required-username = Vul het e-mailadres in van het account dat inlogt.
fault-required-email_address = Vul het e-mailadres in waarmee u verzendt.
fault-required-password = Vul het wachtwoord van dit account in.
fault-required-copy_to = Vul het adres in dat de kopieën krijgt, of haal het bijbehorende vinkje weg.
fault-required-reply_to = Vul het adres in waar antwoorden naartoe moeten gaan.
fault-required-trusted_certificate = Voer de test uit en accepteer het certificaat dat wordt getoond, of haal het bijbehorende vinkje weg.
fault-password_again = Het opgeslagen wachtwoord hoort bij een andere server, poort, versleuteling of gebruikersnaam. Vul het wachtwoord opnieuw in.
fault-password_without_username = Vul de gebruikersnaam in die bij het wachtwoord hoort, of maak het wachtwoordveld leeg.
fault-token_in_clear = Zonder versleuteling zouden de inloggegevens onderweg leesbaar zijn. Kies een andere versleuteling.
fault-not_signed_in = Log eerst in: met dit account is nog niet ingelogd.
fault-sign_in_settings_changed = De instellingen zijn intussen gewijzigd, daarom is deze aanmelding niet opgeslagen. Log opnieuw in.
fault-no_sign_in_here = Voor deze server is geen aanmelding bij de provider bekend. Gebruik de gebruikersnaam en het wachtwoord.
fault-no_client = { $program } kan nog niet inloggen bij { $provider }: de maker moet het daar eerst registreren.
fault-choice_unknown = { $value } is niet een van de keuzes: { $choices }.
fault-host_has_scheme = Laat ‘{ $scheme }’ weg: hier staat alleen de naam van de server, bijvoorbeeld smtp.example.com.
fault-host_has_port = Laat ‘:{ $port }’ hier weg: voor de poort is er een eigen veld.
fault-host_has_path = Laat alles vanaf de ‘/’ weg: hier staat alleen de naam van de server.
fault-host_has_space = In een servernaam staan geen spaties.
fault-host_is_address = Dit is een e-mailadres. Hier is de naam van de server nodig, bijvoorbeeld smtp.example.com.
fault-host_invalid = Dit is geen servernaam. Een servernaam ziet eruit als smtp.example.com.
fault-port_invalid = De poort is een geheel getal van 1 tot en met 65535; gebruikelijk zijn 587 en 465.
fault-url_invalid = Dit is geen webadres. Een webadres ziet eruit als https://email.example.com/.
fault-url_not_web = Hier werken alleen adressen met https://.
fault-url_not_secure = Het document zou onversleuteld worden verzonden: gebruik https:// in plaats van http://.
fault-url_has_login = Laat de gebruikersnaam en het wachtwoord weg uit het adres: voor een toegangstoken is er een eigen veld.
fault-username_control = In de gebruikersnaam staat een regeleinde of een ander onzichtbaar teken. Typ de gebruikersnaam opnieuw in plaats van die te plakken.
fault-secret_control = Er staat een regeleinde of een ander onzichtbaar teken in. Typ het opnieuw in plaats van het te plakken.
fault-fingerprint_invalid = Een SHA-256-vingerafdruk heeft 64 tekens: de cijfers 0 tot en met 9 en de letters A tot en met F.
fault-insecure_login = Zonder versleuteling zou het wachtwoord onderweg leesbaar zijn. Kies een andere versleuteling, of zet dit vinkje als u dat zo wilt.
fault-established_provider = Haal dit vinkje weg: { $provider } heeft een geldig certificaat, en als dat wordt geweigerd, zou iets onderweg uw wachtwoord krijgen.
fault-too_long_text = Dit is te lang: er passen hoogstens { $limit } tekens.

fault-too_long = { $bytes } bytes is te veel: er worden er hoogstens { $limit } aangenomen.
fault-bad_json = Dit is geen JSON: de fout staat in regel { $line }, kolom { $column }.
fault-wrong_type = Hier wordt verwacht: { $expected }; gevonden is: { $found }.
type-an_object = een object
type-text = tekst
type-true_or_false = true of false
type-true_or_false_or_an_object = true, false of een object
type-a_number = een getal
type-a_list = een lijst
type-text_or_a_list_of_texts = tekst of een lijst met teksten
type-a_number_or_text = een getal of tekst
type-a_host_name = een servernaam
type-a_link_or_null = een link of null
type-null = null
fault-out_of_range = Dit moet van { $least } tot en met { $most } zijn.
fault-unknown_key = Er bestaat geen sleutel met deze naam.
fault-unknown_key_near = Er bestaat geen sleutel met deze naam. Is { $nearest } bedoeld?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf is NULL, en email_json heeft geen document.path: geef de bytes van de pdf op, of het pad van het bestand.
   *[other] { $argument } is NULL.
}
call-bad_utf8 = { $argument } is geen UTF-8: de eerste onjuiste byte staat op positie { $position }.
call-null_with_length = { $argument } is NULL, maar de lengte is { $length } bytes.
call-bad_length = { $argument } heeft { $bytes } bytes; een kopie daarvan past niet in het geheugen van deze machine.
fault-key_needs_store = Zonder store heeft dit geen effect.
fault-one_key_only = Slechts een van key, passphrase en keychain kan worden opgegeven.
fault-wrong_type_expected = Hier wordt verwacht: { $expected }.

fault-control_character = In deze tekst staat een teken dat niet kan worden verzonden ({ $character }), bijvoorbeeld een regeleinde. Typ de tekst opnieuw in plaats van die te plakken.
fault-bidi_character = In deze tekst staat een onzichtbaar teken dat de schrijfrichting verandert ({ $character }). Typ de tekst opnieuw in plaats van die te plakken.

fault-address_empty = Hier ontbreekt een adres.
fault-address_no_at = { $address } is geen e-mailadres: de ‘@’ ontbreekt.
fault-address_several_at = { $address } is geen e-mailadres: er staat meer dan één ‘@’ in.
fault-address_missing_separator = { $address }: zet een komma tussen twee adressen.
fault-address_no_local = { $address } is geen e-mailadres: het deel voor de ‘@’ ontbreekt.
fault-address_no_domain = { $address } is geen e-mailadres: het deel na de ‘@’ ontbreekt.
fault-address_space = { $address } is geen e-mailadres: er staat een spatie in.
fault-address_invisible_character = In het adres staat een onzichtbaar teken ({ $character }). Typ het adres opnieuw in plaats van het te plakken.
fault-address_local_too_long = Het deel voor de ‘@’ is te lang: het heeft { $bytes } bytes, en er zijn er hoogstens { $limit } toegestaan.
fault-address_too_long = Het adres is te lang: het heeft { $bytes } bytes, en er zijn er hoogstens { $limit } toegestaan.
fault-address_bad_domain = { $domain } is geen domein van een e-mailadres.
fault-address_bad_local = { $local } kan niet voor de ‘@’ van een e-mailadres staan.
fault-mailbox_quote = { $text }: er ontbreekt een aanhalingsteken.
fault-mailbox_bracket = { $text }: het adres moet tussen ‘<’ en ‘>’ staan.
fault-mailbox_text_after_address = { $text }: na de ‘>’ mag niets meer volgen.
fault-mailbox_missing_separator = { $text }: zet een komma tussen twee adressen.
fault-too_many_recipients = { $number } ontvangers is te veel voor één e-mail: er zijn er hoogstens { $limit } toegestaan.
fault-one_address_only = Vul maar één adres in.
fault-no_recipients = Vul ten minste één ontvanger in.
fault-header_too_long = Dit is te lang voor een e-mail: het heeft { $bytes } bytes, en er zijn er hoogstens { $limit } toegestaan.
fault-file_name_empty = Het bestand heeft een naam nodig.
fault-file_name_dots = ‘{ $name }’ is geen bestandsnaam.
fault-file_name_separator = In een bestandsnaam kan het teken ‘{ $character }’ niet voorkomen.
fault-file_name_encoded_word = In een bestandsnaam kan ‘=?’ niet voorkomen: sommige e-mailprogramma’s zouden een andere naam tonen.
fault-file_name_too_long = De bestandsnaam is te lang: die heeft { $bytes } bytes, en er zijn er hoogstens { $limit } toegestaan.
fault-file_missing = Het bestand { $path } is er niet.
fault-file_is_folder = { $path } is een map, geen bestand.
fault-file_not_regular = { $path } is geen gewoon bestand.
fault-file_changed = Het bestand { $path } is gewijzigd terwijl het werd gelezen. Probeer het opnieuw zodra het volledig is.
fault-file_unreadable = Het bestand { $path } kan niet worden gelezen: { $error }.
fault-files_too_large = Het document en de bijlagen zijn samen te groot: er worden hoogstens { $limit } bytes aangenomen.
fault-files_no_memory = Er is niet genoeg geheugen voor { $bytes } bytes.
fault-pdf_empty = De pdf is leeg: er staan geen bytes in.
fault-pdf_not_a_pdf = Dit is geen pdf: in de eerste 1.024 bytes staat geen ‘%PDF-’.
fault-document_twice = Ofwel de bytes van de pdf ofwel het pad van het bestand kan worden opgegeven, niet allebei.
fault-attachment_twice = Ofwel path ofwel base64 kan worden opgegeven, niet allebei.
fault-attachment_missing = Ofwel path ofwel base64 moet worden opgegeven.
fault-file_name_missing = Een bijlage die als base64 wordt opgegeven, heeft een file_name nodig.
fault-base64_bad = Dit is geen base64.
fault-type_bad = { $type } is geen mediatype zoals application/pdf.
fault-type_composite = { $type } kan niet als type van een bijlage worden verzonden; gebruik application/octet-stream.
fault-body_twice = Ofwel body, ofwel body_html samen met body_text kan worden opgegeven.
fault-body_text_missing = Naast body_html is body_text nodig, voor e-mailprogramma’s die geen HTML tonen.
fault-body_html_missing = body_text hoort bij body_html; gebruik body voor alleen tekst.
fault-idempotency_key_bad = De sleutel bestaat uit 1 tot en met { $limit } zichtbare ASCII-tekens.
fault-access_token_bad = Een toegangstoken bestaat uit 1 tot en met { $limit } zichtbare ASCII-tekens.
fault-access_token_unused = Deze instellingen gebruiken geen toegangstoken: auth is niet oauth2.
fault-sign_in_unused = Deze instellingen hebben geen aanmelding bij de provider: auth is niet oauth2.
fault-flow_unknown = De waarde is browser, redirect, device of client_credentials.
fault-redirect_uri_bad = Bij redirect hoort een eigen https://-adres, bij de andere waarden niet.
fault-sign_in_unknown = Er is geen aanmelding met die naam: ze is al afgerond, of begonnen met een ander accountobject of door een ander proces.
fault-callback_bad = Dit is niet het adres waarheen de provider de browser voor deze aanmelding stuurde.
fault-no_randomness = Het systeem gaf geen willekeurige getallen, die voor elke e-mail nodig zijn. Probeer het opnieuw.

fault-key_invalid = De sleutel bestaat niet uit 32 bytes in base64.
fault-passphrase_empty = De wachtwoordzin is leeg.
fault-ca_file_unreadable = Het certificaatbestand kan niet worden gelezen: { $detail }.
fault-ca_file_invalid = Een certificaat in dit bestand kan niet worden gebruikt: { $detail }.
fault-ca_file_empty = In dit bestand staat geen certificaat. Het moet de PEM-indeling hebben.
fault-store_empty = Het pad van het instellingenbestand is leeg.
fault-program_name_empty = De naam van het programma is leeg.
fault-key_missing = Dit is verplicht.
fault-host_name_invalid = Dit is niet de naam van een server of een domein.
fault-link_invalid = Dit is geen adres van een webpagina dat met https:// begint en geen inloggegevens bevat.
fault-provider_twice = Er is al een andere rij met de id { $id }.
fault-locale_invalid = Dit is geen taalcode zoals en, ro of pt-BR.
fault-text_syntax = De tekst { $id } is geen Fluent, op regel { $line }: { $detail }.
fault-text_unknown = Er is geen tekst met de naam { $id } (regel { $line }).
fault-text_twice = De tekst { $id } staat er twee keer (regel { $line }).
fault-text_word = De tekst { $id } (regel { $line }) gebruikt { $word }, dat er daarvoor niet is.
fault-hello_name_invalid = Dit is geen hostnaam die met EHLO kan worden verzonden.
fault-proxy_invalid = { $variable ->
    [none] Dit is niet het adres van een proxy. Het ziet eruit als socks5://proxy.example.com:1080 of http://user:password@proxy.example.com:3128, of is het woord environment.
   *[other] De omgevingsvariabele { $variable } is niet het adres van een proxy. Het ziet eruit als socks5://proxy.example.com:1080 of http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Proxy’s met { $scheme }:// kunnen hier niet worden gebruikt: geef er een op met socks5:// of http://.
   *[other] De omgevingsvariabele { $variable } noemt een proxy met { $scheme }://, die hier niet kan worden gebruikt: geef er een op met socks5:// of http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] De gebruikersnaam of het wachtwoord van de proxy kan niet worden gebruikt: beide hebben hoogstens 255 bytes en geen regeleinden, en bijzondere tekens worden geschreven zoals in webadressen, bijvoorbeeld %40 voor @.
   *[other] De gebruikersnaam of het wachtwoord van de proxy in de omgevingsvariabele { $variable } kan niet worden gebruikt: beide hebben hoogstens 255 bytes en geen regeleinden, en bijzondere tekens worden geschreven zoals in webadressen, bijvoorbeeld %40 voor @.
}

fault-nameserver_invalid = Dit is geen adres van een naamserver. Het ziet eruit als 192.0.2.53 of 127.0.0.1:5353.

discovery-nothing = Er zijn geen instellingen gevonden voor { $domain }: ze staan op de hulppagina's van uw provider.
discovery-canceled = Het zoeken naar instellingen is geannuleerd.

settings-faults = { $count ->
    [one] { $label }: { $message }
   *[other] { $count } velden vragen nog uw aandacht. Het eerste is { $label }: { $message }
}
email-faults = De e-mail kan zo niet worden verzonden. { $message }
not_configured = E-mail is nog niet ingesteld. Vul eerst de e-mailinstellingen in.

## The store

protection-memory = De instellingen worden alleen in het geheugen bewaard en zijn weg zodra { $program } wordt afgesloten.
protection-given_key = Het wachtwoord is in het instellingenbestand versleuteld met een sleutel die { $program } bewaart.
protection-passphrase = Het wachtwoord is in het instellingenbestand versleuteld met een sleutel die uit een wachtwoordzin is gemaakt.
protection-keychain = Het wachtwoord is in het instellingenbestand versleuteld met een sleutel uit de sleutelhanger van het systeem.
protection-key_file = Het wachtwoord is versleuteld in het instellingenbestand. De sleutel staat in een bestand ernaast dat alleen deze gebruiker mag lezen: wie beide bestanden kan lezen, kan het wachtwoord lezen.

store-damaged = Het instellingenbestand { $path } is beschadigd ({ $detail }). Het is ongewijzigd gelaten. Wis de instellingen en vul ze opnieuw in, of zet het bestand terug vanuit een back-up.
store-tampered = Het instellingenbestand { $path } is door iets anders dan { $program } gewijzigd. Voor de veiligheid wordt het niet gebruikt; het is ongewijzigd gelaten. Wis de instellingen en vul ze opnieuw in, of zet het bestand terug vanuit een back-up.
store-wrong_key = Het instellingenbestand { $path } kan niet met deze sleutel worden geopend ({ $detail }). Het is ongewijzigd gelaten.
store-newer = Het instellingenbestand { $path } is geschreven door een nieuwere versie van { $program }. Het is ongewijzigd gelaten. Werk { $program } bij.
store-no_folder = De map { $path } voor het instellingenbestand kan niet worden gebruikt: { $detail }.
store-unreadable = Het instellingenbestand { $path } kan niet worden gelezen: { $detail }.
store-unwritable = De instellingen konden niet worden opgeslagen in { $path }: { $detail }. De vorige instellingen blijven gelden.
store-busy = Een ander programma slaat op dit moment de instellingen op in { $path }. Probeer het opnieuw.
store-key_file_exposed = Het sleutelbestand { $path } kan door andere gebruikers van deze computer worden gelezen en beschermt daardoor niets. Maak het alleen leesbaar voor de eigenaar.
store-key_missing = Het sleutelbestand { $path } waarmee de instellingen worden geopend, ontbreekt. Zet het terug vanuit een back-up, of wis de instellingen en vul ze opnieuw in.
store-no_keychain = De sleutelhanger van het systeem kan niet worden gebruikt: { $detail }.

## The Email button

kind-invoice = Factuur
kind-quote = Offerte
kind-order = Bestelling
kind-credit_note = Creditnota
kind-delivery_note = Pakbon
kind-receipt = Kwitantie
kind-reminder = Betalingsherinnering
kind-statement = Rekeningoverzicht
kind-payslip = Loonstrook
kind-report = Rapport
kind-document = Document
button-subject = { $document }
button-subject_from = { $document } van { $sender }
button-body =
    Beste { $name },

    In de bijlage vindt u: { $document }.
button-body_no_name =
    Goedendag,

    In de bijlage vindt u: { $document }.
button-closing =
    Met vriendelijke groet,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } lijkt niet het juiste adres. Is { $meant } bedoeld?
check-recipient_twice = { $address } staat twee keer bij de ontvangers.
check-no_subject = De e-mail heeft geen onderwerp.
check-no_body = De e-mail heeft geen tekst.
check-placeholder = { $placeholder } lijkt op een invulveld dat niet is ingevuld.
check-other_provider = { $sender } is een adres van { $provider }, maar de e-mail gaat via { $other }: veel servers zien zulke e-mails als vervalst. Verzend via { $provider }, of vanaf een ander adres.
check-over_size_limit = De e-mail is { $size }, en { $provider } neemt hoogstens { $limit } aan. Maak de bijlagen kleiner, of verzend in plaats daarvan een link.
check-over_recipient_limit = De e-mail heeft { $number } ontvangers, en { $provider } neemt er hoogstens { $limit } aan. Verzend de e-mail aan een deel van hen tegelijk.
check-no_reply_to = Antwoorden op deze e-mail gaan naar { $sender }, waar waarschijnlijk niemand ze leest. Vul een antwoordadres in.

## The test mail

test_subject = Testmail van { $program }
test_body =
    Dit is een testmail van { $program }.

    Als u dit kunt lezen, werken uw e-mailinstellingen.

## Progress

step-turn = Wachten tot andere e-mails zijn verzonden
step-sign_in = De aanmelding vernieuwen
step-name = Server opzoeken
step-connect = Verbinding maken
step-proxy = Verbinding maken via de proxy
step-tls = Verbinding versleutelen
step-greeting = Server begroeten
step-login = Inloggen
step-sender = Afzender opgeven
step-recipient = Ontvangers opgeven
step-content = Verzenden
step-verdict = Wachten op het antwoord van de server

## What happened

problem-accepted = De server heeft de e-mail geaccepteerd.
problem-accepted_partly = De server heeft de e-mail voor sommige ontvangers geaccepteerd en de andere ontvangers geweigerd.
test-accepted = De instellingen werken: de server heeft een testmail aan { $recipient } geaccepteerd.
problem-name_not_found = De server { $host } is niet gevonden. De e-mail is niet verzonden.
problem-name_lookup_failed = De naam { $host } kon niet worden opgezocht: er lijkt geen internetverbinding te zijn. De e-mail is niet verzonden.
problem-no_route = Er is geen weg van deze computer naar { $host }: het netwerk is uitgevallen of niet verbonden. De e-mail is niet verzonden.
problem-connection_refused = { $host } heeft de verbinding op poort { $port } geweigerd. De e-mail is niet verzonden.
step-repair = Andere poorten proberen
problem-connection_failed = Er kwam geen verbinding tot stand met { $host } op poort { $port }. De e-mail is niet verzonden.
problem-timed_out = { $step ->
    [name] De naam { $host } kon niet op tijd worden opgezocht. De e-mail is niet verzonden.
    [connect] { $host } antwoordt niet op poort { $port }. De e-mail is niet verzonden.
    [content] { $host } nam niets meer aan voordat de e-mail volledig was. De e-mail is niet verzonden.
   *[other] { $host } antwoordde niet meer. De e-mail is niet verzonden.
}
problem-out_of_time = Het verzenden duurde langer dan was toegestaan. De e-mail is niet verzonden.
problem-disconnected = { $step ->
    [content] { $host } heeft de verbinding verbroken voordat de e-mail volledig was. De e-mail is niet verzonden.
   *[other] { $host } heeft de verbinding verbroken. De e-mail is niet verzonden.
}
problem-name_not_found-proxy = De proxy { $proxy } is niet gevonden. De e-mail is niet verzonden.
problem-name_lookup_failed-proxy = De naam van de proxy { $proxy } kon niet worden opgezocht: er lijkt geen netwerkverbinding te zijn. De e-mail is niet verzonden.
problem-no_route-proxy = Er is geen weg van deze computer naar de proxy { $proxy }: het netwerk is uitgevallen of niet verbonden. De e-mail is niet verzonden.
problem-connection_refused-proxy = De proxy { $proxy } heeft de verbinding geweigerd. De e-mail is niet verzonden.
problem-connection_failed-proxy = Er kwam geen verbinding tot stand met de proxy { $proxy }. De e-mail is niet verzonden.
problem-timed_out-proxy = { $step ->
    [name] De naam van de proxy { $proxy } kon niet op tijd worden opgezocht. De e-mail is niet verzonden.
    [connect] De proxy { $proxy } antwoordt niet. De e-mail is niet verzonden.
   *[other] De proxy { $proxy } heeft niet op tijd verbinding gemaakt met { $host }. De e-mail is niet verzonden.
}
problem-disconnected-proxy = De proxy { $proxy } heeft de verbinding verbroken in plaats van verbinding te maken met { $host }. De e-mail is niet verzonden.
problem-bad_reply-proxy = Het antwoord van { $proxy } is niet wat een proxy van de ingestelde soort zou geven. De e-mail is niet verzonden.
problem-proxy_login_refused = De proxy { $proxy } vraagt om een gebruikersnaam en een wachtwoord, of om andere dan de ingestelde. De e-mail is niet verzonden.
problem-proxy_failed = De proxy { $proxy } heeft geen verbinding gemaakt met { $host } op poort { $port }. De e-mail is niet verzonden.
problem-bad_reply = Het antwoord van { $host } op poort { $port } is niet wat ervan werd verwacht. De e-mail is niet verzonden.

problem-tls_failed = Er kwam geen versleutelde verbinding met { $host } tot stand. Er is geen wachtwoord en geen e-mail verzonden.
problem-tls_not_spoken = { $host } gebruikt op poort { $port } geen TLS vanaf het begin. Er is geen wachtwoord en geen e-mail verzonden.
problem-tls_too_old = { $host } kent alleen versleuteling die te oud is om veilig te zijn. Er is geen wachtwoord en geen e-mail verzonden.
problem-tls_not_offered = { $host } biedt op poort { $port } geen versleuteling aan. Er is geen wachtwoord en geen e-mail verzonden.
problem-tls_refused = { $host } heeft geweigerd de versleuteling te starten. Er is geen wachtwoord en geen e-mail verzonden.
problem-bytes_before_tls = Iets op de weg naar { $host } heeft het starten van de versleuteling verstoord. Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_untrusted = Het certificaat van { $host } is niet van een instantie die door deze computer wordt vertrouwd. Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_expired = Het certificaat van { $host } is verlopen ({ $expires }). Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_not_yet_valid = Het certificaat van { $host } is nog niet geldig (pas vanaf { $begins }). Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_wrong_name = { $names_known ->
    [yes] Het certificaat dat { $host } toont, hoort bij een andere naam ({ $names }). Er is geen wachtwoord en geen e-mail verzonden.
   *[other] Het certificaat dat { $host } toont, is niet voor deze naam. Er is geen wachtwoord en geen e-mail verzonden.
}
problem-certificate_invalid = Het certificaat van { $host } kan niet worden geaccepteerd. Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_changed = { $host } toont een ander certificaat dan het certificaat dat u hebt geaccepteerd. Er is geen wachtwoord en geen e-mail verzonden.
problem-login_in_clear = De verbinding met { $host } is niet versleuteld, en daarom is het wachtwoord niet verzonden. Ook de e-mail is niet verzonden.
problem-token_in_clear = De verbinding met { $host } is niet versleuteld, en daarom zijn de inloggegevens niet doorgegeven. De e-mail is niet verzonden.
problem-login_server_unproven = { $host } heeft niet aangetoond dat uw wachtwoord daar bekend is; misschien zit er iemand tussen. Er is geen wachtwoord en geen e-mail verzonden.

problem-encryption_required = { $host } vraagt om een versleutelde verbinding. De e-mail is niet verzonden.
problem-login_refused = { $host } heeft de gebruikersnaam en het wachtwoord niet geaccepteerd. De e-mail is niet verzonden.
problem-login_not_offered = Bij { $host } kan op poort { $port } niet worden ingelogd, maar er is een gebruikersnaam ingevuld. De e-mail is niet verzonden.
problem-login_unsupported = { $host } biedt geen manier om met een wachtwoord in te loggen die { $program } kent. De e-mail is niet verzonden.
problem-login_required = { $host } neemt pas e-mails aan na het inloggen. De e-mail is niet verzonden.
problem-token_refused = { $provider } heeft de aanmelding van { $username } niet toegestaan.
problem-http_unauthorized = De webdienst heeft de toegang geweigerd. De e-mail is niet verzonden.

problem-server_busy = { $host } neemt op dit moment geen e-mails van deze computer aan. De e-mail is niet verzonden.
problem-login_deferred = { $host } kon de inloggegevens op dit moment niet controleren. De e-mail is niet verzonden.
problem-sender_deferred = { $host } neemt op dit moment geen e-mail van { $sender } aan. De e-mail is niet verzonden.
problem-recipient_deferred = { $host } neemt op dit moment geen e-mails voor { $recipient } aan. De e-mail is naar niemand verzonden.
problem-recipient_deferred-copy = { $host } neemt op dit moment geen e-mails aan voor { $recipient }, uw adres voor kopieën. De e-mail is naar niemand verzonden.
problem-content_deferred = { $host } heeft de e-mail op dit moment niet aangenomen. De e-mail is niet verzonden.
problem-http_busy = De webdienst heeft het op dit moment te druk. De e-mail is niet verzonden.

problem-server_refused = { $host } heeft de communicatie met deze computer geweigerd. De e-mail is niet verzonden.
problem-sender_refused = { $host } neemt geen e-mails van { $sender } aan. De e-mail is niet verzonden.
problem-recipient_refused = { $host } heeft de ontvanger { $recipient } geweigerd. De e-mail is naar niemand verzonden.
problem-recipient_refused-copy = { $host } heeft { $recipient } geweigerd, uw adres voor kopieën. De e-mail is naar niemand verzonden.
problem-content_refused = { $host } heeft de e-mail geweigerd. De e-mail is niet verzonden.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] De e-mail is te groot: die is { $size }, en { $host } neemt hoogstens { $limit } aan. De e-mail is niet verzonden.
   *[other] De e-mail is te groot voor { $host }. De e-mail is niet verzonden.
}
problem-address_not_supported = { $host } kan geen adres verwerken met andere letters dan A tot en met Z voor de @. De e-mail is niet verzonden.
problem-http_refused = De webdienst heeft een fout gemeld.
problem-http_not_found = Op dit webadres is geen e-maildienst. De e-mail is niet verzonden.
problem-http_redirected = De webdienst wil het document naar een ander adres doorsturen; dat gebeurt voor de veiligheid niet. De e-mail is niet verzonden.

problem-file_changed = Het bestand van het document is gewijzigd, vervangen of verwijderd voordat de e-mail volledig was. De e-mail is niet verzonden.
problem-file_unreadable = Het bestand van het document kon niet worden gelezen. De e-mail is niet verzonden.

problem-no_verdict = De e-mail is volledig naar { $host } verzonden, maar het is niet bekend of die is geaccepteerd. De e-mail kan wel of niet zijn bezorgd en wordt niet vanzelf opnieuw verzonden.
problem-canceled = Het verzenden is geannuleerd. Er is niets verzonden.
problem-internal = Er is iets misgegaan binnen mailbutton. Dit is een fout in mailbutton.

# Connecting
problem-no_network = { $host } is niet bereikbaar, hoewel de naam klopt: deze computer lijkt geen internetverbinding te hebben. De e-mail is niet verzonden.
problem-blocked_on_this_computer = Deze computer staat { $program } niet toe verbinding te maken met { $host }. De e-mail is niet verzonden.
problem-port_25_blocked = { $host } is niet bereikbaar op poort 25, die de meeste internetproviders blokkeren. De e-mail is niet verzonden.
problem-imap_port = Poort { $port } van { $host } is voor het ontvangen van e-mails (IMAP), niet voor het verzenden. De e-mail is niet verzonden.
problem-pop3_port = Poort { $port } van { $host } is voor het ontvangen van e-mails (POP3), niet voor het verzenden. De e-mail is niet verzonden.
problem-web_port = Poort { $port } van { $host } is voor webpagina’s, niet voor het verzenden van e-mails. De e-mail is niet verzonden.
problem-not_a_mail_server = Wat op poort { $port } van { $host } antwoordt, is geen mailserver. De e-mail is niet verzonden.
problem-tls_from_the_start = { $host } verwacht op poort { $port } versleuteling vanaf het begin, en de instellingen beginnen zonder. Er is geen wachtwoord en geen e-mail verzonden.
problem-clear_at_the_start = { $host } begint op poort { $port } zonder versleuteling en schakelt later over (STARTTLS), en de instellingen versleutelen vanaf het begin. Er is geen wachtwoord en geen e-mail verzonden.
problem-port_closed = { $host } heeft de verbinding op poort { $port } geweigerd, wat ongewoon is voor { $provider }: misschien wordt die onderweg geblokkeerd. De e-mail is niet verzonden.
problem-port_silent = { $host } antwoordt niet op poort { $port }: misschien is het een andere poort, of wordt die onderweg geblokkeerd. De e-mail is niet verzonden.
problem-greeting_missing = { $host } heeft de verbinding op poort { $port } aangenomen en daarna niets gezegd. De e-mail is niet verzonden.
problem-cut_off = De verbinding met { $host } op poort { $port } is meteen aan het begin afgebroken. De e-mail is niet verzonden.
problem-queue_too_long = Deze e-mail heeft te lang op de e-mails ervoor gewacht. De e-mail is niet verzonden.

# Encryption
problem-starttls_hidden = Iets op de weg naar { $host } verbergt de versleuteling die de server aanbiedt. Er is geen wachtwoord en geen e-mail verzonden.
problem-tls_not_ready = { $host } kan de verbinding op dit moment niet versleutelen. Er is geen wachtwoord en geen e-mail verzonden.
problem-starttls_broken = { $host } heeft ermee ingestemd de verbinding te versleutelen, maar heeft het daarna niet gedaan. Er is geen wachtwoord en geen e-mail verzonden.
problem-client_certificate_wanted = { $host } laat alleen programma’s toe die een eigen certificaat tonen. Er is geen wachtwoord en geen e-mail verzonden.
problem-intercepted_by_antivirus = Een antivirusprogramma ({ $issuer }) heeft de versleutelde verbinding met { $host } geopend en er zijn eigen certificaat in gezet. Er is geen wachtwoord en geen e-mail verzonden.
problem-intercepted_by_firewall = De firewall van dit netwerk ({ $issuer }) heeft de versleutelde verbinding met { $host } geopend en er zijn eigen certificaat in gezet. Er is geen wachtwoord en geen e-mail verzonden.
problem-captive_portal = In plaats van { $host } antwoordde een apparaat van dit netwerk: waarschijnlijk moet u eerst op het netwerk inloggen. Er is geen wachtwoord en geen e-mail verzonden.
problem-clock_wrong = Het certificaat van { $host } past niet bij de datum van deze computer, die misschien niet klopt. Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_not_the_providers = Het ontvangen certificaat is niet dat van { $provider }: iets tussen deze computer en { $host } heeft er een eigen certificaat voor in de plaats gezet. Er is geen wachtwoord en geen e-mail verzonden.
problem-certificate_self_signed = { $host } toont een zelfondertekend certificaat, waar niemand anders voor instaat. Er is geen wachtwoord en geen e-mail verzonden.

# Login
problem-sign_in_blocked = { $host } wil dat u het inloggen eerst in een webbrowser bevestigt. De e-mail is niet verzonden.
problem-smtp_auth_off_tenant = In uw organisatie is verzenden met een wachtwoord (‘Geverifieerde SMTP’) uitgeschakeld in Microsoft 365. De e-mail is niet verzonden.
problem-smtp_auth_off_mailbox = Verzenden met een wachtwoord (‘Geverifieerde SMTP’) is voor deze mailbox uitgeschakeld in Microsoft 365. De e-mail is niet verzonden.
problem-password_login_over = { $host } laat programma’s niet meer met een wachtwoord inloggen. De e-mail is niet verzonden.
problem-blocked_by_sign_in_rules = Een beveiligingsregel van uw organisatie staat deze manier van inloggen niet toe. De e-mail is niet verzonden.
problem-account_locked = { $host } meldt dat dit account is vergrendeld. De e-mail is niet verzonden.
problem-password_expired = { $host } meldt dat het wachtwoord is verlopen. De e-mail is niet verzonden.
problem-sign_in_scope = Met deze aanmelding laat { $host } { $program } geen e-mails verzenden. De e-mail is niet verzonden.
problem-sign_in_again = { $host } neemt de aanmelding van { $username } niet meer aan. De e-mail is niet verzonden.
problem-sign_in_refused = { $host } heeft de aanmelding van { $username } niet geaccepteerd. De e-mail is niet verzonden.
problem-sign_in_expired = De aanmelding van { $username } bij { $provider } is verlopen.
problem-sign_in_denied = De aanmelding is op de pagina van { $provider } geweigerd.
problem-sign_in_busy = De aanmelding bij { $provider } is op dit moment niet beschikbaar.
problem-sign_in_needs_admin = Een beheerder moet { $program } bij { $provider } eerst toestaan.
problem-sign_in_against_rules = Een beveiligingsregel van uw organisatie staat deze aanmelding bij { $provider } niet toe.
problem-program_not_known = { $provider } kent { $program } niet zoals het zich aanmeldt.
problem-sign_in_abandoned = De aanmelding is niet op tijd afgerond.
problem-sign_in_other_account = { $account } heeft zich aangemeld, maar de instellingen zijn voor { $username }.
problem-sign_in_no_listener = { $program } kan het einde van de aanmelding op deze computer niet ontvangen.
problem-sign_in_clock = { $provider } heeft de aanmelding niet toegestaan, omdat de datum of tijd van deze computer afwijkt.
problem-program_not_verified = { $provider } heeft { $program } nog niet geverifieerd en laat er maar een paar mensen mee inloggen.
problem-gmail_app_password = { $provider } heeft de inloggegevens niet geaccepteerd: hier is een app-wachtwoord nodig, niet het wachtwoord van uw Google-account. De e-mail is niet verzonden.
problem-yahoo_app_password = { $provider } heeft de inloggegevens niet geaccepteerd: hier is een app-wachtwoord nodig, niet het wachtwoord voor de website. De e-mail is niet verzonden.
problem-icloud_app_password = { $provider } heeft de inloggegevens niet geaccepteerd: hier is een app-specifiek wachtwoord nodig, niet het wachtwoord van uw Apple Account. De e-mail is niet verzonden.
problem-too_many_logins = Bij { $host } kan een tijdje niet meer worden ingelogd, omdat dat te vaak is gebeurd. De e-mail is niet verzonden.
problem-app_password_required = { $host } heeft de inloggegevens niet geaccepteerd: hier is een app-wachtwoord nodig, niet het wachtwoord voor de website. De e-mail is niet verzonden.
problem-access_for_programs_off = { $host } heeft de inloggegevens niet geaccepteerd: misschien is de toegang voor e-mailprogramma’s voor deze mailbox uitgeschakeld. De e-mail is niet verzonden.
problem-ip_not_allowed = { $host } staat inloggen vanaf het internetadres van deze computer niet toe. De e-mail is niet verzonden.
problem-key_username = { $provider } heeft de inloggegevens niet geaccepteerd: de gebruikersnaam is daar het woord apikey, en het wachtwoord is een sleutel. De e-mail is niet verzonden.
problem-key_refused = { $provider } heeft de gebruikersnaam en de sleutel niet geaccepteerd. De e-mail is niet verzonden.
problem-password_login_ending = { $provider } heeft de inloggegevens niet geaccepteerd: inloggen met een wachtwoord wordt daar uitgeschakeld, en is dat voor deze mailbox misschien al. De e-mail is niet verzonden.
problem-full_address_needed = { $host } heeft de inloggegevens niet geaccepteerd: de gebruikersnaam is meestal het volledige e-mailadres. De e-mail is niet verzonden.
problem-password_or_app_password = { $provider } heeft de gebruikersnaam en het wachtwoord niet geaccepteerd: bij verificatie in 2 stappen is hier een app-wachtwoord nodig. De e-mail is niet verzonden.
problem-port_25_without_login = Bij { $host } kan niet worden ingelogd op poort 25, die voor e-mail tussen servers is. De e-mail is niet verzonden.
problem-login_needs_encryption = Bij { $host } kan niet zonder versleuteling worden ingelogd. De e-mail is niet verzonden.
problem-only_sign_in_offered = { $host } neemt van programma’s geen wachtwoorden aan; inloggen kan er alleen in de webbrowser. De e-mail is niet verzonden.
problem-sign_in_not_offered = { $host } neemt geen aanmelding aan van het soort dat { $program } kent. De e-mail is niet verzonden.

# Limits
problem-too_many_connections = { $host } heeft te veel gelijktijdige verbindingen van dit account of deze computer. De e-mail is niet verzonden.
problem-recipient_gets_too_many = { $recipient } krijgt op dit moment meer e-mails dan de provider van dat adres aanneemt. De e-mail is niet verzonden.
problem-daily_limit = Het aantal e-mails dat { $host } per dag of maand van dit account aanneemt, is bereikt. De e-mail is niet verzonden.
problem-rate_limited = { $host } neemt een tijdje geen e-mails meer van dit account aan, omdat het er veel in korte tijd waren. De e-mail is niet verzonden.
problem-greylisted = { $host } laat een eerste e-mail enkele minuten wachten om spam tegen te houden. De e-mail is nog niet verzonden.

# The sender
problem-own_mailbox_full = Uw eigen mailbox is vol, en daarom neemt { $host } geen e-mails van u aan. De e-mail is niet verzonden.
problem-account_blocked = { $host } heeft het verzenden vanaf dit account stopgezet. De e-mail is niet verzonden.
problem-sender_not_verified = { $host } verzendt alleen vanaf adressen die daar zijn bevestigd, en { $sender } hoort daar niet bij. De e-mail is niet verzonden.
problem-test_mode = Het account bij { $host } staat nog in de testmodus, waarin het alleen naar bevestigde adressen verzendt. De e-mail is niet verzonden.
problem-sender_not_allowed = { $host } staat niet toe dat met deze inloggegevens vanaf { $sender } wordt verzonden. De e-mail is niet verzonden.
problem-sender_domain_unknown = { $host } kent het deel van { $sender } na de @ niet. De e-mail is niet verzonden.
problem-sender_domain_protected = Het domein van { $sender } staat { $host } niet toe ervoor te verzenden (SPF, DKIM of DMARC). De e-mail is niet verzonden.
problem-sent_from_home = { $host } neemt geen e-mails rechtstreeks vanaf een gewone internetverbinding aan. De e-mail is niet verzonden.
problem-blocklisted = Het internetadres waar deze e-mail vandaan kwam, staat op een lijst van afzenders van spam. De e-mail is niet verzonden.
problem-hello_refused = { $host } heeft de naam niet geaccepteerd waarmee deze computer zich voorstelde. De e-mail is niet verzonden.
problem-login_needed_to_send = { $host } neemt deze e-mail pas na het inloggen aan, en er is geen gebruikersnaam ingevuld. De e-mail is niet verzonden.
problem-relay_denied = { $host } geeft geen e-mails van { $sender } door aan andere providers. De e-mail is niet verzonden.

# The recipients
problem-too_many_recipients = { $host } neemt geen e-mail met zo veel ontvangers aan. De e-mail is naar niemand verzonden.
problem-mailbox_full = De mailbox van { $recipient } is vol. De e-mail is naar niemand verzonden.
problem-recipient_disabled = De mailbox van { $recipient } neemt op dit moment geen e-mails aan. De e-mail is naar niemand verzonden.
problem-recipient_domain_unknown = Geen enkele mailserver neemt e-mails voor { $recipient } aan: het deel na de @ bestaat niet, of heeft geen e-mail. De e-mail is naar niemand verzonden.
problem-recipient_malformed = { $host } accepteert { $recipient } niet als e-mailadres. De e-mail is naar niemand verzonden.
problem-recipient_unknown = { $recipient } bestaat niet, meldt { $host }. De e-mail is naar niemand verzonden.

# The content
problem-virus_found = { $host } denkt dat er een virus in de e-mail zit. De e-mail is niet verzonden.
problem-attachment_blocked = { $host } neemt geen bijlage van deze soort aan. De e-mail is niet verzonden.
problem-spam_block = { $host } ziet deze e-mail aan voor spam. De e-mail is niet verzonden.
problem-policy_block = Een regel van { $host } staat deze e-mail niet toe. De e-mail is niet verzonden.

# The server
problem-server_full = { $host } heeft op dit moment geen ruimte voor meer e-mails. De e-mail is niet verzonden.
problem-server_trouble = { $host } heeft op dit moment zelf een storing. De e-mail is niet verzonden.

# The web service
problem-relay_forbidden = De webdienst kent dit toegangstoken en staat er geen verzending mee toe. De e-mail is niet verzonden.
problem-relay_rate_limited = De webdienst neemt een tijdje geen e-mails meer aan, omdat het er veel in korte tijd waren. De e-mail is niet verzonden.
problem-relay_gateway = De webdienst is achter zijn adres niet bereikbaar. De e-mail is niet verzonden.
problem-not_a_relay = Wat op dit webadres antwoordt, is geen e-maildienst. De e-mail is niet verzonden.
problem-network_wants_sign_in = Op dit netwerk moet u inloggen voordat er iets wordt doorgelaten. De e-mail is niet verzonden.
problem-relay_account = De webdienst wil dat eerst het account daar in orde wordt gemaakt, bijvoorbeeld met een betaling. De e-mail is niet verzonden.
problem-relay_rejects_email = De webdienst accepteert de e-mail zo niet. De e-mail is niet verzonden.
problem-relay_broken = De webdienst heeft zelf een storing. De e-mail is niet verzonden.
problem-gateway_lost_answer = De e-mail is volledig naar { $host } verzonden, maar de webdienst daarachter gaf geen antwoord. De e-mail kan wel of niet zijn bezorgd en wordt niet vanzelf opnieuw verzonden.

## What to do: each begins with what to do

advice-check_host = Controleer de naam van de server op typefouten, of zoek die op de helppagina’s van uw provider op.
advice-check_host_and_port = Controleer de naam van de server en de poort op de helppagina’s van uw provider; gebruikelijk zijn de poorten 587 en 465.
advice-check_internet = Controleer of deze computer met internet is verbonden, bijvoorbeeld door een webpagina te openen.
advice-check_proxy = Controleer de proxy { $proxy } in de instellingen van { $program }, of vraag het aan degene die de proxy heeft ingesteld.
advice-check_proxy_login = Controleer de gebruikersnaam en het wachtwoord voor de proxy { $proxy } in de instellingen van { $program }.
advice-ask_proxy = Vraag degene die de proxy { $proxy } beheert om verbindingen met { $host } op poort { $port } toe te staan, en laat deze melding zien.
advice-firewall = Controleer of een firewall of antivirusprogramma { $program } blokkeert, door het daar toe te staan of de e-mailbeveiliging voor één test te onderbreken.
advice-other_program = Probeer dezelfde instellingen in Thunderbird: werken ze daar ook niet, dan ligt het aan de instellingen of aan de provider; werken ze daar wel, dan blokkeert iets { $program }.
advice-other_network = Probeer een ander netwerk, bijvoorbeeld de hotspot van uw telefoon.
advice-try_again = Probeer het over een minuut opnieuw.
advice-fewer_at_once = Verzend minder e-mails tegelijk, of wacht tot de andere zijn verzonden.
advice-try_later = Probeer het later opnieuw; in het antwoord van de server zelf staat misschien wanneer.
advice-check_limits = Controleer hoeveel e-mails uw provider per uur en per dag toestaat.
advice-port_25_blocked = Gebruik poort 587 in plaats van 25, die de meeste internetproviders blokkeren.
advice-mode_of_465 = Stel de versleuteling in op automatisch: poort 465 gebruikt TLS vanaf het begin.
advice-try_auto = Stel de versleuteling in op automatisch en probeer het opnieuw.
advice-mode_of_587 = Stel de versleuteling in op automatisch: poort { $port } begint onversleuteld en schakelt over met STARTTLS.
advice-try_587 = Gebruik poort 587 met automatische versleuteling.
advice-try_465 = Gebruik poort 465 met automatische versleuteling.
advice-ask_provider = Vraag het aan uw provider of beheerder, en laat deze melding zien.
advice-server_must_update = Vraag de beheerder van de server om TLS 1.2 of 1.3 in te schakelen.
advice-other_server = Gebruik een andere mailserver, als uw provider die heeft.
advice-check_clock = Controleer de datum en tijd van deze computer.
advice-renew_certificate = Vraag de beheerder van de server om het certificaat te vernieuwen.
advice-accept_certificate = Accepteer dit certificaat, maar alleen als de server van uzelf is en de vingerafdruk dezelfde is als die u van de beheerder krijgt.
advice-use_what_works = Gebruik poort { $port } met automatische versleuteling: die is zojuist geprobeerd, en { $host } antwoordt daar.
advice-use_what_works-auto = Stel de versleuteling in op automatisch: dat is zojuist geprobeerd op poort { $port }, en { $host } antwoordt.
advice-use_what_works-tls = Stel de versleuteling in op TLS vanaf het begin: dat is zojuist geprobeerd op poort { $port }, en { $host } antwoordt.
advice-compare_certificate = Vraag de beheerder van de server of het certificaat is vernieuwd, en vergelijk de vingerafdruk voordat u het accepteert.
advice-use_certificate_name = Gebruik de server { $certificate_name } en voer het wachtwoord opnieuw in, maar alleen als die server van uw provider is.
advice-intercepted = Schakel de e-mailcontrole van het antivirusprogramma uit: dat zet zijn eigen certificaat in de plaats van dat van { $provider }.
advice-use_tls = Stel de versleuteling in op automatisch.
advice-allow_insecure_login = Sta het onversleutelde wachtwoord alleen toe als de server in uw eigen netwerk staat en geen versleuteling heeft.

advice-app_password-gmail = Gebruik een app-wachtwoord: zet in uw Google-account onder ‘Beveiliging’ de verificatie in 2 stappen aan, open daarna ‘App-wachtwoorden’, maak er een voor { $program } en vul dat hier in in plaats van uw gewone wachtwoord.
advice-app_password-yahoo = Gebruik een app-wachtwoord: open de pagina ‘Accountbeveiliging’ van Yahoo (login.yahoo.com/account/security), kies ‘App-wachtwoord genereren’, kies ‘Andere app’, typ { $program }, klik op ‘Genereren’ en kopieer het naar het wachtwoordveld.
advice-app_password-icloud = Gebruik een app-specifiek wachtwoord: log in op account.apple.com, open ‘Inloggen en beveiliging’, kies ‘App-specifieke wachtwoorden’, maak er een voor { $program } en vul dat hier in in plaats van uw gewone wachtwoord.
advice-app_password = Gebruik een app-wachtwoord, omdat { $provider } uw gewone wachtwoord hier niet accepteert: op de helppagina’s van de provider staat hoe u er een maakt.
advice-app_password-two_steps = Gebruik een app-wachtwoord als verificatie in 2 stappen bij { $provider } aanstaat: op de helppagina’s van de provider staat hoe u er een maakt.
advice-app_password-any = Gebruik een app-wachtwoord als uw provider verificatie in 2 stappen heeft: uw gewone wachtwoord wordt hier dan niet geaccepteerd.
advice-password_login_off = Vraag uw beheerder om inloggen met een wachtwoord voor deze mailbox toe te staan (‘Geverifieerde SMTP’): { $provider } schakelt dat uit, en zonder dat werkt hier geen enkel wachtwoord.
advice-other_account = Gebruik een ander e-mailaccount om mee te verzenden: { $provider } laat programma’s niet meer met een wachtwoord inloggen.
advice-full_address = Gebruik uw volledige e-mailadres als gebruikersnaam: de meeste providers vragen daarom.
advice-check_key = Controleer de gebruikersnaam en de sleutel: { $provider } vraagt om een sleutel die u op de website van de provider aanmaakt, niet om het wachtwoord waarmee u daar inlogt.
advice-check_login = Controleer de gebruikersnaam en het wachtwoord door op de website van uw provider in te loggen.
advice-login_off = Maak het veld voor de gebruikersnaam leeg als u bij deze server niet hoeft in te loggen.
advice-enter_login = Vul de gebruikersnaam en het wachtwoord van uw e-mailaccount in.
advice-check_token = Controleer het toegangstoken dat u van de beheerder van de webdienst hebt gekregen.
advice-check_sender = Verzend vanaf het adres waar het account bij hoort, of laat de provider { $sender } als alias toestaan.
advice-check_recipient = Controleer het adres van de ontvanger op typefouten.
advice-check_relay = Vul de gebruikersnaam en het wachtwoord van uw e-mailaccount in: zonder inloggen nemen de meeste servers alleen e-mails voor hun eigen gebruikers aan.
advice-check_content = Controleer de e-mail op wat de server er in zijn eigen woorden over meldt.
advice-make_smaller = Maak de bijlagen kleiner, of verzend ze in meerdere e-mails.
advice-send_link = Verzend in plaats daarvan een link naar het document.
advice-plain_address = Vraag de ontvanger om een adres met alleen de letters A tot en met Z, of gebruik een provider die zulke adressen ondersteunt.
advice-check_url = Controleer het adres van de webdienst bij de beheerder ervan.
advice-ask_relay = Vraag het aan de beheerder van de webdienst, en laat deze melding zien.
advice-complete_file = Verzend de e-mail opnieuw zodra het bestand van het document volledig is en er niets meer in wordt geschreven.
advice-check_file = Controleer of het bestand van het document kan worden geopend, en verzend de e-mail opnieuw.
advice-ask_recipient = Vraag de ontvanger of de e-mail is aangekomen voordat u die opnieuw verzendt.
advice-look_in_sent = Kijk in de map ‘Verzonden’ van uw mailbox: veel providers bewaren daar een kopie van wat is verzonden.
advice-report_bug = Meld dit aan de maker van { $program }.

advice-use_sending_port = Gebruik de server voor het verzenden met poort 587 en automatische versleuteling; de naam ervan begint vaak met smtp.
advice-use_sending_server = Gebruik de server van { $provider } voor het verzenden, { $sending_host }, op poort { $sending_port }.
advice-try_tls = Stel de versleuteling in op TLS vanaf het begin.
advice-intercepted-host = Schakel de e-mailcontrole van het antivirusprogramma uit, of laat het { $host } overslaan: het zet zijn eigen certificaat in de plaats van dat van de server.
advice-ask_network = Vraag degene die dit netwerk beheert om verbindingen met { $host } ongeopend door te laten.
advice-sign_in_network = Open een willekeurige webpagina in een browser, log in op dit netwerk en test daarna opnieuw.
advice-sign_in_browser = Log in een webbrowser in op uw mailbox, bevestig dat u het was die probeerde in te loggen en test opnieuw.
advice-sign_in_again = Log opnieuw in.
advice-sign_in_consent = Log opnieuw in en sta { $program } toe e-mails te verzenden wanneer daarom wordt gevraagd.
advice-check_sign_in = Controleer of het ingelogde account mag verzenden als { $username }.
advice-use_password = Kies inloggen met gebruikersnaam en wachtwoord.
advice-allow_program = Vraag uw beheerder om { $program } e-mails te laten verzenden en laat dit bericht zien.
advice-register_program = Vraag de maker van { $program } na te gaan hoe het bij { $provider } is geregistreerd en laat dit bericht zien.
advice-sign_in_as = Log opnieuw in en kies de account { $username } op de pagina van { $provider }.
advice-use_signed_in_account = Verzend in plaats daarvan als { $account }.
advice-restart_and_sign_in = Log opnieuw in nadat u de computer opnieuw hebt opgestart.
advice-verify_program = Vraag de maker van { $program } om het door { $provider } te laten verifiëren.
advice-verify_program-weekly = Vraag de maker van { $program } om het door { $provider } te laten verifiëren als u elke week opnieuw moet inloggen.
advice-verify_program-blocked = Vraag de maker van { $program } om het door { $provider } te laten verifiëren als de pagina zei dat het geblokkeerd of niet geverifieerd is.
advice-sign_in_instead = Log in bij { $provider } in plaats van een wachtwoord te gebruiken.
advice-sign_in_instead-unregistered = Vraag de maker van { $program } om het bij { $provider } te registreren, zodat u zonder wachtwoord kunt inloggen.
advice-allow_smtp_auth-tenant = Vraag uw beheerder om ‘Geverifieerde SMTP’ in Microsoft 365 in te schakelen voor uw organisatie of alleen voor deze mailbox.
advice-allow_smtp_auth-mailbox = Vraag uw beheerder om ‘Geverifieerde SMTP’ voor deze mailbox in te schakelen: in het Microsoft 365-beheercentrum onder ‘Actieve gebruikers’, bij de gebruiker onder ‘E-mail’, ‘E-mail-apps beheren’.
advice-other_account-any = Gebruik een ander e-mailaccount om mee te verzenden, waarbij programma’s met een wachtwoord mogen inloggen.
advice-ask_administrator = Vraag uw beheerder om een server waarmee programma’s mogen verzenden, en laat deze melding zien.
advice-allow_in_rules = Vraag uw beheerder om deze mailbox uit te zonderen van de regel die inloggen met een wachtwoord blokkeert (standaardinstellingen voor beveiliging of voorwaardelijke toegang).
advice-unlock_account = Log in op de website van uw provider om het account te ontgrendelen.
advice-renew_password = Wijzig het wachtwoord op de website van uw provider, en vul hier het nieuwe in.
advice-switch_access_on = Schakel de toegang voor e-mailprogramma’s (POP3, IMAP, SMTP) in bij de instellingen van uw mailbox op de website van uw provider.
advice-allow_ip = Voeg het internetadres van deze computer toe aan de toegestane adressen in uw account op de website van de provider.
advice-use_username_apikey = Gebruik het woord apikey als gebruikersnaam, en een bij { $provider } aangemaakte sleutel als wachtwoord.
advice-use_login_port = Gebruik poort 587 met automatische versleuteling en de inloggegevens van uw e-mailaccount.
advice-wait-seconds = { $count ->
    [one] Probeer het over { $count } seconde opnieuw.
   *[other] Probeer het over { $count } seconden opnieuw.
}
advice-wait-minutes = { $count ->
    [one] Probeer het over { $count } minuut opnieuw.
   *[other] Probeer het over { $count } minuten opnieuw.
}
advice-wait-hours = { $count ->
    [one] Probeer het over { $count } uur opnieuw.
   *[other] Probeer het over { $count } uur opnieuw.
}
advice-try_tomorrow = Probeer het morgen opnieuw, of vraag uw provider om een hogere limiet.
advice-open_link = Open de pagina die de server noemt: daar staat waarom, en wat eraan kan worden gedaan.
advice-other_programs = Sluit andere programma’s en apparaten die via hetzelfde account verzenden, of wacht tot ze klaar zijn.
advice-ask_recipient_other_address = Vraag de ontvanger om een ander adres, bijvoorbeeld telefonisch.
advice-free_space = Verwijder oude e-mails uit uw eigen mailbox, ook de verzonden e-mails, of vraag uw provider om meer ruimte.
advice-verify_sender = Bevestig { $sender } als afzender op de website van uw provider, of verzend vanaf een adres dat daar is bevestigd.
advice-leave_test_mode = Vraag de provider om de testmodus van uw account te beëindigen, of verzend alleen naar adressen die daar zijn bevestigd.
advice-check_sender_domain = Controleer het deel na de @ in { $sender } op typefouten.
advice-ask_domain = Vraag degene die het domein van { $sender } beheert om { $host } toe te staan ervoor te verzenden, of verzend via de server van dat domein.
advice-ask_program = Vraag de maker van { $program } om een geschikte naam voor deze computer in te stellen.
advice-check_copy = Controleer het adres voor kopieën in de instellingen.
advice-fewer_recipients = Verzend de e-mail naar minder ontvangers tegelijk.
advice-tell_recipient_full = Laat de ontvanger op een andere manier weten dat de mailbox vol is, en verzend de e-mail later opnieuw.
advice-check_domain = Controleer het deel na de @ in { $recipient } op typefouten.
advice-scan_files = Controleer de bijlagen met een antivirusprogramma voordat u ze naar iemand verzendt.
advice-remove_attachment = Laat de bijlage weg die geen document is, zoals een programma of een archief.
advice-change_words = Schrijf het onderwerp en de tekst in andere woorden, zonder links, en verzend de e-mail opnieuw.

## The words of a user interface around the form and the email

word-settings_title = E-mailinstellingen
word-loading = Laden…
word-saved = De instellingen zijn opgeslagen.
word-try_again = Opnieuw proberen
word-no_answer = { $program } antwoordt niet. Er is niets gewijzigd.
word-connection_lost = De verbinding met { $program } is verbroken. Probeer opnieuw om te zien hoe het verderging.
word-end_unknown = { $program } weet niet hoe het is afgelopen. Vraag de ontvanger of de e-mail is aangekomen voordat u die opnieuw verzendt.
word-other_version = Een deel van dit formulier is nieuwer dan deze pagina en kan niet volledig worden getoond.
word-required = verplicht
word-show_password = Tonen
word-hide_password = Verbergen
word-use_proposal = Deze instellingen gebruiken
word-provider_steps = Zo stelt u { $provider } in
word-open_page = Pagina openen
word-testing = Testen…
word-cancel = Annuleren
word-canceling = Annuleren…
word-close = Sluiten
word-step_ok = gelukt
word-step_failed = mislukt
word-step_skipped = niet bereikt
word-what_to_do = Wat te doen
word-apply = Toepassen
word-apply_and_test = Toepassen en opnieuw testen
word-server_said = De server zei
word-details = Details
word-certificate = Certificaat
word-certificate_subject = Uitgegeven aan
word-certificate_issuer = Uitgegeven door
word-certificate_valid = Geldig
word-certificate_names = Namen
word-certificate_fingerprint = SHA-256-vingerafdruk
word-accept_certificate = Accepteren en opnieuw testen
word-signed_in_as = Ingelogd als { $account }
word-sign_in_waiting = Wachten op de aanmelding in de browser…
word-sign_in_open = Aanmeldpagina openen
word-sign_in_code = Voer daar deze code in
word-email_title = Per e-mail verzenden
word-to = Aan
word-cc = Cc
word-bcc = Bcc
word-show_cc_bcc = Cc en Bcc
word-addresses_help = Meer adressen worden door komma’s gescheiden.
word-subject = Onderwerp
word-message = Bericht
word-write = Schrijven
word-preview = Voorbeeld
word-markdown_help = **Vet**, *cursief*, lijsten en [links](https://example.com) zijn mogelijk.
word-document = Document
word-attachments = Bijlagen
word-add_attachment = Bestand toevoegen
word-remove_attachment = { $file } verwijderen
word-send = Verzenden
word-sending = Verzenden…
word-before_sending = Voordat u verzendt
word-send_anyway = Toch verzenden
word-recipient = Ontvanger
word-outcome = Uitkomst
word-outcome_accepted = aanvaard
word-outcome_refused = geweigerd
word-outcome_deferred = nu niet
word-outcome_not_sent = niet verzonden
word-outcome_uncertain = onzeker
word-discard_question = Sluiten zonder te verzenden? Wat u schreef gaat verloren.
word-discard = Sluiten zonder te verzenden
word-keep_editing = Verder bewerken
