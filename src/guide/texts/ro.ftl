### Every text that reaches a person, in Romanian. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Trimitere
field-protocol = Trimitere prin
choice-protocol-smtp = Furnizorul meu de e-mail (SMTP)
choice-protocol-http = Un serviciu web (releu HTTP)
help-protocol = De cele mai multe ori se alege furnizorul de e-mail.
field-http_server = Adresa serviciului web
help-http_server = Adresa pe care v-a dat-o operatorul serviciului web.
placeholder-http_server = https://email.example.com/
field-http_token = Token de acces
help-http_token = Doar dacă operatorul serviciului web v-a dat unul.
field-smtp_host = Server SMTP
help-smtp_host = Numele serverului prin care furnizorul dumneavoastră trimite e-mailurile, de exemplu smtp.gmail.com, smtp.mail.yahoo.com sau smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Port
help-smtp_port = De obicei 465 sau 587. Îl găsiți în paginile de ajutor ale furnizorului.
placeholder-smtp_port = 587
field-smtp_security = Criptare
help-smtp_security = Varianta automată se potrivește aproape oricărui server: TLS pe portul 465, STARTTLS pe toate celelalte porturi. O conexiune care nu poate fi criptată nu este folosită.
choice-smtp_security-auto = Automată (recomandată)
choice-smtp_security-tls = TLS de la început (de obicei pe portul 465)
choice-smtp_security-starttls = STARTTLS (de obicei pe portul 587)
choice-smtp_security-none = Fără criptare: totul circulă la vedere
field-allow_insecure_login = Trimite parola necriptată
help-allow_insecure_login = Parola poate fi citită de oricine se află pe traseul până la server. Doar pentru un server din rețeaua dumneavoastră.
field-auth = Autentificare cu
choice-auth-password = Nume de utilizator și parolă
choice-auth-oauth2 = Conectare la furnizor (OAuth 2.0)
help-auth = Unii furnizori, cum ar fi Microsoft 365, lasă programele să trimită numai după o conectare pe pagina lor.
field-username = Nume de utilizator
help-username = Adesea este adresa de e-mail completă. Lăsați câmpul gol dacă serverul nu cere autentificare.
placeholder-username = nume@example.com
field-mailbox = Altă cutie poștală
help-mailbox = Numai dacă trimiteți din altă cutie poștală decât a dumneavoastră, de exemplu una comună. De conectat se conectează tot contul dumneavoastră.
placeholder-mailbox = birou@example.com
field-email_address = Adresă de e-mail
help-email_address = Adresa de la care se trimit e-mailurile dumneavoastră.
placeholder-email_address = nume@example.com
field-password = Parolă
help-password = Parola acestui cont de e-mail. Dacă este deja salvată una, lăsați câmpul gol ca să rămână aceeași.
help-password-app_password = { $provider } cere aici o parolă pentru aplicații, nu parola obișnuită.
help-password-two_steps = Dacă verificarea în doi pași este activată, { $provider } cere aici o parolă pentru aplicații, nu parola obișnuită.
help-password-not_for_long = { $provider } renunță la conectarea cu parolă a programelor de e-mail. Dacă testul este refuzat, rugați administratorul să o permită („SMTP autentificat”, în engleză „Authenticated SMTP”).
help-password-key = { $provider } cere aici o cheie, creată pe site-ul său.
help-password-no_password = { $provider } nu mai permite programelor să se conecteze cu o parolă. Folosiți un alt cont de e-mail pentru trimitere.
field-sender_name = Numele expeditorului
help-sender_name = Numele pe care îl văd cei cărora le scrieți, de obicei numele firmei.
field-send_copy = Trimite o copie a fiecărui e-mail la această adresă
help-send_copy = Pentru arhiva dumneavoastră. Cei cărora le scrieți nu o văd.
field-copy_to = Adresă pentru copii
help-copy_to = Mai multe adrese se separă prin virgulă.
placeholder-copy_to = arhiva@example.com
field-different_reply_to = Primesc răspunsurile la altă adresă decât cea de la care trimit
help-different_reply_to = Răspunsurile ajung atunci la adresa de mai jos.
field-reply_to = Adresă pentru răspunsuri
help-reply_to = Mai multe adrese se separă prin virgulă.
placeholder-reply_to = birou@example.com
field-allow_untrusted_certificate = Acceptă certificatul propriu al acestui server
help-allow_untrusted_certificate = Doar pentru un server al dumneavoastră, cu certificat autosemnat. Faceți testul, comparați amprenta afișată și acceptați certificatul.
field-trusted_certificate = Amprenta certificatului
help-trusted_certificate = SHA-256. Se completează când acceptați certificatul afișat de test; de atunci este acceptat doar acel certificat.
button-test = Testează setările de e-mail
button-update = Actualizează
button-sign_in = Conectare
button-sign_out = Deconectare
button-email = E-mail
page-signed_in-title = Conectat
page-signed_in = Puteți închide această pagină și reveni la { $program }.
page-not_signed_in-title = Neconectat
page-not_signed_in = Reveniți la { $program }: acolo scrie de ce.

why_not-fields = Mai sunt câmpuri de completat sau de corectat.

## Providers: what to do there, step by step

proposal-provider = Folosiți serverul { $host } al furnizorului { $provider }, pe portul { $port }.
proposal-autoconfig = Domeniul { $domain } publică aceste setări: { $host } pe portul { $port }.
proposal-srv = Domeniul { $domain } indică { $host } drept serverul său pentru trimiterea e-mailurilor.
proposal-mx = E-mailurile domeniului { $domain } sunt păstrate de { $provider }, iar acestea sunt setările sale.
proposal-probe = Serverul { $host } răspunde pe portul { $port }, cu criptare.

steps-required-1 = Conectați-vă pe site-ul { $provider } și căutați parolele pentru aplicații în setările de securitate.
steps-required-2 = Creați una nouă și dați-i numele { $program }.
steps-required-3 = Copiați-o aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-with_two_steps-1 = Dacă verificarea în doi pași este activă la { $provider }, creați acolo, în setările de securitate, o parolă pentru aplicații și dați-i numele { $program }.
steps-with_two_steps-2 = Copiați-o aici, în câmpul pentru parolă. Fără verificarea în doi pași, introduceți parola obișnuită.
steps-not_for_long-1 = Rugați administratorul contului dumneavoastră { $provider } să permită programelor conectarea cu parolă.
steps-not_for_long-2 = Introduceți aici parola căsuței de e-mail.
steps-no_password-1 = Trimiteți de pe alt cont de e-mail: { $provider } nu permite programelor să se conecteze cu o parolă.
steps-key-1 = Conectați-vă pe site-ul { $provider } și creați o cheie sau date de conectare pentru SMTP.
steps-key-2 = Copiați aici, în câmpuri, numele de utilizator și cheia.
steps-none-1 = Introduceți parola cu care vă conectați la { $provider }.
steps-unknown-1 = Verificați în setările { $provider } dacă alte programe au voie să trimită prin căsuța dumneavoastră de e-mail.
steps-unknown-2 = Introduceți parola cu care vă conectați. Dacă { $provider } are parole pentru aplicații, creați una pentru { $program } și introduceți-o pe aceea.

steps-gmail-1 = Deschideți pagina de securitate a contului dumneavoastră Google și activați verificarea în doi pași, dacă nu este deja activă.
steps-gmail-2 = Deschideți Parole pentru aplicații, introduceți numele { $program } și alegeți Creați.
steps-gmail-3 = Copiați cele 16 litere afișate de Google aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-google-workspace-1 = Deschideți pagina de securitate a contului dumneavoastră Google și activați verificarea în doi pași, dacă nu este deja activă.
steps-google-workspace-2 = Deschideți Parole pentru aplicații, introduceți numele { $program } și alegeți Creați.
steps-google-workspace-3 = Copiați cele 16 litere afișate de Google aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-google-workspace-4 = Dacă pagina pentru parole de aplicații lipsește, rugați administratorul Google Workspace să le permită.
steps-outlook-personal-1 = Trimiteți de pe alt cont de e-mail: { $provider } nu mai permite programelor să se conecteze cu o parolă.
steps-outlook-personal-2 = Ca să primiți totuși răspunsurile la adresa dumneavoastră { $provider }, introduceți-o ca adresă pentru răspunsuri.
steps-microsoft365-1 = Deschideți centrul de administrare Microsoft 365 și alegeți Utilizatori, Utilizatori activi și căsuța de e-mail din care trimite { $program }. Dacă nu sunteți administrator, rugați-l pe al dumneavoastră să facă acest lucru.
steps-microsoft365-2 = În fila Poștă alegeți Gestionați aplicațiile de e-mail, bifați SMTP autentificat și salvați modificările.
steps-microsoft365-3 = Introduceți aici adresa și parola căsuței de e-mail și testați setările.
steps-yahoo-1 = Conectați-vă și deschideți pagina Securitatea contului.
steps-yahoo-2 = Alegeți Creați parola aplicației (sau Generați parola aplicației), introduceți { $program } ca nume al aplicației și alegeți Generați parola.
steps-yahoo-3 = Copiați parola afișată aici, în câmpul pentru parolă, în locul celei obișnuite.
steps-att-1 = Conectați-vă la contul dumneavoastră AT&T și creați o cheie securizată de e-mail (secure mail key) pentru adresa dumneavoastră.
steps-att-2 = Copiați cheia aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-icloud-1 = Activați autentificarea cu doi factori pentru contul dumneavoastră Apple, dacă nu este deja activă.
steps-icloud-2 = Conectați-vă la account.apple.com, deschideți Autentificare și securitate, alegeți Parole specifice aplicațiilor și creați una cu numele { $program }.
steps-icloud-3 = Copiați-o aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-gmx-1 = Conectați-vă pe site-ul { $provider } și permiteți accesul prin POP3 și IMAP în setările de e-mail: este necesar și pentru trimitere.
steps-gmx-2 = Dacă autentificarea cu doi factori este activă, creați în contul dumneavoastră, la Securitate, o parolă pentru aplicații.
steps-gmx-3 = Introduceți aici acea parolă. Fără autentificarea cu doi factori, introduceți-o pe cea obișnuită.
steps-tonline-1 = Conectați-vă la centrul de clienți Telekom și stabiliți o parolă pentru programele de e-mail.
steps-tonline-2 = Introduceți aici acea parolă: nu este cea cu care vă conectați.
steps-fastmail-1 = Conectați-vă la Fastmail, deschideți Settings, Privacy & Security, apoi Integrations (sau Connected apps).
steps-fastmail-2 = Alegeți New app password, introduceți numele { $program } și lăsați activ accesul la e-mail.
steps-fastmail-3 = Copiați parola afișată aici, în câmpul pentru parolă.
steps-zoho-1 = Conectați-vă la contul dumneavoastră Zoho și deschideți Security, apoi App Passwords.
steps-zoho-2 = Alegeți Generate New Password și introduceți numele { $program }.
steps-zoho-3 = Copiați parola afișată aici, în câmpul pentru parolă. Fără autentificarea cu mai mulți factori este valabilă și cea obișnuită.
steps-proton-1 = Verificați dacă aveți o adresă pe un domeniu propriu și un abonament cu SMTP: altfel trimiterea nu este posibilă.
steps-proton-2 = Deschideți în setări IMAP/SMTP, alegeți Generate token, introduceți numele { $program } și alegeți adresa.
steps-proton-3 = Introduceți acea adresă aici, ca nume de utilizator, și copiați tokenul în câmpul pentru parolă.
steps-yandex-1 = Deschideți setările Yandex Mail, alegeți programele de e-mail și permiteți accesul cu parole pentru aplicații.
steps-yandex-2 = Deschideți parolele pentru aplicații în Yandex ID, creați una pentru Mail și dați-i numele { $program }.
steps-yandex-3 = Copiați parola afișată aici, în câmpul pentru parolă, în locul celei obișnuite.
steps-mailru-1 = Conectați-vă la contul dumneavoastră Mail.ru și deschideți Securitate, apoi Parole pentru aplicații externe.
steps-mailru-2 = Adăugați una cu numele { $program } și dați-i acces la e-mail prin IMAP, POP și SMTP.
steps-mailru-3 = Copiați parola afișată aici, în câmpul pentru parolă, în locul celei obișnuite.
steps-qq-1 = Conectați-vă la QQ Mail, deschideți setările, apoi contul, și activați serviciul POP3/IMAP/SMTP.
steps-qq-2 = Alegeți generarea unui cod de autorizare și confirmați cu telefonul.
steps-qq-3 = Copiați codul aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-netease-1 = Conectați-vă la căsuța de e-mail, deschideți setările, apoi POP3/SMTP/IMAP, și activați SMTP.
steps-netease-2 = Creați un cod de autorizare și confirmați cu telefonul.
steps-netease-3 = Copiați codul aici, în câmpul pentru parolă, în locul parolei obișnuite.
steps-no_programs-1 = Trimiteți de pe alt cont de e-mail: { $provider } se poate folosi numai în aplicațiile proprii.
steps-no_programs-2 = Ca să primiți totuși răspunsurile la adresa dumneavoastră { $provider }, introduceți-o ca adresă pentru răspunsuri.
steps-sendgrid-1 = Conectați-vă la SendGrid și creați o cheie API cu numele { $program } și cu permisiunea de a trimite e-mailuri.
steps-sendgrid-2 = Introduceți aici, ca nume de utilizator, cuvântul apikey.
steps-sendgrid-3 = Copiați cheia în câmpul pentru parolă.
steps-mailgun-1 = Conectați-vă la Mailgun, deschideți Sending, apoi Domain settings, alegeți domeniul și deschideți SMTP credentials.
steps-mailgun-2 = Introduceți aici, ca nume de utilizator, datele de conectare afișate, în întregime.
steps-mailgun-3 = Resetați acolo parola și copiați-o pe cea nouă în câmpul pentru parolă.
steps-postmark-1 = Conectați-vă la Postmark, deschideți serverul dumneavoastră, apoi API Tokens, și copiați tokenul API al serverului.
steps-postmark-2 = Introduceți tokenul aici de două ori: ca nume de utilizator și ca parolă.
steps-ses-1 = Deschideți consola SES în regiunea din care trimiteți, apoi SMTP settings, și alegeți Create SMTP credentials.
steps-ses-2 = Copiați aici, în câmpuri, numele de utilizator SMTP și parola SMTP. Nu sunt cheile dumneavoastră de acces AWS.
steps-ses-3 = Verificați dacă serverul de aici este cel al regiunii respective.
steps-brevo-1 = Conectați-vă la Brevo, deschideți SMTP & API, apoi fila SMTP.
steps-brevo-2 = Introduceți aici, ca nume de utilizator, datele de conectare afișate acolo.
steps-brevo-3 = Generați o cheie SMTP cu numele { $program } și copiați-o în câmpul pentru parolă. O cheie API nu funcționează aici.
steps-resend-1 = Conectați-vă la Resend și creați o cheie API cu numele { $program } și cu acces pentru trimitere.
steps-resend-2 = Introduceți aici, ca nume de utilizator, cuvântul resend.
steps-resend-3 = Copiați cheia în câmpul pentru parolă.
steps-mailjet-1 = Conectați-vă la Mailjet și deschideți pagina cu cheile dumneavoastră API.
steps-mailjet-2 = Introduceți aici cheia API ca nume de utilizator și cheia secretă ca parolă.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Acest server este pentru primirea e-mailurilor. Pentru trimitere, folosiți serverul { $host } al furnizorului { $provider }.
warning-port_25 = Portul 25 este destinat e-mailurilor dintre servere și mulți furnizori de internet îl blochează. Folosiți 587 sau 465, dacă furnizorul de e-mail le oferă.
warning-no_encryption = E-mailurile dumneavoastră și documentele din ele pot fi citite de oricine se află pe traseu.
warning-own_certificate = Este acceptat doar certificatul care are această amprentă. Când serverul primește unul nou, faceți din nou testul și acceptați-l.

fault-required = Acest câmp este obligatoriu.
fault-required-http_server = Introduceți adresa serviciului web.
fault-required-smtp_host = Introduceți numele serverului SMTP al furnizorului.
fault-required-smtp_port = Introduceți portul: la cei mai mulți furnizori, 587 sau 465.
fault-required-username = Introduceți adresa de e-mail a contului care se conectează.
fault-required-email_address = Introduceți adresa de e-mail de la care trimiteți.
fault-required-password = Introduceți parola acestui cont.
fault-required-copy_to = Introduceți adresa la care ajung copiile sau debifați caseta care o cere.
fault-required-reply_to = Introduceți adresa la care trebuie să ajungă răspunsurile.
fault-required-trusted_certificate = Faceți testul și acceptați certificatul afișat sau debifați caseta care îl cere.
fault-password_again = Serverul, portul, criptarea sau numele de utilizator nu mai sunt cele pentru care a fost salvată parola. Introduceți parola din nou.
fault-password_without_username = Introduceți numele de utilizator pentru această parolă sau ștergeți parola.
fault-token_in_clear = Fără criptare, datele conectării ar circula la vedere. Alegeți altă criptare.
fault-not_signed_in = Conectați-vă mai întâi: acest cont nu are încă o conectare.
fault-sign_in_settings_changed = Setările au fost schimbate între timp, așa că această conectare nu a fost salvată. Conectați-vă din nou.
fault-no_sign_in_here = Pentru acest server nu se cunoaște nicio conectare la furnizor. Folosiți numele de utilizator și parola.
fault-no_client = { $program } nu se poate conecta încă la { $provider }: producătorul trebuie mai întâi să înregistreze programul acolo.
fault-choice_unknown = { $value } nu este una dintre variante: { $choices }.
fault-host_has_scheme = Ștergeți „{ $scheme }”: aici se scrie doar numele serverului, de exemplu smtp.example.com.
fault-host_has_port = Ștergeți de aici „:{ $port }”: portul are câmpul lui.
fault-host_has_path = Ștergeți tot ce urmează de la „/” încolo: aici se scrie doar numele serverului.
fault-host_has_space = Numele unui server nu conține spații.
fault-host_is_address = Aceasta este o adresă de e-mail. Aici este nevoie de numele serverului, de exemplu smtp.example.com.
fault-host_invalid = Acesta nu este numele unui server. Un nume de server arată astfel: smtp.example.com.
fault-port_invalid = Portul este un număr întreg de la 1 la 65535; de obicei 587 sau 465.
fault-url_invalid = Aceasta nu este o adresă web. O adresă web arată astfel: https://email.example.com/.
fault-url_not_web = Aici pot fi folosite doar adrese cu https://.
fault-url_not_secure = Documentul ar circula necriptat: folosiți https:// în loc de http://.
fault-url_has_login = Scoateți numele și parola din adresă: tokenul are câmpul lui.
fault-username_control = Numele de utilizator conține un sfârșit de rând sau alt caracter invizibil. Tastați-l din nou, în loc să îl lipiți.
fault-secret_control = Textul conține un sfârșit de rând sau alt caracter invizibil. Tastați-l din nou, în loc să îl lipiți.
fault-fingerprint_invalid = O amprentă SHA-256 are 64 de cifre, de la 0 la 9 și de la A la F.
fault-insecure_login = Fără criptare, parola ar circula la vedere. Alegeți altă criptare sau bifați această casetă, dacă așa doriți.
fault-established_provider = Debifați această casetă: { $provider } are un certificat recunoscut și, dacă acesta este refuzat, parola ar ajunge la cineva de pe traseu.
fault-too_long_text = Textul este prea lung: numărul maxim de caractere este { $limit }.

fault-too_long = Sunt prea mulți octeți: { $bytes }, iar limita este { $limit }.
fault-bad_json = Acesta nu este JSON: eroarea este la rândul { $line }, coloana { $column }.
fault-wrong_type = Aici trebuie să fie { $expected }, dar este { $found }.
type-an_object = un obiect
type-text = text
type-true_or_false = true sau false
type-true_or_false_or_an_object = true, false sau un obiect
type-a_number = un număr
type-a_list = o listă
type-text_or_a_list_of_texts = text sau o listă de texte
type-a_number_or_text = un număr sau text
type-a_host_name = un nume de server
type-a_link_or_null = un link sau null
type-null = null
fault-out_of_range = Valoarea trebuie să fie de la { $least } la { $most }.
fault-unknown_key = Această cheie nu există.
fault-unknown_key_near = Această cheie nu există. Este vorba de { $nearest }?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf este NULL, iar email_json nu conține document.path: dați octeții PDF-ului sau calea fișierului său.
   *[other] { $argument } este NULL.
}
call-bad_utf8 = { $argument } nu este UTF-8: primul octet greșit se află la poziția { $position }.
call-null_with_length = { $argument } este NULL, dar lungimea sa în octeți este { $length }.
call-bad_length = { $argument } are lungimea în octeți { $bytes }, mai mult decât poate copia acest calculator în memorie.
fault-key_needs_store = Nu are efect fără un fișier cu setări.
fault-one_key_only = Se poate da doar una dintre key, passphrase și keychain.
fault-wrong_type_expected = Aici trebuie să fie { $expected }.

fault-control_character = Textul conține un caracter care nu poate fi trimis ({ $character }), de exemplu un sfârșit de rând. Tastați-l din nou, în loc să îl lipiți.
fault-bidi_character = Textul conține un caracter invizibil care schimbă direcția scrierii ({ $character }). Tastați-l din nou, în loc să îl lipiți.

fault-address_empty = Aici lipsește o adresă.
fault-address_no_at = { $address } nu este o adresă de e-mail: lipsește „@”.
fault-address_several_at = { $address } nu este o adresă de e-mail: are mai mult de un „@”.
fault-address_missing_separator = { $address }: puneți o virgulă între două adrese.
fault-address_no_local = { $address } nu este o adresă de e-mail: lipsește partea dinainte de „@”.
fault-address_no_domain = { $address } nu este o adresă de e-mail: lipsește partea de după „@”.
fault-address_space = { $address } nu este o adresă de e-mail: conține un spațiu.
fault-address_invisible_character = Adresa conține un caracter invizibil ({ $character }). Tastați-o din nou, în loc să o lipiți.
fault-address_local_too_long = Partea dinainte de „@” este prea lungă: numărul de octeți este { $bytes }, iar limita este { $limit }.
fault-address_too_long = Adresa este prea lungă: numărul de octeți este { $bytes }, iar limita este { $limit }.
fault-address_bad_domain = { $domain } nu este domeniul unei adrese de e-mail.
fault-address_bad_local = { $local } nu poate sta înainte de „@” într-o adresă de e-mail.
fault-mailbox_quote = { $text }: lipsește un semn de ghilimele.
fault-mailbox_bracket = { $text }: adresa trebuie să stea între „<” și „>”.
fault-mailbox_text_after_address = { $text }: după „>” nu poate urma nimic.
fault-mailbox_missing_separator = { $text }: puneți o virgulă între două adrese.
fault-too_many_recipients = Sunt prea mulți destinatari pentru un singur e-mail: { $number }, iar limita este { $limit }.
fault-one_address_only = Introduceți o singură adresă.
fault-no_recipients = Introduceți cel puțin un destinatar.
fault-header_too_long = Textul este prea lung pentru un e-mail: numărul de octeți este { $bytes }, iar limita este { $limit }.
fault-file_name_empty = Fișierul are nevoie de un nume.
fault-file_name_dots = „{ $name }” nu este un nume de fișier.
fault-file_name_separator = Un nume de fișier nu poate conține „{ $character }”.
fault-file_name_encoded_word = Un nume de fișier nu poate conține „=?”: unele programe de e-mail ar afișa alt nume.
fault-file_name_too_long = Numele fișierului este prea lung: numărul de octeți este { $bytes }, iar limita este { $limit }.
fault-file_missing = Fișierul { $path } nu există.
fault-file_is_folder = { $path } este un folder, nu un fișier.
fault-file_not_regular = { $path } nu este un fișier obișnuit.
fault-file_changed = Fișierul { $path } s-a modificat în timp ce era citit. Încercați din nou când este complet.
fault-file_unreadable = Fișierul { $path } nu poate fi citit: { $error }.
fault-files_too_large = Documentul și atașamentele sunt prea mari împreună: limita în octeți este { $limit }.
fault-files_no_memory = Nu este destulă memorie; octeți necesari: { $bytes }.
fault-pdf_empty = PDF-ul este gol: nu conține niciun octet.
fault-pdf_not_a_pdf = Acesta nu este un PDF: „%PDF-” nu apare în primii 1.024 de octeți.
fault-document_twice = Se pot da fie octeții PDF-ului, fie calea fișierului său, nu amândouă.
fault-attachment_twice = Se poate da fie path, fie base64, nu amândouă.
fault-attachment_missing = Trebuie dat fie path, fie base64.
fault-file_name_missing = Un atașament dat ca base64 are nevoie de file_name.
fault-base64_bad = Acesta nu este base64.
fault-type_bad = { $type } nu este un tip media, precum application/pdf.
fault-type_composite = { $type } nu poate fi trimis ca tip al unui atașament; folosiți application/octet-stream.
fault-body_twice = Se poate da fie body, fie body_html împreună cu body_text.
fault-body_text_missing = body_html are nevoie și de body_text, pentru programele de e-mail care nu afișează HTML.
fault-body_html_missing = body_text se folosește împreună cu body_html; pentru text simplu folosiți body.
fault-idempotency_key_bad = Cheia este formată din caractere ASCII vizibile; numărul lor este de la 1 la { $limit }.
fault-access_token_bad = Un token de acces este format din caractere ASCII vizibile; numărul lor este de la 1 la { $limit }.
fault-access_token_unused = Aceste setări nu folosesc un token de acces: auth nu este oauth2.
fault-sign_in_unused = Aceste setări nu au o conectare la furnizor: auth nu este oauth2.
fault-flow_unknown = Valoarea este browser, redirect, device sau client_credentials.
fault-redirect_uri_bad = Pentru redirect este nevoie de o adresă https:// proprie, iar pentru celelalte valori nu.
fault-sign_in_unknown = Nu există o astfel de conectare: a fost deja încheiată sau a fost începută cu alt obiect de cont ori de alt proces.
fault-callback_bad = Nu aceasta este adresa la care furnizorul a trimis browserul pentru această conectare.
fault-no_randomness = Sistemul nu a furnizat numere aleatoare, de care orice e-mail are nevoie. Încercați din nou.

fault-key_invalid = Cheia nu are 32 de octeți în base64.
fault-passphrase_empty = Fraza de acces este goală.
fault-ca_file_unreadable = Fișierul cu certificate nu poate fi citit: { $detail }.
fault-ca_file_invalid = Un certificat din acest fișier nu poate fi folosit: { $detail }.
fault-ca_file_empty = În acest fișier nu este niciun certificat. Fișierul trebuie să fie în format PEM.
fault-store_empty = Calea fișierului cu setări este goală.
fault-program_name_empty = Numele programului este gol.
fault-key_missing = Acest element este obligatoriu.
fault-host_name_invalid = Acesta nu este numele unui server sau al unui domeniu.
fault-link_invalid = Aceasta nu este adresa unei pagini web care începe cu https:// și nu conține date de autentificare.
fault-provider_twice = Există deja un rând cu id-ul { $id }.
fault-locale_invalid = Aceasta nu este o etichetă de limbă, cum sunt en, ro sau pt-BR.
fault-text_syntax = Textul { $id } nu este scris corect în Fluent, la rândul { $line }: { $detail }.
fault-text_unknown = Nu există niciun text cu identificatorul { $id } (rândul { $line }).
fault-text_twice = Textul { $id } apare de două ori (rândul { $line }).
fault-text_word = Textul { $id } (rândul { $line }) folosește { $word }, care nu există pentru el.
fault-hello_name_invalid = Acesta nu este un nume de gazdă care poate fi trimis cu EHLO.
fault-proxy_invalid = { $variable ->
    [none] Aceasta nu este adresa unui proxy. Ea arată astfel: socks5://proxy.example.com:1080 sau http://user:password@proxy.example.com:3128, ori este cuvântul environment.
   *[other] Variabila de mediu { $variable } nu este adresa unui proxy. Ea arată astfel: socks5://proxy.example.com:1080 sau http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Proxyurile cu { $scheme }:// nu pot fi folosite aici: dați unul cu socks5:// sau http://.
   *[other] Variabila de mediu { $variable } indică un proxy cu { $scheme }://, care nu poate fi folosit aici: dați unul cu socks5:// sau http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] Numele de utilizator sau parola pentru proxy nu pot fi folosite: fiecare are cel mult 255 de octeți, fără sfârșituri de rând, iar caracterele speciale din adresele web se scriu ca acolo, de exemplu %40 pentru @.
   *[other] Numele de utilizator sau parola pentru proxy din variabila de mediu { $variable } nu pot fi folosite: fiecare are cel mult 255 de octeți, fără sfârșituri de rând, iar caracterele speciale din adresele web se scriu ca acolo, de exemplu %40 pentru @.
}

fault-nameserver_invalid = Aceasta nu este adresa unui server de nume. Ea arată ca 192.0.2.53 sau 127.0.0.1:5353.

discovery-nothing = Nu s-au găsit setări pentru { $domain }: le găsiți în paginile de ajutor ale furnizorului.
discovery-canceled = Căutarea setărilor a fost anulată.

settings-faults = { $count ->
    [one] { $label }: { $message }
    [few] { $count } câmpuri trebuie completate sau corectate. Primul este { $label }: { $message }
   *[other] { $count } de câmpuri trebuie completate sau corectate. Primul este { $label }: { $message }
}
email-faults = E-mailul nu poate fi trimis astfel. { $message }
not_configured = E-mailul nu este configurat încă. Completați mai întâi setările de e-mail.

## The store

protection-memory = Setările sunt păstrate doar în memorie și se pierd la închiderea programului { $program }.
protection-given_key = Parola este criptată în fișierul cu setări, cu o cheie pe care o păstrează { $program }.
protection-passphrase = Parola este criptată în fișierul cu setări, cu o cheie obținută dintr-o frază de acces.
protection-keychain = Parola este criptată în fișierul cu setări, cu o cheie din portcheiul sistemului.
protection-key_file = Parola este criptată în fișierul cu setări. Cheia se află într-un fișier de lângă acesta, pe care îl poate citi doar acest utilizator: cine poate citi ambele fișiere poate citi și parola.

store-damaged = Fișierul cu setări { $path } este deteriorat ({ $detail }). A fost lăsat așa cum este. Ștergeți setările și introduceți-le din nou sau restaurați fișierul dintr-o copie de rezervă.
store-tampered = Fișierul cu setări { $path } a fost modificat din afara programului { $program }. Din motive de siguranță nu este folosit și a fost lăsat așa cum este. Ștergeți setările și introduceți-le din nou sau restaurați fișierul dintr-o copie de rezervă.
store-wrong_key = Fișierul cu setări { $path } nu poate fi deschis cu această cheie ({ $detail }). A fost lăsat așa cum este.
store-newer = Fișierul cu setări { $path } a fost scris de o versiune mai nouă a programului { $program }. A fost lăsat așa cum este. Actualizați { $program }.
store-no_folder = Folderul { $path } pentru fișierul cu setări nu poate fi folosit: { $detail }.
store-unreadable = Fișierul cu setări { $path } nu poate fi citit: { $detail }.
store-unwritable = Setările nu au putut fi salvate în { $path }: { $detail }. Rămân valabile setările anterioare.
store-busy = Alt program salvează chiar acum setările în { $path }. Încercați din nou.
store-key_file_exposed = Fișierul cu cheia { $path } poate fi citit de alți utilizatori ai acestui calculator, așa că nu protejează nimic. Permiteți citirea lui doar proprietarului.
store-key_missing = Fișierul cu cheia { $path }, care deschide setările, lipsește. Restaurați-l dintr-o copie de rezervă sau ștergeți setările și introduceți-le din nou.
store-no_keychain = Portcheiul sistemului nu poate fi folosit: { $detail }.

## The Email button

kind-invoice = Factură
kind-quote = Ofertă
kind-order = Comandă
kind-credit_note = Factură storno
kind-delivery_note = Aviz de însoțire a mărfii
kind-receipt = Chitanță
kind-reminder = Înștiințare de plată
kind-statement = Extras de cont
kind-payslip = Fluturaș de salariu
kind-report = Raport
kind-document = Document
button-subject = { $document }
button-subject_from = { $document } de la { $sender }
button-body =
    Bună ziua, { $name },

    Vă transmitem atașat: { $document }.
button-body_no_name =
    Bună ziua,

    Vă transmitem atașat: { $document }.
button-closing =
    Cu stimă,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } nu pare adresa corectă. Este vorba de { $meant }?
check-recipient_twice = { $address } apare de două ori printre destinatari.
check-no_subject = E-mailul nu are subiect.
check-no_body = E-mailul nu are text.
check-placeholder = { $placeholder } pare un câmp care nu a fost completat.
check-other_provider = { $sender } este o adresă de la { $provider }, dar e-mailul pleacă prin { $other }: multe servere consideră false asemenea e-mailuri. Trimiteți prin { $provider } sau de la altă adresă.
check-over_size_limit = E-mailul are { $size }, iar { $provider } acceptă cel mult { $limit }. Micșorați atașamentele sau trimiteți în schimb un link.
check-over_recipient_limit = Sunt prea mulți destinatari pentru un singur e-mail: { $number }, iar { $provider } acceptă cel mult { $limit }. Trimiteți-l pe rând, câte unei părți dintre ei.
check-no_reply_to = Răspunsurile la acest e-mail ajung la { $sender }, unde probabil nu le citește nimeni. Introduceți o adresă pentru răspunsuri.

## The test mail

test_subject = E-mail de test de la { $program }
test_body =
    Acesta este un e-mail de test de la { $program }.

    Dacă îl puteți citi, setările dumneavoastră de e-mail funcționează.

## Progress

step-turn = Așteptarea trimiterii altor e-mailuri
step-sign_in = Se reînnoiește conectarea
step-name = Căutarea serverului
step-connect = Conectarea
step-proxy = Conectarea prin proxy
step-tls = Criptarea conexiunii
step-greeting = Schimbul de saluturi cu serverul
step-login = Autentificarea
step-sender = Indicarea expeditorului
step-recipient = Indicarea destinatarilor
step-content = Trimiterea
step-verdict = Așteptarea răspunsului serverului

## What happened

problem-accepted = Serverul a acceptat e-mailul.
problem-accepted_partly = Serverul a acceptat e-mailul pentru o parte dintre destinatari și i-a refuzat pe ceilalți.
test-accepted = Setările funcționează: serverul a acceptat un e-mail de test către { $recipient }.
problem-name_not_found = Serverul { $host } nu a fost găsit. E-mailul nu a fost trimis.
problem-name_lookup_failed = Serverul { $host } nu a putut fi căutat: se pare că nu există conexiune la internet. E-mailul nu a fost trimis.
problem-no_route = De la acest calculator nu se poate ajunge la { $host }: rețeaua nu funcționează sau nu este conectată. E-mailul nu a fost trimis.
problem-connection_refused = Serverul { $host } a refuzat conexiunea pe portul { $port }. E-mailul nu a fost trimis.
step-repair = Încercarea altor porturi
problem-connection_failed = Nu s-a putut stabili o conexiune cu { $host } pe portul { $port }. E-mailul nu a fost trimis.
problem-timed_out = { $step ->
    [name] Serverul { $host } nu a putut fi căutat la timp. E-mailul nu a fost trimis.
    [connect] Serverul { $host } nu răspunde pe portul { $port }. E-mailul nu a fost trimis.
    [content] Serverul { $host } s-a oprit din preluarea e-mailului înainte ca acesta să fie complet. Nu a fost trimis.
   *[other] Serverul { $host } nu a mai răspuns. E-mailul nu a fost trimis.
}
problem-out_of_time = Trimiterea a durat mai mult decât era permis. E-mailul nu a fost trimis.
problem-disconnected = { $step ->
    [content] Serverul { $host } a închis conexiunea înainte ca e-mailul să fie complet. Nu a fost trimis.
   *[other] Serverul { $host } a închis conexiunea. E-mailul nu a fost trimis.
}
problem-name_not_found-proxy = Proxyul { $proxy } nu a fost găsit. E-mailul nu a fost trimis.
problem-name_lookup_failed-proxy = Proxyul { $proxy } nu a putut fi căutat: se pare că nu există conexiune la rețea. E-mailul nu a fost trimis.
problem-no_route-proxy = De la acest calculator nu se poate ajunge la proxyul { $proxy }: rețeaua nu funcționează sau nu este conectată. E-mailul nu a fost trimis.
problem-connection_refused-proxy = Proxyul { $proxy } a refuzat conexiunea. E-mailul nu a fost trimis.
problem-connection_failed-proxy = Nu s-a putut stabili o conexiune cu proxyul { $proxy }. E-mailul nu a fost trimis.
problem-timed_out-proxy = { $step ->
    [name] Proxyul { $proxy } nu a putut fi căutat la timp. E-mailul nu a fost trimis.
    [connect] Proxyul { $proxy } nu răspunde. E-mailul nu a fost trimis.
   *[other] Proxyul { $proxy } nu s-a conectat la timp la { $host }. E-mailul nu a fost trimis.
}
problem-disconnected-proxy = Proxyul { $proxy } a închis conexiunea în loc să se conecteze la { $host }. E-mailul nu a fost trimis.
problem-bad_reply-proxy = Răspunsul primit de la { $proxy } nu este cel al unui proxy de tipul setat. E-mailul nu a fost trimis.
problem-proxy_login_refused = Proxyul { $proxy } cere un nume de utilizator și o parolă sau altele decât cele setate. E-mailul nu a fost trimis.
problem-proxy_failed = Proxyul { $proxy } nu s-a conectat la { $host } pe portul { $port }. E-mailul nu a fost trimis.
problem-bad_reply = Răspunsul primit de la { $host } pe portul { $port } nu este cel așteptat. E-mailul nu a fost trimis.

problem-tls_failed = Nu s-a putut stabili o conexiune criptată cu { $host }. Nu s-au trimis nici parola, nici e-mailul.
problem-tls_not_spoken = Serverul { $host } nu folosește TLS de la început pe portul { $port }. Nu s-au trimis nici parola, nici e-mailul.
problem-tls_too_old = Serverul { $host } cunoaște doar o criptare prea veche pentru a fi sigură. Nu s-au trimis nici parola, nici e-mailul.
problem-tls_not_offered = Serverul { $host } nu oferă criptare pe portul { $port }. Nu s-au trimis nici parola, nici e-mailul.
problem-tls_refused = Serverul { $host } a refuzat să înceapă criptarea. Nu s-au trimis nici parola, nici e-mailul.
problem-bytes_before_tls = Pe traseul până la { $host }, ceva a intervenit la începutul criptării. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_untrusted = Certificatul serverului { $host } nu este emis de o autoritate în care acest calculator are încredere. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_expired = Certificatul serverului { $host } a expirat ({ $expires }). Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_not_yet_valid = Certificatul serverului { $host } este valabil abia de la { $begins }. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_wrong_name = { $names_known ->
    [yes] Certificatul prezentat de { $host } este emis pentru alt nume ({ $names }). Nu s-au trimis nici parola, nici e-mailul.
   *[other] Certificatul prezentat de { $host } nu este emis pentru acest nume. Nu s-au trimis nici parola, nici e-mailul.
}
problem-certificate_invalid = Certificatul serverului { $host } nu poate fi acceptat. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_changed = Serverul { $host } prezintă alt certificat decât cel pe care l-ați acceptat. Nu s-au trimis nici parola, nici e-mailul.
problem-login_in_clear = Conexiunea cu { $host } nu este criptată, de aceea parola nu a fost trimisă. Nici e-mailul nu a fost trimis.
problem-token_in_clear = Conexiunea cu { $host } nu este criptată, așa că datele conectării nu au fost transmise. E-mailul nu a fost trimis.
problem-login_server_unproven = Serverul { $host } nu a dovedit că vă cunoaște parola, deci este posibil ca cineva să se fi interpus. Nu s-au trimis nici parola, nici e-mailul.

problem-encryption_required = Serverul { $host } cere o conexiune criptată. E-mailul nu a fost trimis.
problem-login_refused = Serverul { $host } nu a acceptat numele de utilizator și parola. E-mailul nu a fost trimis.
problem-login_not_offered = Serverul { $host } nu oferă autentificare pe portul { $port }, dar este setat un nume de utilizator. E-mailul nu a fost trimis.
problem-login_unsupported = Serverul { $host } nu oferă nicio metodă de autentificare cu parolă pe care { $program } o cunoaște. E-mailul nu a fost trimis.
problem-login_required = Serverul { $host } cere autentificare înainte să preia e-mailuri. E-mailul nu a fost trimis.
problem-token_refused = { $provider } nu a permis conectarea contului { $username }.
problem-http_unauthorized = Serviciul web a refuzat accesul. E-mailul nu a fost trimis.

problem-server_busy = Serverul { $host } nu preia acum e-mailuri de la acest calculator. E-mailul nu a fost trimis.
problem-login_deferred = Serverul { $host } nu a putut verifica acum autentificarea. E-mailul nu a fost trimis.
problem-sender_deferred = Serverul { $host } nu preia acum e-mailuri de la { $sender }. E-mailul nu a fost trimis.
problem-recipient_deferred = Serverul { $host } nu preia acum e-mailuri pentru { $recipient }. E-mailul nu a fost trimis nimănui.
problem-recipient_deferred-copy = Serverul { $host } nu preia acum e-mailuri pentru { $recipient }, adresa dumneavoastră pentru copii. E-mailul nu a fost trimis nimănui.
problem-content_deferred = Serverul { $host } nu a preluat acum e-mailul. Nu a fost trimis.
problem-http_busy = Serviciul web este prea ocupat acum. E-mailul nu a fost trimis.

problem-server_refused = Serverul { $host } a refuzat să comunice cu acest calculator. E-mailul nu a fost trimis.
problem-sender_refused = Serverul { $host } nu preia e-mailuri de la { $sender }. E-mailul nu a fost trimis.
problem-recipient_refused = Serverul { $host } a refuzat destinatarul { $recipient }. E-mailul nu a fost trimis nimănui.
problem-recipient_refused-copy = Serverul { $host } a refuzat { $recipient }, adresa dumneavoastră pentru copii. E-mailul nu a fost trimis nimănui.
problem-content_refused = Serverul { $host } a refuzat e-mailul. Nu a fost trimis.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] E-mailul este prea mare: are { $size }, iar { $host } acceptă { $limit }. Nu a fost trimis.
   *[other] E-mailul este prea mare pentru { $host }. Nu a fost trimis.
}
problem-address_not_supported = Serverul { $host } nu acceptă o adresă care are înainte de @ alte litere decât A–Z. E-mailul nu a fost trimis.
problem-http_refused = Serviciul web a semnalat o eroare.
problem-http_not_found = La această adresă web nu există un serviciu de e-mail. E-mailul nu a fost trimis.
problem-http_redirected = Serviciul web cere ca documentul să fie trimis mai departe la altă adresă, ceea ce nu se face, din motive de siguranță. E-mailul nu a fost trimis.

problem-file_changed = Fișierul documentului a fost modificat, înlocuit sau șters înainte ca e-mailul să fie complet. Nu a fost trimis.
problem-file_unreadable = Fișierul documentului nu a putut fi citit. E-mailul nu a fost trimis.

problem-no_verdict = E-mailul a fost trimis în întregime către { $host }, dar nu se știe dacă a fost acceptat. Poate că a ajuns, poate că nu; nu este trimis din nou automat.
problem-canceled = Trimiterea a fost anulată. Nu s-a trimis nimic.
problem-internal = Ceva nu a funcționat corect în mailbutton. Este o eroare a programului mailbutton.

# Connecting
problem-no_network = Nu se poate ajunge la { $host }, deși numele este corect: se pare că acest calculator nu are conexiune la internet. E-mailul nu a fost trimis.
problem-blocked_on_this_computer = Acest calculator nu permite programului { $program } să se conecteze la { $host }. E-mailul nu a fost trimis.
problem-port_25_blocked = Nu se poate ajunge la { $host } pe portul 25, pe care majoritatea furnizorilor de internet îl blochează. E-mailul nu a fost trimis.
problem-imap_port = Portul { $port } al serverului { $host } este pentru primirea e-mailurilor (IMAP), nu pentru trimiterea lor. E-mailul nu a fost trimis.
problem-pop3_port = Portul { $port } al serverului { $host } este pentru primirea e-mailurilor (POP3), nu pentru trimiterea lor. E-mailul nu a fost trimis.
problem-web_port = Portul { $port } al serverului { $host } este pentru pagini web, nu pentru trimiterea e-mailurilor. E-mailul nu a fost trimis.
problem-not_a_mail_server = Pe portul { $port } al serverului { $host } nu răspunde un server de e-mail. E-mailul nu a fost trimis.
problem-tls_from_the_start = Serverul { $host } așteaptă criptare de la început pe portul { $port }, iar setările încep fără ea. Nu s-au trimis nici parola, nici e-mailul.
problem-clear_at_the_start = Serverul { $host } începe fără criptare pe portul { $port } și trece la ea mai târziu (STARTTLS), iar setările criptează de la început. Nu s-au trimis nici parola, nici e-mailul.
problem-port_closed = Serverul { $host } a refuzat conexiunea pe portul { $port }, lucru neobișnuit la { $provider }: este posibil ca ceva de pe traseu să o blocheze. E-mailul nu a fost trimis.
problem-port_silent = Serverul { $host } nu răspunde pe portul { $port }: poate că portul este altul sau ceva de pe traseu îl blochează. E-mailul nu a fost trimis.
problem-greeting_missing = Serverul { $host } a acceptat conexiunea pe portul { $port }, dar apoi nu a mai răspuns. E-mailul nu a fost trimis.
problem-cut_off = Conexiunea cu { $host } pe portul { $port } a fost întreruptă chiar de la început. E-mailul nu a fost trimis.
problem-queue_too_long = Acest e-mail a așteptat prea mult după cele dinaintea lui. Nu a fost trimis.

# Encryption
problem-starttls_hidden = Ceva de pe traseul până la { $host } ascunde criptarea pe care o oferă serverul. Nu s-au trimis nici parola, nici e-mailul.
problem-tls_not_ready = Serverul { $host } nu poate cripta acum conexiunea. Nu s-au trimis nici parola, nici e-mailul.
problem-starttls_broken = Serverul { $host } a acceptat să cripteze conexiunea, dar apoi nu a făcut-o. Nu s-au trimis nici parola, nici e-mailul.
problem-client_certificate_wanted = Serverul { $host } permite accesul doar programelor care prezintă un certificat propriu. Nu s-au trimis nici parola, nici e-mailul.
problem-intercepted_by_antivirus = Un program antivirus ({ $issuer }) a deschis conexiunea criptată cu { $host } și a pus în ea certificatul propriu. Nu s-au trimis nici parola, nici e-mailul.
problem-intercepted_by_firewall = Firewallul acestei rețele ({ $issuer }) a deschis conexiunea criptată cu { $host } și a pus în ea certificatul propriu. Nu s-au trimis nici parola, nici e-mailul.
problem-captive_portal = În locul serverului { $host } a răspuns un dispozitiv din această rețea: probabil că rețeaua cere mai întâi să vă conectați în browser. Nu s-au trimis nici parola, nici e-mailul.
problem-clock_wrong = Certificatul serverului { $host } nu se potrivește cu data acestui calculator, care s-ar putea să nu fie corectă. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_not_the_providers = Certificatul primit nu este cel de la { $provider }: ceva aflat între acest calculator și { $host } l-a înlocuit cu al său. Nu s-au trimis nici parola, nici e-mailul.
problem-certificate_self_signed = Serverul { $host } prezintă un certificat pe care l-a semnat singur, deci nimeni nu garantează pentru el. Nu s-au trimis nici parola, nici e-mailul.

# Login
problem-sign_in_blocked = Serverul { $host } cere să confirmați mai întâi autentificarea într-un browser web. E-mailul nu a fost trimis.
problem-smtp_auth_off_tenant = Organizația dumneavoastră a dezactivat în Microsoft 365 trimiterea cu parolă („SMTP autentificat”, Authenticated SMTP). E-mailul nu a fost trimis.
problem-smtp_auth_off_mailbox = Trimiterea cu parolă („SMTP autentificat”, Authenticated SMTP) este dezactivată în Microsoft 365 pentru această căsuță de e-mail. E-mailul nu a fost trimis.
problem-password_login_over = Serverul { $host } nu mai permite programelor să se conecteze cu o parolă. E-mailul nu a fost trimis.
problem-blocked_by_sign_in_rules = O regulă de securitate a organizației dumneavoastră nu permite această autentificare. E-mailul nu a fost trimis.
problem-account_locked = Serverul { $host } anunță că acest cont este blocat. E-mailul nu a fost trimis.
problem-password_expired = Serverul { $host } anunță că parola a expirat. E-mailul nu a fost trimis.
problem-sign_in_scope = Conectarea la { $host } nu permite ca { $program } să trimită e-mailuri. E-mailul nu a fost trimis.
problem-sign_in_again = Serverul { $host } nu mai acceptă conectarea contului { $username }. E-mailul nu a fost trimis.
problem-sign_in_refused = Serverul { $host } nu a acceptat conectarea contului { $username }. E-mailul nu a fost trimis.
problem-sign_in_expired = Conectarea contului { $username } la { $provider } a expirat.
problem-sign_in_denied = Conectarea a fost refuzată pe pagina { $provider }.
problem-sign_in_busy = Conectarea la { $provider } nu este disponibilă acum.
problem-sign_in_needs_admin = Un administrator trebuie mai întâi să permită { $program } la { $provider }.
problem-sign_in_against_rules = O regulă de securitate a organizației nu permite această conectare la { $provider }.
problem-program_not_known = { $provider } nu cunoaște { $program } așa cum se prezintă.
problem-sign_in_abandoned = Conectarea nu a fost încheiată la timp.
problem-sign_in_other_account = S-a conectat { $account }, iar setările sunt pentru { $username }.
problem-sign_in_no_listener = { $program } nu poate primi încheierea conectării pe acest calculator.
problem-sign_in_clock = { $provider } nu a permis conectarea, deoarece data sau ora acestui calculator diferă de a sa.
problem-program_not_verified = { $provider } nu a verificat încă { $program } și permite conectarea cu el doar câtorva persoane.
problem-gmail_app_password = { $provider } nu a acceptat autentificarea: aici cere o parolă pentru aplicații, nu parola Contului Google. E-mailul nu a fost trimis.
problem-yahoo_app_password = { $provider } nu a acceptat autentificarea: aici cere o parolă pentru aplicații, nu parola pentru site-ul său. E-mailul nu a fost trimis.
problem-icloud_app_password = { $provider } nu a acceptat autentificarea: aici cere o parolă specifică aplicației, nu parola Contului Apple. E-mailul nu a fost trimis.
problem-too_many_logins = Serverul { $host } nu mai primește autentificări o vreme, deoarece au fost prea multe. E-mailul nu a fost trimis.
problem-app_password_required = Serverul { $host } nu a acceptat autentificarea: aici cere o parolă pentru aplicații, nu pe cea pentru site. E-mailul nu a fost trimis.
problem-access_for_programs_off = Serverul { $host } nu a acceptat autentificarea: este posibil ca accesul programelor de e-mail să fie dezactivat pentru această căsuță. E-mailul nu a fost trimis.
problem-ip_not_allowed = Serverul { $host } nu permite autentificarea de la adresa de internet a acestui calculator. E-mailul nu a fost trimis.
problem-key_username = { $provider } nu a acceptat autentificarea: numele de utilizator este acolo cuvântul apikey, iar parola este o cheie. E-mailul nu a fost trimis.
problem-key_refused = { $provider } nu a acceptat numele de utilizator și cheia. E-mailul nu a fost trimis.
problem-password_login_ending = { $provider } nu a acceptat autentificarea: renunță la conectarea cu parolă și este posibil să o fi dezactivat deja pentru această căsuță. E-mailul nu a fost trimis.
problem-full_address_needed = Serverul { $host } nu a acceptat autentificarea: numele de utilizator este de obicei adresa de e-mail completă. E-mailul nu a fost trimis.
problem-password_or_app_password = { $provider } nu a acceptat numele de utilizator și parola: cu verificarea în doi pași activată, cere aici o parolă pentru aplicații. E-mailul nu a fost trimis.
problem-port_25_without_login = Serverul { $host } nu oferă autentificare pe portul 25, destinat e-mailurilor dintre servere. E-mailul nu a fost trimis.
problem-login_needs_encryption = Serverul { $host } nu oferă autentificare fără criptare. E-mailul nu a fost trimis.
problem-only_sign_in_offered = Serverul { $host } nu primește parole de la programe, ci doar conectarea în browserul web. E-mailul nu a fost trimis.
problem-sign_in_not_offered = Serverul { $host } nu primește niciun fel de conectare pe care { $program } să o cunoască. E-mailul nu a fost trimis.

# Limits
problem-too_many_connections = Serverul { $host } are prea multe conexiuni în același timp de la acest cont sau de la acest calculator. E-mailul nu a fost trimis.
problem-recipient_gets_too_many = { $recipient } primește în acest moment mai multe e-mailuri decât preia furnizorul său. E-mailul nu a fost trimis.
problem-daily_limit = S-a atins numărul de e-mailuri pe care { $host } le preia de la acest cont într-o zi sau într-o lună. E-mailul nu a fost trimis.
problem-rate_limited = Serverul { $host } nu mai preia o vreme e-mailuri de la acest cont, deoarece au fost multe într-un timp scurt. E-mailul nu a fost trimis.
problem-greylisted = Serverul { $host } lasă un prim e-mail să aștepte câteva minute, ca protecție împotriva spamului. E-mailul nu a fost trimis încă.

# The sender
problem-own_mailbox_full = Căsuța dumneavoastră de e-mail este plină, așa că { $host } nu preia e-mailuri de la dumneavoastră. E-mailul nu a fost trimis.
problem-account_blocked = Serverul { $host } a oprit trimiterea de la acest cont. E-mailul nu a fost trimis.
problem-sender_not_verified = Serverul { $host } trimite doar de la adrese confirmate acolo, iar { $sender } nu este printre ele. E-mailul nu a fost trimis.
problem-test_mode = Contul de la { $host } este încă în modul de test, în care trimite doar către adrese confirmate. E-mailul nu a fost trimis.
problem-sender_not_allowed = Serverul { $host } nu permite acestui cont să trimită de la { $sender }. E-mailul nu a fost trimis.
problem-sender_domain_unknown = Serverul { $host } nu cunoaște partea de după @ din { $sender }. E-mailul nu a fost trimis.
problem-sender_domain_protected = Domeniul adresei { $sender } nu permite serverului { $host } să trimită în numele lui (SPF, DKIM sau DMARC). E-mailul nu a fost trimis.
problem-sent_from_home = Serverul { $host } nu preia e-mailuri direct de la o conexiune obișnuită la internet. E-mailul nu a fost trimis.
problem-blocklisted = Adresa de internet de la care a venit acest e-mail se află pe o listă de expeditori de spam. E-mailul nu a fost trimis.
problem-hello_refused = Serverul { $host } nu a acceptat numele cu care s-a prezentat acest calculator. E-mailul nu a fost trimis.
problem-login_needed_to_send = Serverul { $host } preia acest e-mail numai după autentificare, dar nu este setat niciun nume de utilizator. E-mailul nu a fost trimis.
problem-relay_denied = Serverul { $host } nu transmite mai departe, către alți furnizori, e-mailuri de la { $sender }. E-mailul nu a fost trimis.

# The recipients
problem-too_many_recipients = Serverul { $host } nu preia un e-mail cu atât de mulți destinatari. E-mailul nu a fost trimis nimănui.
problem-mailbox_full = Căsuța de e-mail { $recipient } este plină. E-mailul nu a fost trimis nimănui.
problem-recipient_disabled = Căsuța de e-mail { $recipient } nu primește e-mailuri în acest moment. E-mailul nu a fost trimis nimănui.
problem-recipient_domain_unknown = Niciun server de e-mail nu preia e-mailuri pentru { $recipient }: partea de după @ nu există sau nu are e-mail. E-mailul nu a fost trimis nimănui.
problem-recipient_malformed = Serverul { $host } nu acceptă { $recipient } ca adresă de e-mail. E-mailul nu a fost trimis nimănui.
problem-recipient_unknown = Adresa { $recipient } nu există, potrivit serverului { $host }. E-mailul nu a fost trimis nimănui.

# The content
problem-virus_found = Serverul { $host } consideră că e-mailul conține un virus. Nu a fost trimis.
problem-attachment_blocked = Serverul { $host } nu acceptă un atașament de acest fel. E-mailul nu a fost trimis.
problem-spam_block = Serverul { $host } consideră acest e-mail spam. Nu a fost trimis.
problem-policy_block = O regulă a serverului { $host } nu permite acest e-mail. Nu a fost trimis.

# The server
problem-server_full = Serverul { $host } nu are loc acum pentru alte e-mailuri. E-mailul nu a fost trimis.
problem-server_trouble = Serverul { $host } are acum o problemă proprie. E-mailul nu a fost trimis.

# The web service
problem-relay_forbidden = Serviciul web cunoaște acest token, dar nu îi permite să trimită. E-mailul nu a fost trimis.
problem-relay_rate_limited = Serviciul web nu mai preia e-mailuri o vreme, deoarece au fost multe într-un timp scurt. E-mailul nu a fost trimis.
problem-relay_gateway = În spatele acestei adrese, serviciul web propriu-zis nu este disponibil. E-mailul nu a fost trimis.
problem-not_a_relay = La această adresă web nu răspunde un serviciu de e-mail. E-mailul nu a fost trimis.
problem-network_wants_sign_in = Această rețea cere să vă conectați în browser înainte de a permite orice trafic. E-mailul nu a fost trimis.
problem-relay_account = Serviciul web cere mai întâi rezolvarea situației contului, de exemplu printr-o plată. E-mailul nu a fost trimis.
problem-relay_rejects_email = Serviciul web nu acceptă e-mailul așa cum este. Nu a fost trimis.
problem-relay_broken = Serviciul web are o problemă proprie. E-mailul nu a fost trimis.
problem-gateway_lost_answer = E-mailul a fost trimis în întregime către { $host }, dar serviciul web din spatele acestuia nu a dat niciun răspuns. Poate că a ajuns, poate că nu; nu este trimis din nou automat.

## What to do: each begins with what to do

advice-check_host = Verificați dacă numele serverului este scris corect sau căutați-l în paginile de ajutor ale furnizorului.
advice-check_host_and_port = Verificați numele serverului și portul în paginile de ajutor ale furnizorului; porturile obișnuite sunt 587 și 465.
advice-check_internet = Verificați dacă acest calculator este conectat la internet, de exemplu deschizând o pagină web.
advice-check_proxy = Verificați proxyul { $proxy } în setările programului { $program } sau întrebați persoana care l-a configurat.
advice-check_proxy_login = Verificați numele de utilizator și parola pentru proxyul { $proxy } în setările programului { $program }.
advice-ask_proxy = Rugați persoana care se ocupă de proxyul { $proxy } să permită conexiunile către { $host } pe portul { $port } și arătați-i acest mesaj.
advice-firewall = Verificați dacă un firewall sau un program antivirus blochează { $program }, adăugându-l acolo la excepții sau oprind protecția e-mailului pe durata unui test.
advice-other_program = Încercați aceleași setări în Thunderbird: dacă nici acolo nu funcționează, cauza este la setări sau la furnizor; dacă acolo funcționează, ceva blochează { $program }.
advice-other_network = Încercați altă rețea, de exemplu hotspotul telefonului.
advice-try_again = Încercați din nou peste un minut.
advice-fewer_at_once = Trimiteți mai puține e-mailuri în același timp sau așteptați să fie trimise celelalte.
advice-try_later = Încercați din nou mai târziu; răspunsul serverului poate preciza când.
advice-check_limits = Verificați câte e-mailuri permite furnizorul pe oră și pe zi.
advice-port_25_blocked = Folosiți portul 587 în loc de 25, pe care majoritatea furnizorilor de internet îl blochează.
advice-mode_of_465 = Alegeți criptarea automată: portul 465 folosește TLS de la început.
advice-try_auto = Alegeți criptarea automată și încercați din nou.
advice-mode_of_587 = Alegeți criptarea automată: portul { $port } începe necriptat și trece la criptare cu STARTTLS.
advice-try_587 = Folosiți portul 587 cu criptare automată.
advice-try_465 = Folosiți portul 465 cu criptare automată.
advice-ask_provider = Întrebați furnizorul sau administratorul și arătați-i acest mesaj.
advice-server_must_update = Rugați administratorul serverului să activeze TLS 1.2 sau 1.3.
advice-other_server = Folosiți alt server de e-mail, dacă furnizorul are unul.
advice-check_clock = Verificați data și ora acestui calculator.
advice-renew_certificate = Rugați administratorul serverului să reînnoiască certificatul.
advice-accept_certificate = Acceptați acest certificat, dar numai dacă serverul este al dumneavoastră și amprenta este cea pe care v-o dă administratorul lui.
advice-use_what_works = Folosiți portul { $port } cu criptare automată: tocmai a fost încercat, iar { $host } răspunde acolo.
advice-use_what_works-auto = Alegeți criptarea automată: tocmai a fost încercată pe portul { $port }, iar { $host } răspunde.
advice-use_what_works-tls = Alegeți criptarea TLS de la început: tocmai a fost încercată pe portul { $port }, iar { $host } răspunde.
advice-compare_certificate = Întrebați administratorul serverului dacă certificatul a fost reînnoit și comparați amprenta înainte să îl acceptați.
advice-use_certificate_name = Folosiți serverul { $certificate_name } și introduceți din nou parola, dar numai dacă acel server este al furnizorului dumneavoastră.
advice-intercepted = Dezactivați scanarea e-mailurilor în programul antivirus: acesta pune certificatul propriu în locul celui de la { $provider }.
advice-use_tls = Alegeți criptarea automată.
advice-allow_insecure_login = Permiteți parola necriptată numai dacă serverul se află în rețeaua dumneavoastră și nu are criptare.

advice-app_password-gmail = Folosiți o parolă pentru aplicații: în Contul Google, la Securitate, activați verificarea în doi pași, deschideți Parole pentru aplicații, creați una pentru { $program } și introduceți-o aici în locul parolei obișnuite.
advice-app_password-yahoo = Folosiți o parolă pentru aplicații: deschideți pagina Securitatea contului de la Yahoo (login.yahoo.com/account/security), alegeți Generați parola aplicației, alegeți Altele, scrieți { $program }, apăsați Generați și copiați parola în câmpul pentru parolă.
advice-app_password-icloud = Folosiți o parolă specifică aplicației: conectați-vă la account.apple.com, deschideți Autentificare și securitate, alegeți Parole specifice aplicațiilor, creați una pentru { $program } și introduceți-o aici în locul parolei obișnuite.
advice-app_password = Folosiți o parolă pentru aplicații, deoarece { $provider } nu acceptă aici parola obișnuită: paginile sale de ajutor arată cum se creează.
advice-app_password-two_steps = Folosiți o parolă pentru aplicații dacă verificarea în doi pași este activată la { $provider }: paginile sale de ajutor arată cum se creează.
advice-app_password-any = Folosiți o parolă pentru aplicații dacă furnizorul are verificare în doi pași: atunci nu acceptă aici parola obișnuită.
advice-password_login_off = Rugați administratorul să permită conectarea cu parolă pentru această căsuță de e-mail („SMTP autentificat”, în engleză „Authenticated SMTP”): { $provider } o dezactivează, iar fără ea nu funcționează aici nicio parolă.
advice-other_account = Folosiți un alt cont de e-mail pentru trimitere: { $provider } nu mai permite programelor să se conecteze cu o parolă.
advice-full_address = Folosiți ca nume de utilizator adresa de e-mail completă: cei mai mulți furnizori o cer.
advice-check_key = Verificați numele de utilizator și cheia: { $provider } cere o cheie creată pe site-ul său, nu parola cu care vă conectați acolo.
advice-check_login = Verificați numele de utilizator și parola, conectându-vă pe site-ul furnizorului.
advice-login_off = Ștergeți numele de utilizator dacă acest server nu cere autentificare.
advice-enter_login = Introduceți numele de utilizator și parola contului dumneavoastră de e-mail.
advice-check_token = Verificați tokenul de acces pe care vi l-a dat operatorul serviciului web.
advice-check_sender = Trimiteți de la adresa contului sau cereți furnizorului să permită { $sender } ca alias.
advice-check_recipient = Verificați dacă adresa destinatarului este scrisă corect.
advice-check_relay = Introduceți numele de utilizator și parola contului dumneavoastră de e-mail: fără autentificare, cele mai multe servere preiau e-mailuri doar pentru utilizatorii lor.
advice-check_content = Verificați în e-mail ceea ce semnalează serverul în răspunsul său.
advice-make_smaller = Micșorați atașamentele sau trimiteți-le în mai multe e-mailuri.
advice-send_link = Trimiteți în schimb un link către document.
advice-plain_address = Cereți destinatarului o adresă numai cu litere de la A la Z sau folosiți un furnizor care acceptă asemenea adrese.
advice-check_url = Verificați adresa serviciului web împreună cu operatorul acestuia.
advice-ask_relay = Întrebați operatorul serviciului web și arătați-i acest mesaj.
advice-complete_file = Trimiteți e-mailul din nou când fișierul documentului este complet și nimic nu mai scrie în el.
advice-check_file = Verificați dacă fișierul documentului poate fi deschis și trimiteți e-mailul din nou.
advice-ask_recipient = Întrebați destinatarul dacă a primit e-mailul înainte să îl trimiteți din nou.
advice-look_in_sent = Căutați în folderul Trimise al căsuței de e-mail: mulți furnizori pun acolo o copie a ceea ce s-a trimis.
advice-report_bug = Raportați acest lucru producătorului programului { $program }.

advice-use_sending_port = Folosiți serverul pentru trimitere cu portul 587 și criptare automată; numele lui începe adesea cu smtp.
advice-use_sending_server = Folosiți serverul pentru trimitere al furnizorului { $provider }, { $sending_host }, pe portul { $sending_port }.
advice-try_tls = Alegeți criptarea TLS de la început.
advice-intercepted-host = Dezactivați scanarea e-mailurilor în programul antivirus sau adăugați { $host } la excepții: programul pune certificatul propriu în locul celui al serverului.
advice-ask_network = Rugați persoana care se ocupă de această rețea să lase conexiunile către { $host } să treacă fără a fi deschise.
advice-sign_in_network = Deschideți orice pagină web într-un browser și conectați-vă la această rețea, apoi faceți din nou testul.
advice-sign_in_browser = Conectați-vă la căsuța de e-mail într-un browser web, confirmați că încercarea a fost a dumneavoastră și faceți din nou testul.
advice-sign_in_again = Conectați-vă din nou.
advice-sign_in_consent = Conectați-vă din nou și permiteți ca { $program } să trimită e-mailuri atunci când sunteți întrebat.
advice-check_sign_in = Verificați dacă contul care s-a conectat are voie să trimită ca { $username }.
advice-use_password = Alegeți autentificarea cu nume de utilizator și parolă.
advice-allow_program = Cereți administratorului să permită ca { $program } să trimită e-mailuri și arătați-i acest mesaj.
advice-register_program = Cereți producătorului programului { $program } să verifice cum este înregistrat la { $provider } și arătați-i acest mesaj.
advice-sign_in_as = Conectați-vă din nou și alegeți contul { $username } pe pagina { $provider }.
advice-use_signed_in_account = Trimiteți în schimb ca { $account }.
advice-restart_and_sign_in = Conectați-vă din nou după ce reporniți calculatorul.
advice-verify_program = Cereți producătorului programului { $program } să obțină verificarea lui de către { $provider }.
advice-verify_program-weekly = Cereți producătorului programului { $program } să obțină verificarea lui de către { $provider }, dacă trebuie să vă conectați din nou în fiecare săptămână.
advice-verify_program-blocked = Cereți producătorului programului { $program } să obțină verificarea lui de către { $provider }, dacă pagina a spus că programul este blocat sau neverificat.
advice-sign_in_instead = Conectați-vă cu { $provider } în loc să folosiți o parolă.
advice-sign_in_instead-unregistered = Cereți producătorului programului { $program } să îl înregistreze la { $provider }, ca să vă puteți conecta fără parolă.
advice-allow_smtp_auth-tenant = Rugați administratorul să activeze în Microsoft 365 „SMTP autentificat” (Authenticated SMTP) pentru organizație sau doar pentru această căsuță de e-mail.
advice-allow_smtp_auth-mailbox = Rugați administratorul să activeze „SMTP autentificat” (Authenticated SMTP) pentru această căsuță de e-mail: în Centrul de administrare Microsoft 365, la Utilizatori activi, utilizatorul, Poștă, Gestionați aplicațiile de e-mail.
advice-other_account-any = Folosiți pentru trimitere un alt cont de e-mail, care permite programelor să se conecteze cu o parolă.
advice-ask_administrator = Cereți administratorului un server prin care pot trimite programele și arătați-i acest mesaj.
advice-allow_in_rules = Rugați administratorul să excepteze această căsuță de e-mail de la regula care blochează conectarea cu parolă (setări implicite de securitate sau Acces condiționat).
advice-unlock_account = Conectați-vă pe site-ul furnizorului pentru a debloca contul.
advice-renew_password = Schimbați parola pe site-ul furnizorului și introduceți-o aici pe cea nouă.
advice-switch_access_on = Activați accesul pentru programele de e-mail (POP3, IMAP, SMTP) în setările căsuței, pe site-ul furnizorului.
advice-allow_ip = Adăugați adresa de internet a acestui calculator la cele permise, în contul dumneavoastră de pe site-ul furnizorului.
advice-use_username_apikey = Folosiți cuvântul apikey ca nume de utilizator și o cheie creată la { $provider } ca parolă.
advice-use_login_port = Folosiți portul 587 cu criptare automată și datele de autentificare ale contului dumneavoastră de e-mail.
advice-wait-seconds = { $count ->
    [one] Încercați din nou peste { $count } secundă.
    [few] Încercați din nou peste { $count } secunde.
   *[other] Încercați din nou peste { $count } de secunde.
}
advice-wait-minutes = { $count ->
    [one] Încercați din nou peste { $count } minut.
    [few] Încercați din nou peste { $count } minute.
   *[other] Încercați din nou peste { $count } de minute.
}
advice-wait-hours = { $count ->
    [one] Încercați din nou peste { $count } oră.
    [few] Încercați din nou peste { $count } ore.
   *[other] Încercați din nou peste { $count } de ore.
}
advice-try_tomorrow = Încercați din nou mâine sau cereți furnizorului o limită mai mare.
advice-open_link = Deschideți pagina indicată de server: acolo scrie care este motivul și ce se poate face.
advice-other_programs = Închideți alte programe și dispozitive care trimit prin același cont sau așteptați să termine.
advice-ask_recipient_other_address = Cereți destinatarului altă adresă, de exemplu la telefon.
advice-free_space = Ștergeți e-mailuri vechi din căsuța dumneavoastră, inclusiv din cele trimise, sau cereți furnizorului mai mult spațiu.
advice-verify_sender = Confirmați { $sender } ca expeditor pe site-ul furnizorului sau trimiteți de la o adresă confirmată acolo.
advice-leave_test_mode = Cereți furnizorului să încheie modul de test al contului sau trimiteți doar către adrese confirmate acolo.
advice-check_sender_domain = Verificați dacă partea de după @ din { $sender } este scrisă corect.
advice-ask_domain = Rugați persoana care se ocupă de domeniul adresei { $sender } să permită serverului { $host } să trimită în numele lui sau trimiteți prin serverul acelui domeniu.
advice-ask_program = Rugați producătorul programului { $program } să seteze un nume potrivit pentru acest calculator.
advice-check_copy = Verificați adresa pentru copie din setări.
advice-fewer_recipients = Trimiteți e-mailul către mai puțini destinatari în același timp.
advice-tell_recipient_full = Anunțați destinatarul pe altă cale că are căsuța plină și trimiteți e-mailul din nou mai târziu.
advice-check_domain = Verificați dacă partea de după @ din { $recipient } este scrisă corect.
advice-scan_files = Verificați atașamentele cu un program antivirus înainte să le trimiteți cuiva.
advice-remove_attachment = Scoateți atașamentul care nu este un document, cum ar fi un program sau o arhivă.
advice-change_words = Scrieți subiectul și textul cu alte cuvinte, fără linkuri, și trimiteți e-mailul din nou.

## The words of a user interface around the form and the email

word-settings_title = Setări de e-mail
word-loading = Se încarcă…
word-saved = Setările sunt salvate.
word-try_again = Încearcă din nou
word-no_answer = { $program } nu răspunde. Nu s-a schimbat nimic.
word-connection_lost = Legătura cu { $program } s-a întrerupt. Încercați din nou ca să vedeți cum a continuat.
word-end_unknown = { $program } nu știe cum s-a încheiat. Întrebați destinatarul dacă a primit e-mailul înainte să îl trimiteți din nou.
word-other_version = O parte din acest formular este mai nouă decât această pagină și nu poate fi afișată complet.
word-required = obligatoriu
word-show_password = Arată
word-hide_password = Ascunde
word-use_proposal = Folosește aceste setări
word-provider_steps = Cum se configurează { $provider }
word-open_page = Deschide pagina
word-testing = Se testează…
word-cancel = Anulează
word-canceling = Se anulează…
word-close = Închide
word-step_ok = reușit
word-step_failed = eșuat
word-step_skipped = neefectuat
word-what_to_do = Ce este de făcut
word-apply = Aplică
word-apply_and_test = Aplică și testează din nou
word-server_said = Serverul a spus
word-details = Detalii
word-certificate = Certificat
word-certificate_subject = Emis pentru
word-certificate_issuer = Emis de
word-certificate_valid = Valabil
word-certificate_names = Nume
word-certificate_fingerprint = Amprenta SHA-256
word-accept_certificate = Acceptă și testează din nou
word-signed_in_as = Conectat ca { $account }
word-sign_in_waiting = Se așteaptă conectarea în browser…
word-sign_in_open = Deschide pagina de conectare
word-sign_in_code = Introduceți acolo acest cod
word-email_title = Trimitere prin e-mail
word-to = Către
word-cc = Cc
word-bcc = Bcc
word-show_cc_bcc = Cc și Bcc
word-addresses_help = Mai multe adrese se despart prin virgule.
word-subject = Subiect
word-message = Mesaj
word-write = Scrie
word-preview = Previzualizare
word-markdown_help = Sunt posibile **aldine**, *cursive*, liste și [legături](https://example.com).
word-document = Document
word-attachments = Atașamente
word-add_attachment = Adaugă un fișier
word-remove_attachment = Elimină { $file }
word-send = Trimite
word-sending = Se trimite…
word-before_sending = Înainte să trimiteți
word-send_anyway = Trimite oricum
word-recipient = Destinatar
word-outcome = Rezultat
word-outcome_accepted = acceptat
word-outcome_refused = refuzat
word-outcome_deferred = nu acum
word-outcome_not_sent = netrimis
word-outcome_uncertain = nesigur
word-discard_question = Închideți fără să trimiteți? Ce ați scris se pierde.
word-discard = Închide fără trimitere
word-keep_editing = Continuă editarea
