### Every text that reaches a person, in Italian. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Invio
field-protocol = Invia tramite
choice-protocol-smtp = Il mio provider email (SMTP)
choice-protocol-http = Un servizio web (relay HTTP)
help-protocol = Nella maggior parte dei casi si sceglie il provider email.
field-http_server = Indirizzo del servizio web
help-http_server = L’indirizzo che Le ha fornito il gestore del servizio web.
placeholder-http_server = https://email.example.com/
field-http_token = Token di accesso
help-http_token = Solo se il gestore del servizio web Gliene ha fornito uno.
field-smtp_host = Server SMTP
help-smtp_host = Il nome del server di posta in uscita del Suo provider, per esempio smtp.gmail.com, smtp.mail.yahoo.com o smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Porta
help-smtp_port = Di solito 465 o 587. Quella giusta è indicata nelle pagine di assistenza del provider.
placeholder-smtp_port = 587
field-smtp_security = Crittografia
help-smtp_security = La scelta automatica va bene per quasi tutti i server: TLS sulla porta 465, STARTTLS su tutte le altre. Una connessione che non si può crittografare non viene usata.
choice-smtp_security-auto = Automatica (consigliata)
choice-smtp_security-tls = TLS fin dall’inizio (di solito sulla porta 465)
choice-smtp_security-starttls = STARTTLS (di solito sulla porta 587)
choice-smtp_security-none = Nessuna: tutto viaggia leggibile
field-allow_insecure_login = Invia la password non crittografata
help-allow_insecure_login = La password può essere letta da chiunque si trovi lungo il percorso fino al server. Solo per un server nella Sua rete.
field-auth = Accesso con
choice-auth-password = Nome utente e password
choice-auth-oauth2 = Accesso presso il provider (OAuth 2.0)
help-auth = Alcuni provider, come Microsoft 365, permettono ai programmi di inviare solo dopo un accesso sulla loro pagina.
field-username = Nome utente
help-username = Spesso è l’indirizzo email completo. Lasci vuoto il campo se il server non richiede l’accesso.
placeholder-username = nome@example.com
field-mailbox = Altra casella di posta
help-mailbox = Solo se invia da una casella diversa dalla Sua, per esempio da una condivisa. L’accesso avviene comunque con il Suo account.
placeholder-mailbox = ufficio@example.com
field-email_address = Indirizzo email
help-email_address = L’indirizzo da cui vengono inviate le Sue email.
placeholder-email_address = nome@example.com
field-password = Password
help-password = La password di questo account email. Se ne è già salvata una, lasci vuoto il campo per mantenerla.
help-password-app_password = { $provider } richiede qui una password per le app, non la password normale.
help-password-two_steps = Se la verifica in due passaggi è attiva, { $provider } richiede qui una password per le app, non la password normale.
help-password-not_for_long = { $provider } sta eliminando l’accesso con password per i programmi di posta. Se il test viene rifiutato, chieda all’amministratore di consentirlo (“SMTP autenticato”, Authenticated SMTP).
help-password-key = { $provider } richiede qui una chiave, creata sul suo sito web.
help-password-no_password = { $provider } non consente più ai programmi di accedere con una password. Usi un altro account email per l’invio.
field-sender_name = Nome del mittente
help-sender_name = Il nome che vedono le persone a cui scrive, di solito quello dell’azienda.
field-send_copy = Invia una copia di ogni email a questo indirizzo
help-send_copy = Per il Suo archivio. Le persone a cui scrive non la vedono.
field-copy_to = Indirizzo per le copie
help-copy_to = Più indirizzi vanno separati con virgole.
placeholder-copy_to = archivio@example.com
field-different_reply_to = Ricevi le risposte a un indirizzo diverso da quello di invio
help-different_reply_to = Le risposte arrivano allora all’indirizzo qui sotto.
field-reply_to = Indirizzo per le risposte
help-reply_to = Più indirizzi vanno separati con virgole.
placeholder-reply_to = ufficio@example.com
field-allow_untrusted_certificate = Accetta il certificato proprio di questo server
help-allow_untrusted_certificate = Solo per un server Suo con un certificato autofirmato. Esegua il test, confronti l’impronta digitale mostrata e accetti il certificato.
field-trusted_certificate = Impronta digitale del certificato
help-trusted_certificate = SHA-256. Si compila quando accetta il certificato mostrato dal test; da quel momento viene accettato solo quel certificato.
button-test = Prova le impostazioni email
button-update = Aggiorna
button-sign_in = Accedi
button-sign_out = Esci
button-email = Email
page-signed_in-title = Accesso effettuato
page-signed_in = Può chiudere questa pagina e tornare a { $program }.
page-not_signed_in-title = Accesso non effettuato
page-not_signed_in = Torni a { $program }: lì è indicato il motivo.

why_not-fields = Alcuni campi richiedono ancora la Sua attenzione.

## Providers: what to do there, step by step

proposal-provider = Usi il server { $host } di { $provider } sulla porta { $port }.
proposal-autoconfig = { $domain } pubblica queste impostazioni: { $host } sulla porta { $port }.
proposal-srv = { $domain } indica { $host } come il suo server per l'invio delle email.
proposal-mx = Le email di { $domain } sono ospitate da { $provider }, di cui queste sono le impostazioni.
proposal-probe = { $host } risponde sulla porta { $port } con crittografia.

steps-required-1 = Acceda al sito web di { $provider } e cerchi le password per le app nelle impostazioni di sicurezza.
steps-required-2 = Ne crei una nuova e le dia il nome { $program }.
steps-required-3 = Copi la password mostrata qui nel campo della password, al posto della password normale.
steps-with_two_steps-1 = Se la verifica in due passaggi è attiva su { $provider }, crei lì, nelle impostazioni di sicurezza, una password per le app con il nome { $program }.
steps-with_two_steps-2 = La copi qui nel campo della password. Senza verifica in due passaggi, inserisca la password normale.
steps-not_for_long-1 = Chieda all’amministratore del Suo account { $provider } di consentire ai programmi l’accesso con una password.
steps-not_for_long-2 = Inserisca qui la password della casella di posta.
steps-no_password-1 = Usi un altro account email per l’invio: { $provider } non consente ai programmi di accedere con una password.
steps-key-1 = Acceda al sito web di { $provider } e crei una chiave o delle credenziali per SMTP.
steps-key-2 = Copi il nome utente e la chiave qui nei campi.
steps-none-1 = Inserisca la password con cui accede a { $provider }.
steps-unknown-1 = Verifichi nelle impostazioni di { $provider } se altri programmi possono inviare dalla Sua casella di posta.
steps-unknown-2 = Inserisca la password con cui accede. Se { $provider } ha password per le app, ne crei una per { $program } e inserisca quella.

steps-gmail-1 = Apra la pagina Sicurezza del Suo Account Google e attivi la verifica in due passaggi, se non è ancora attiva.
steps-gmail-2 = Apra Password per le app, inserisca { $program } come nome e scelga Crea.
steps-gmail-3 = Copi le 16 lettere mostrate da Google qui nel campo della password, al posto della password normale.
steps-google-workspace-1 = Apra la pagina Sicurezza del Suo Account Google e attivi la verifica in due passaggi, se non è ancora attiva.
steps-google-workspace-2 = Apra Password per le app, inserisca { $program } come nome e scelga Crea.
steps-google-workspace-3 = Copi le 16 lettere mostrate da Google qui nel campo della password, al posto della password normale.
steps-google-workspace-4 = Se non c’è una pagina per le password per le app, chieda all’amministratore di Google Workspace di consentirle.
steps-outlook-personal-1 = Usi un altro account email per l’invio: { $provider } non consente più ai programmi di accedere con una password.
steps-outlook-personal-2 = Per ricevere comunque le risposte al Suo indirizzo { $provider }, lo inserisca come indirizzo per le risposte.
steps-microsoft365-1 = Apra l’interfaccia di amministrazione di Microsoft 365 e scelga Utenti, Utenti attivi e la casella di posta da cui { $program } invia. Se non è l’amministratore, lo chieda al Suo.
steps-microsoft365-2 = Nella scheda Posta scelga Gestisci app di posta elettronica, selezioni SMTP autenticato e salvi le modifiche.
steps-microsoft365-3 = Inserisca qui l’indirizzo e la password della casella di posta e provi le impostazioni.
steps-yahoo-1 = Acceda e apra la pagina Sicurezza account.
steps-yahoo-2 = Scelga Crea password per app (o Genera password per app), inserisca { $program } come nome dell’app e generi la password.
steps-yahoo-3 = Copi la password mostrata qui nel campo della password, al posto della password normale.
steps-att-1 = Acceda al Suo account AT&T e crei una chiave di posta sicura (secure mail key) per il Suo indirizzo.
steps-att-2 = Copi la chiave qui nel campo della password, al posto della password normale.
steps-icloud-1 = Attivi l’autenticazione a due fattori per il Suo account Apple, se non è ancora attiva.
steps-icloud-2 = Acceda a account.apple.com, apra Accesso e sicurezza, scelga Password specifiche per le app e ne crei una con il nome { $program }.
steps-icloud-3 = Copi la password mostrata qui nel campo della password, al posto della password normale.
steps-gmx-1 = Acceda al sito web di { $provider } e consenta l’accesso tramite POP3 e IMAP nelle impostazioni della posta: serve anche per l’invio.
steps-gmx-2 = Se l’autenticazione a due fattori è attiva, crei nella parte Sicurezza del Suo account una password specifica per l’applicazione.
steps-gmx-3 = Inserisca qui quella password. Senza autenticazione a due fattori, inserisca quella normale.
steps-tonline-1 = Acceda all’area clienti di Telekom e imposti una password per i programmi di posta.
steps-tonline-2 = Inserisca qui quella password: non è quella con cui accede.
steps-fastmail-1 = Acceda a Fastmail, apra Settings, Privacy & Security e poi Integrations (o Connected apps).
steps-fastmail-2 = Scelga New app password, inserisca { $program } come nome e lasci attivo l’accesso alla posta.
steps-fastmail-3 = Copi la password mostrata qui nel campo della password.
steps-zoho-1 = Acceda al Suo account Zoho e apra Security, poi App Passwords.
steps-zoho-2 = Scelga Generate New Password e inserisca { $program } come nome.
steps-zoho-3 = Copi la password mostrata qui nel campo della password. Senza autenticazione a più fattori va bene anche quella normale.
steps-proton-1 = Verifichi di avere un indirizzo con un dominio proprio e un piano con SMTP: con altri non è possibile inviare.
steps-proton-2 = Nelle impostazioni apra IMAP/SMTP, scelga Genera token, inserisca { $program } come nome e selezioni l’indirizzo.
steps-proton-3 = Inserisca qui quell’indirizzo come nome utente e copi il token nel campo della password.
steps-yandex-1 = Apra le impostazioni di Yandex Mail, scelga Email clients e consenta l’accesso con password per le app.
steps-yandex-2 = Apra App passwords nel Suo Yandex ID e ne crei una per Mail con il nome { $program }.
steps-yandex-3 = Copi la password mostrata qui nel campo della password, al posto della password normale.
steps-mailru-1 = Acceda al Suo account Mail.ru e apra le impostazioni di sicurezza, poi le password per applicazioni esterne.
steps-mailru-2 = Ne aggiunga una con il nome { $program } e le dia accesso alla posta tramite IMAP, POP e SMTP.
steps-mailru-3 = Copi la password mostrata qui nel campo della password, al posto della password normale.
steps-qq-1 = Acceda a QQ Mail, apra le impostazioni, poi l’account, e attivi il servizio POP3/IMAP/SMTP.
steps-qq-2 = Faccia generare un codice di autorizzazione e lo confermi con il telefono.
steps-qq-3 = Copi il codice qui nel campo della password, al posto della password normale.
steps-netease-1 = Acceda alla casella di posta, apra le impostazioni, poi POP3/SMTP/IMAP, e attivi SMTP.
steps-netease-2 = Crei un codice di autorizzazione e lo confermi con il telefono.
steps-netease-3 = Copi il codice qui nel campo della password, al posto della password normale.
steps-no_programs-1 = Usi un altro account email per l’invio: { $provider } si può usare solo nelle proprie app.
steps-no_programs-2 = Per ricevere comunque le risposte al Suo indirizzo { $provider }, lo inserisca come indirizzo per le risposte.
steps-sendgrid-1 = Acceda a SendGrid e crei una chiave API con il nome { $program } e con l’autorizzazione a inviare email.
steps-sendgrid-2 = Inserisca qui la parola apikey come nome utente.
steps-sendgrid-3 = Copi la chiave nel campo della password.
steps-mailgun-1 = Acceda a Mailgun, apra Sending, poi Domain settings, scelga il Suo dominio e apra SMTP credentials.
steps-mailgun-2 = Inserisca qui per intero, come nome utente, il login mostrato.
steps-mailgun-3 = Reimposti lì la sua password e copi quella nuova nel campo della password.
steps-postmark-1 = Acceda a Postmark, apra il Suo server, poi API Tokens, e copi il token API del server.
steps-postmark-2 = Inserisca il token qui due volte: come nome utente e come password.
steps-ses-1 = Apra la console SES nella regione da cui invia, poi SMTP settings, e scelga Create SMTP credentials.
steps-ses-2 = Copi il nome utente SMTP e la password SMTP qui nei campi. Non sono le Sue chiavi di accesso AWS.
steps-ses-3 = Verifichi che il server indicato qui sia quello di quella regione.
steps-brevo-1 = Acceda a Brevo e apra SMTP e API, poi la scheda SMTP.
steps-brevo-2 = Inserisca qui come nome utente il login mostrato lì.
steps-brevo-3 = Generi una chiave SMTP con il nome { $program } e la copi nel campo della password. Una chiave API qui non funziona.
steps-resend-1 = Acceda a Resend e crei una chiave API con il nome { $program } e con accesso per l’invio.
steps-resend-2 = Inserisca qui la parola resend come nome utente.
steps-resend-3 = Copi la chiave nel campo della password.
steps-mailjet-1 = Acceda a Mailjet e apra la pagina delle Sue chiavi API.
steps-mailjet-2 = Inserisca qui la chiave API come nome utente e la chiave segreta come password.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Questo server serve a ricevere le email. Per inviarle, usi il server { $host } di { $provider }.
warning-port_25 = La porta 25 è destinata alla posta tra server e molti provider internet la bloccano. Usi la 587 o la 465, se il Suo provider le offre.
warning-no_encryption = Le Sue email, e i documenti che contengono, viaggiano leggibili per chiunque si trovi lungo il percorso.
warning-own_certificate = Viene accettato solo il certificato con questa impronta digitale. Quando il server ne riceverà uno nuovo, esegua di nuovo il test e lo accetti.

fault-required = Questo campo è necessario.
fault-required-http_server = Inserisca l’indirizzo del servizio web.
fault-required-smtp_host = Inserisca il nome del server SMTP del Suo provider.
fault-required-smtp_port = Inserisca la porta: 587 o 465 con la maggior parte dei provider.
fault-required-username = Inserisca l’indirizzo email dell’account che effettua l’accesso.
fault-required-email_address = Inserisca l’indirizzo email da cui invia.
fault-required-password = Inserisca la password di questo account.
fault-required-copy_to = Inserisca l’indirizzo che riceve le copie, oppure deselezioni la casella che lo richiede.
fault-required-reply_to = Inserisca l’indirizzo a cui devono arrivare le risposte.
fault-required-trusted_certificate = Esegua il test e accetti il certificato mostrato, oppure deselezioni la casella che lo richiede.
fault-password_again = Il server, la porta, la crittografia o il nome utente non sono più quelli a cui appartiene la password salvata. Inserisca di nuovo la password.
fault-password_without_username = Inserisca il nome utente che corrisponde alla password, oppure cancelli la password.
fault-token_in_clear = Senza crittografia i dati di accesso viaggerebbero leggibili. Scelga un’altra crittografia.
fault-not_signed_in = Effettui prima l’accesso: per questo account non ce n’è ancora uno.
fault-sign_in_settings_changed = Nel frattempo le impostazioni sono cambiate, perciò questo accesso non è stato salvato. Effettui di nuovo l’accesso.
fault-no_sign_in_here = Per questo server non è noto alcun accesso presso il provider. Usi nome utente e password.
fault-no_client = { $program } non può ancora accedere a { $provider }: il produttore deve prima registrarlo lì.
fault-choice_unknown = { $value } non è una delle scelte possibili: { $choices }.
fault-host_has_scheme = Tolga “{ $scheme }”: qui va solo il nome del server, per esempio smtp.example.com.
fault-host_has_port = Tolga “:{ $port }” da qui: la porta ha un campo a parte.
fault-host_has_path = Tolga tutto ciò che segue a partire da “/”: qui va solo il nome del server.
fault-host_has_space = Il nome di un server non contiene spazi.
fault-host_is_address = Questo è un indirizzo email. Qui serve il nome del server, per esempio smtp.example.com.
fault-host_invalid = Questo non è il nome di un server. Un nome di server ha questo aspetto: smtp.example.com.
fault-port_invalid = La porta è un numero intero da 1 a 65535; di solito 587 o 465.
fault-url_invalid = Questo non è un indirizzo web. Un indirizzo web ha questo aspetto: https://email.example.com/.
fault-url_not_web = Qui funzionano solo gli indirizzi https://.
fault-url_not_secure = Il documento viaggerebbe non crittografato: usi https:// invece di http://.
fault-url_has_login = Tolga il nome e la password dall’indirizzo: il token ha un campo a parte.
fault-username_control = Il nome utente contiene un’interruzione di riga o un altro carattere invisibile. Lo digiti di nuovo invece di incollarlo.
fault-secret_control = Il testo contiene un’interruzione di riga o un altro carattere invisibile. Lo digiti di nuovo invece di incollarlo.
fault-fingerprint_invalid = Un’impronta digitale SHA-256 ha 64 cifre, da 0 a 9 e da A a F.
fault-insecure_login = Senza crittografia la password viaggerebbe leggibile. Scelga un’altra crittografia, oppure selezioni questa casella se è ciò che desidera.
fault-established_provider = Deselezioni questa casella: { $provider } ha un certificato riconosciuto e, se viene rifiutato, la password finirebbe a chi si trova lungo il percorso.
fault-too_long_text = Il testo è troppo lungo: il numero massimo di caratteri è { $limit }.

fault-too_long = I byte sono troppi: { $bytes }, e il massimo è { $limit }.
fault-bad_json = Questo non è JSON: l’errore è alla riga { $line }, colonna { $column }.
fault-wrong_type = Qui deve esserci { $expected }, ma c’è { $found }.
type-an_object = un oggetto
type-text = testo
type-true_or_false = true o false
type-true_or_false_or_an_object = true, false o un oggetto
type-a_number = un numero
type-a_list = un elenco
type-text_or_a_list_of_texts = testo o un elenco di testi
type-a_number_or_text = un numero o testo
type-a_host_name = un nome di server
type-a_link_or_null = un link o null
type-null = null
fault-out_of_range = Il valore deve andare da { $least } a { $most }.
fault-unknown_key = Questa chiave non esiste.
fault-unknown_key_near = Questa chiave non esiste. Si intende { $nearest }?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf è NULL ed email_json non contiene document.path: indichi i byte del PDF oppure il percorso del suo file.
   *[other] { $argument } è NULL.
}
call-bad_utf8 = { $argument } non è UTF-8: il primo byte errato è alla posizione { $position }.
call-null_with_length = { $argument } è NULL, ma la sua lunghezza in byte è { $length }.
call-bad_length = { $argument } ha una lunghezza di { $bytes } byte, più di quanti questo computer possa copiarne in memoria.
fault-key_needs_store = Non ha effetto senza un file delle impostazioni.
fault-one_key_only = Si può indicare solo uno tra key, passphrase e keychain.
fault-wrong_type_expected = Qui deve esserci { $expected }.

fault-control_character = Il testo contiene un carattere che non si può inviare ({ $character }), per esempio un’interruzione di riga. Lo digiti di nuovo invece di incollarlo.
fault-bidi_character = Il testo contiene un carattere invisibile che cambia la direzione della scrittura ({ $character }). Lo digiti di nuovo invece di incollarlo.

fault-address_empty = Qui manca un indirizzo.
fault-address_no_at = { $address } non è un indirizzo email: manca “@”.
fault-address_several_at = { $address } non è un indirizzo email: contiene più di una “@”.
fault-address_missing_separator = { $address }: metta una virgola tra due indirizzi.
fault-address_no_local = { $address } non è un indirizzo email: manca la parte prima di “@”.
fault-address_no_domain = { $address } non è un indirizzo email: manca la parte dopo “@”.
fault-address_space = { $address } non è un indirizzo email: contiene uno spazio.
fault-address_invisible_character = L’indirizzo contiene un carattere invisibile ({ $character }). Lo digiti di nuovo invece di incollarlo.
fault-address_local_too_long = La parte prima di “@” è troppo lunga: ha { $bytes } byte, e il massimo è { $limit }.
fault-address_too_long = L’indirizzo è troppo lungo: ha { $bytes } byte, e il massimo è { $limit }.
fault-address_bad_domain = { $domain } non è il dominio di un indirizzo email.
fault-address_bad_local = { $local } non può stare prima di “@” in un indirizzo email.
fault-mailbox_quote = { $text }: manca una virgoletta.
fault-mailbox_bracket = { $text }: l’indirizzo deve stare tra “<” e “>”.
fault-mailbox_text_after_address = { $text }: dopo “>” non può seguire nulla.
fault-mailbox_missing_separator = { $text }: metta una virgola tra due indirizzi.
fault-too_many_recipients = I destinatari sono troppi per una sola email: { $number }, e il massimo è { $limit }.
fault-one_address_only = Inserisca un solo indirizzo.
fault-no_recipients = Inserisca almeno un destinatario.
fault-header_too_long = Il testo è troppo lungo per un’email: ha { $bytes } byte, e il massimo è { $limit }.
fault-file_name_empty = Il file deve avere un nome.
fault-file_name_dots = “{ $name }” non è un nome di file.
fault-file_name_separator = Un nome di file non può contenere “{ $character }”.
fault-file_name_encoded_word = Un nome di file non può contenere “=?”: alcuni programmi di posta mostrerebbero un altro nome.
fault-file_name_too_long = Il nome del file è troppo lungo: ha { $bytes } byte, e il massimo è { $limit }.
fault-file_missing = Il file { $path } non esiste.
fault-file_is_folder = { $path } è una cartella, non un file.
fault-file_not_regular = { $path } non è un file ordinario.
fault-file_changed = Il file { $path } è cambiato durante la lettura. Riprovi quando è completo.
fault-file_unreadable = Non è possibile leggere il file { $path }: { $error }.
fault-files_too_large = Il documento e gli allegati sono troppo grandi insieme: il massimo è { $limit } byte.
fault-files_no_memory = Non c’è memoria sufficiente per { $bytes } byte.
fault-pdf_empty = Il PDF è vuoto: non contiene alcun byte.
fault-pdf_not_a_pdf = Questo non è un PDF: “%PDF-” non compare nei primi 1.024 byte.
fault-document_twice = Si possono indicare i byte del PDF oppure il percorso del suo file, non entrambi.
fault-attachment_twice = Si può indicare path oppure base64, non entrambi.
fault-attachment_missing = Occorre indicare path oppure base64.
fault-file_name_missing = Un allegato indicato come base64 richiede file_name.
fault-base64_bad = Questo non è base64.
fault-type_bad = { $type } non è un media type come application/pdf.
fault-type_composite = { $type } non può essere inviato come tipo di un allegato; usi application/octet-stream.
fault-body_twice = Si può indicare body, oppure body_html insieme a body_text.
fault-body_text_missing = body_html richiede anche body_text, per i lettori che non mostrano l’HTML.
fault-body_html_missing = body_text va insieme a body_html; per il solo testo usi body.
fault-idempotency_key_bad = La chiave è formata da caratteri ASCII visibili, da 1 a { $limit }.
fault-access_token_bad = Un token di accesso è formato da caratteri ASCII visibili, da 1 a { $limit }.
fault-access_token_unused = Queste impostazioni non usano un token di accesso: auth non è oauth2.
fault-sign_in_unused = Queste impostazioni non prevedono un accesso presso il provider: auth non è oauth2.
fault-flow_unknown = Il valore è browser, redirect, device o client_credentials.
fault-redirect_uri_bad = Per redirect serve un indirizzo https:// proprio, per gli altri valori no.
fault-sign_in_unknown = Questo accesso non esiste: è già stato concluso, oppure è stato iniziato con un altro oggetto account o da un altro processo.
fault-callback_bad = Questo non è l’indirizzo a cui il provider ha mandato il browser per questo accesso.
fault-no_randomness = Il sistema non ha fornito numeri casuali, necessari per ogni email. Riprovi.

fault-key_invalid = La chiave non è di 32 byte in base64.
fault-passphrase_empty = La passphrase è vuota.
fault-ca_file_unreadable = Non è possibile leggere il file dei certificati: { $detail }.
fault-ca_file_invalid = Un certificato in questo file non può essere usato: { $detail }.
fault-ca_file_empty = In questo file non c’è alcun certificato. Il file deve essere in formato PEM.
fault-store_empty = Il percorso del file delle impostazioni è vuoto.
fault-program_name_empty = Il nome del programma è vuoto.
fault-key_missing = Questo elemento è obbligatorio.
fault-host_name_invalid = Questo non è il nome di un server o di un dominio.
fault-link_invalid = Questo non è l’indirizzo di una pagina web che inizia con https:// e non contiene credenziali.
fault-provider_twice = C’è già un’altra riga con l’id { $id }.
fault-locale_invalid = Questo non è un codice di lingua come en, ro o pt-BR.
fault-text_syntax = Il testo { $id } non è scritto in Fluent, alla riga { $line }: { $detail }.
fault-text_unknown = Non esiste un testo con l’identificativo { $id } (riga { $line }).
fault-text_twice = Il testo { $id } compare due volte (riga { $line }).
fault-text_word = Il testo { $id } (riga { $line }) usa { $word }, che per esso non esiste.
fault-hello_name_invalid = Questo non è un nome host che si possa inviare con EHLO.
fault-proxy_invalid = { $variable ->
    [none] Questo non è l’indirizzo di un proxy. Ha questo aspetto: socks5://proxy.example.com:1080 o http://user:password@proxy.example.com:3128, oppure è la parola environment.
   *[other] La variabile d’ambiente { $variable } non è l’indirizzo di un proxy. Ha questo aspetto: socks5://proxy.example.com:1080 o http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] I proxy con { $scheme }:// non possono essere usati qui: ne indichi uno con socks5:// o http://.
   *[other] La variabile d’ambiente { $variable } indica un proxy con { $scheme }://, che non può essere usato qui: ne indichi uno con socks5:// o http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] Il nome utente o la password del proxy non possono essere usati: ciascuno ha al massimo 255 byte, senza interruzioni di riga, e i caratteri speciali negli indirizzi web si scrivono come in essi, per esempio %40 per @.
   *[other] Il nome utente o la password del proxy nella variabile d’ambiente { $variable } non possono essere usati: ciascuno ha al massimo 255 byte, senza interruzioni di riga, e i caratteri speciali negli indirizzi web si scrivono come in essi, per esempio %40 per @.
}

fault-nameserver_invalid = Questo non è l'indirizzo di un server dei nomi. Ha la forma 192.0.2.53 o 127.0.0.1:5353.

discovery-nothing = Non sono state trovate impostazioni per { $domain }: si trovano nelle pagine di aiuto del Suo provider.
discovery-canceled = La ricerca delle impostazioni è stata annullata.

settings-faults = { $count ->
    [one] { $label }: { $message }
   *[other] { $count } campi richiedono la Sua attenzione. Il primo è { $label }: { $message }
}
email-faults = L’email non può essere inviata così. { $message }
not_configured = L’email non è ancora configurata. Compili prima le impostazioni email.

## The store

protection-memory = Le impostazioni restano solo in memoria e vanno perse alla chiusura di { $program }.
protection-given_key = La password è crittografata nel file delle impostazioni con una chiave custodita da { $program }.
protection-passphrase = La password è crittografata nel file delle impostazioni con una chiave ricavata da una passphrase.
protection-keychain = La password è crittografata nel file delle impostazioni con una chiave del portachiavi di sistema.
protection-key_file = La password è crittografata nel file delle impostazioni. La chiave è in un file accanto, che solo questo utente può leggere: chi può leggere entrambi i file può leggere anche la password.

store-damaged = Il file delle impostazioni { $path } è danneggiato ({ $detail }). È stato lasciato così com’è. Cancelli le impostazioni e le inserisca di nuovo, oppure ripristini il file da un backup.
store-tampered = Il file delle impostazioni { $path } è stato modificato da qualcosa di diverso da { $program }. Per sicurezza non viene usato ed è stato lasciato così com’è. Cancelli le impostazioni e le inserisca di nuovo, oppure ripristini il file da un backup.
store-wrong_key = Il file delle impostazioni { $path } non si può aprire con questa chiave ({ $detail }). È stato lasciato così com’è.
store-newer = Il file delle impostazioni { $path } è stato scritto da una versione più recente di { $program }. È stato lasciato così com’è. Aggiorni { $program }.
store-no_folder = La cartella { $path } per il file delle impostazioni non può essere usata: { $detail }.
store-unreadable = Non è possibile leggere il file delle impostazioni { $path }: { $detail }.
store-unwritable = Non è stato possibile salvare le impostazioni in { $path }: { $detail }. Restano valide le impostazioni precedenti.
store-busy = Un altro programma sta salvando le impostazioni in { $path } proprio ora. Riprovi.
store-key_file_exposed = Il file della chiave { $path } può essere letto da altri utenti di questo computer, perciò non protegge nulla. Lo renda leggibile solo al suo proprietario.
store-key_missing = Manca il file della chiave { $path } che apre le impostazioni. Lo ripristini da un backup, oppure cancelli le impostazioni e le inserisca di nuovo.
store-no_keychain = Il portachiavi di sistema non può essere usato: { $detail }.

## The Email button

kind-invoice = Fattura
kind-quote = Preventivo
kind-order = Ordine
kind-credit_note = Nota di credito
kind-delivery_note = Documento di trasporto
kind-receipt = Ricevuta
kind-reminder = Sollecito di pagamento
kind-statement = Estratto conto
kind-payslip = Busta paga
kind-report = Report
kind-document = Documento
button-subject = { $document }
button-subject_from = { $document } da { $sender }
button-body =
    Buongiorno { $name },

    in allegato: { $document }.
button-body_no_name =
    Buongiorno,

    in allegato: { $document }.
button-closing =
    Cordiali saluti
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } non sembra l’indirizzo giusto. Si tratta di { $meant }?
check-recipient_twice = { $address } compare due volte tra i destinatari.
check-no_subject = L’email non ha un oggetto.
check-no_body = L’email non ha un testo.
check-placeholder = { $placeholder } sembra un campo rimasto da compilare.
check-other_provider = { $sender } è un indirizzo di { $provider }, ma l’email passa da { $other }: molti server considerano falsi questi messaggi. Invii tramite { $provider }, oppure da un altro indirizzo.
check-over_size_limit = L’email è di { $size }, e { $provider } accetta al massimo { $limit }. Riduca le dimensioni degli allegati, oppure invii un link.
check-over_recipient_limit = L’email ha { $number } destinatari, e il massimo di { $provider } è { $limit }. La invii ad alcuni di loro per volta.
check-no_reply_to = Le risposte a questa email arrivano a { $sender }, dove probabilmente nessuno le legge. Inserisca un indirizzo per le risposte.

## The test mail

test_subject = Email di prova da { $program }
test_body =
    Questa è un’email di prova inviata da { $program }.

    Se riesce a leggerla, le Sue impostazioni email funzionano.

## Progress

step-turn = Attesa dell’invio di altre email
step-sign_in = Rinnovo dell’accesso
step-name = Ricerca del server
step-connect = Connessione
step-proxy = Connessione tramite il proxy
step-tls = Crittografia della connessione
step-greeting = Scambio di saluti con il server
step-login = Accesso
step-sender = Indicazione del mittente
step-recipient = Indicazione dei destinatari
step-content = Invio
step-verdict = Attesa della risposta del server

## What happened

problem-accepted = Il server ha accettato l’email.
problem-accepted_partly = Il server ha accettato l’email per alcuni destinatari e ha rifiutato gli altri.
test-accepted = Le impostazioni funzionano: il server ha accettato un’email di prova per { $recipient }.
problem-name_not_found = Il server { $host } non è stato trovato. L’email non è stata inviata.
problem-name_lookup_failed = Non è stato possibile cercare il server { $host }: sembra che non ci sia una connessione a internet. L’email non è stata inviata.
problem-no_route = Da questo computer non si riesce a raggiungere { $host }: la rete non funziona o non è connessa. L’email non è stata inviata.
problem-connection_refused = Il server { $host } ha rifiutato la connessione sulla porta { $port }. L’email non è stata inviata.
step-repair = Prova di altre porte
problem-connection_failed = Non è stato possibile stabilire una connessione con { $host } sulla porta { $port }. L’email non è stata inviata.
problem-timed_out = { $step ->
    [name] Non è stato possibile cercare in tempo il server { $host }. L’email non è stata inviata.
    [connect] Il server { $host } non risponde sulla porta { $port }. L’email non è stata inviata.
    [content] Il server { $host } ha smesso di ricevere l’email prima che fosse completa. Non è stata inviata.
   *[other] Il server { $host } ha smesso di rispondere. L’email non è stata inviata.
}
problem-out_of_time = L’invio ha richiesto più tempo di quello consentito. L’email non è stata inviata.
problem-disconnected = { $step ->
    [content] Il server { $host } ha chiuso la connessione prima che l’email fosse completa. Non è stata inviata.
   *[other] Il server { $host } ha chiuso la connessione. L’email non è stata inviata.
}
problem-name_not_found-proxy = Il proxy { $proxy } non è stato trovato. L’email non è stata inviata.
problem-name_lookup_failed-proxy = Non è stato possibile cercare il proxy { $proxy }: sembra che non ci sia una connessione di rete. L’email non è stata inviata.
problem-no_route-proxy = Da questo computer non si riesce a raggiungere il proxy { $proxy }: la rete non funziona o non è connessa. L’email non è stata inviata.
problem-connection_refused-proxy = Il proxy { $proxy } ha rifiutato la connessione. L’email non è stata inviata.
problem-connection_failed-proxy = Non è stato possibile stabilire una connessione con il proxy { $proxy }. L’email non è stata inviata.
problem-timed_out-proxy = { $step ->
    [name] Non è stato possibile cercare in tempo il proxy { $proxy }. L’email non è stata inviata.
    [connect] Il proxy { $proxy } non risponde. L’email non è stata inviata.
   *[other] Il proxy { $proxy } non si è connesso in tempo a { $host }. L’email non è stata inviata.
}
problem-disconnected-proxy = Il proxy { $proxy } ha chiuso la connessione invece di connettersi a { $host }. L’email non è stata inviata.
problem-bad_reply-proxy = La risposta ricevuta da { $proxy } non è quella di un proxy del tipo impostato. L’email non è stata inviata.
problem-proxy_login_refused = Il proxy { $proxy } richiede un nome utente e una password, oppure dati diversi da quelli impostati. L’email non è stata inviata.
problem-proxy_failed = Il proxy { $proxy } non si è connesso a { $host } sulla porta { $port }. L’email non è stata inviata.
problem-bad_reply = La risposta ricevuta da { $host } sulla porta { $port } non è quella attesa. L’email non è stata inviata.

problem-tls_failed = Non è stato possibile stabilire una connessione crittografata con { $host }. Non è stata inviata alcuna password, e nemmeno l’email.
problem-tls_not_spoken = Il server { $host } non usa TLS fin dall’inizio sulla porta { $port }. Non è stata inviata alcuna password, e nemmeno l’email.
problem-tls_too_old = Il server { $host } conosce solo una crittografia troppo vecchia per essere sicura. Non è stata inviata alcuna password, e nemmeno l’email.
problem-tls_not_offered = Il server { $host } non offre crittografia sulla porta { $port }. Non è stata inviata alcuna password, e nemmeno l’email.
problem-tls_refused = Il server { $host } ha rifiutato di avviare la crittografia. Non è stata inviata alcuna password, e nemmeno l’email.
problem-bytes_before_tls = Lungo il percorso verso { $host }, qualcosa ha interferito con l’avvio della crittografia. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_untrusted = Il certificato del server { $host } non proviene da un’autorità che questo computer considera attendibile. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_expired = Il certificato del server { $host } è scaduto ({ $expires }). Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_not_yet_valid = Il certificato del server { $host } è valido solo a partire da { $begins }. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_wrong_name = { $names_known ->
    [yes] Il certificato presentato da { $host } è intestato a un altro nome ({ $names }). Non è stata inviata alcuna password, e nemmeno l’email.
   *[other] Il certificato presentato da { $host } non è intestato a questo nome. Non è stata inviata alcuna password, e nemmeno l’email.
}
problem-certificate_invalid = Il certificato del server { $host } non può essere accettato. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_changed = Il server { $host } presenta un certificato diverso da quello che ha accettato Lei. Non è stata inviata alcuna password, e nemmeno l’email.
problem-login_in_clear = La connessione con { $host } non è crittografata, perciò la password non è stata inviata. Nemmeno l’email è stata inviata.
problem-token_in_clear = La connessione con { $host } non è crittografata, perciò i dati di accesso non sono stati trasmessi. L’email non è stata inviata.
problem-login_server_unproven = Il server { $host } non ha dimostrato di conoscere la Sua password, quindi qualcuno potrebbe essersi frapposto. Non sono state inviate né la password né l’email.

problem-encryption_required = Il server { $host } richiede una connessione crittografata. L’email non è stata inviata.
problem-login_refused = Il server { $host } non ha accettato il nome utente e la password. L’email non è stata inviata.
problem-login_not_offered = Il server { $host } non prevede l’accesso sulla porta { $port }, ma è impostato un nome utente. L’email non è stata inviata.
problem-login_unsupported = Il server { $host } non offre alcun metodo di accesso con password che { $program } conosca. L’email non è stata inviata.
problem-login_required = Il server { $host } richiede l’accesso prima di ricevere email. L’email non è stata inviata.
problem-token_refused = { $provider } non ha consentito l’accesso di { $username }.
problem-http_unauthorized = Il servizio web ha negato l’accesso. L’email non è stata inviata.

problem-server_busy = Il server { $host } al momento non riceve email da questo computer. L’email non è stata inviata.
problem-login_deferred = Il server { $host } al momento non ha potuto verificare l’accesso. L’email non è stata inviata.
problem-sender_deferred = Il server { $host } al momento non riceve email da { $sender }. L’email non è stata inviata.
problem-recipient_deferred = Il server { $host } al momento non riceve email per { $recipient }. L’email non è stata inviata a nessuno.
problem-recipient_deferred-copy = Il server { $host } al momento non riceve email per { $recipient }, il Suo indirizzo per le copie. L’email non è stata inviata a nessuno.
problem-content_deferred = Il server { $host } al momento non ha preso in carico l’email. Non è stata inviata.
problem-http_busy = Il servizio web al momento è troppo occupato. L’email non è stata inviata.

problem-server_refused = Il server { $host } ha rifiutato di comunicare con questo computer. L’email non è stata inviata.
problem-sender_refused = Il server { $host } non riceve email da { $sender }. L’email non è stata inviata.
problem-recipient_refused = Il server { $host } ha rifiutato il destinatario { $recipient }. L’email non è stata inviata a nessuno.
problem-recipient_refused-copy = Il server { $host } ha rifiutato { $recipient }, il Suo indirizzo per le copie. L’email non è stata inviata a nessuno.
problem-content_refused = Il server { $host } ha rifiutato l’email. Non è stata inviata.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] L’email è troppo grande: è di { $size }, e { $host } accetta { $limit }. Non è stata inviata.
   *[other] L’email è troppo grande per { $host }. Non è stata inviata.
}
problem-address_not_supported = Il server { $host } non gestisce un indirizzo con lettere diverse da A-Z prima della @. L’email non è stata inviata.
problem-http_refused = Il servizio web ha segnalato un errore.
problem-http_not_found = A questo indirizzo web non c’è un servizio email. L’email non è stata inviata.
problem-http_redirected = Il servizio web chiede di inoltrare il documento a un altro indirizzo, cosa che per sicurezza non viene fatta. L’email non è stata inviata.

problem-file_changed = Il file del documento è stato modificato, sostituito o eliminato prima che l’email fosse completa. Non è stata inviata.
problem-file_unreadable = Non è stato possibile leggere il file del documento. L’email non è stata inviata.

problem-no_verdict = L’email è stata trasmessa per intero a { $host }, ma non si sa se sia stata accettata. Potrebbe essere stata consegnata oppure no, e non viene inviata di nuovo automaticamente.
problem-canceled = L’invio è stato annullato. Non è stato inviato nulla.
problem-internal = Qualcosa in mailbutton non ha funzionato. È un errore di programmazione di mailbutton.

# Connecting
problem-no_network = Non si riesce a raggiungere { $host }, anche se il nome è corretto: sembra che questo computer non abbia una connessione a internet. L’email non è stata inviata.
problem-blocked_on_this_computer = Questo computer non consente a { $program } di connettersi a { $host }. L’email non è stata inviata.
problem-port_25_blocked = Non si riesce a raggiungere { $host } sulla porta 25, che la maggior parte dei provider internet blocca. L’email non è stata inviata.
problem-imap_port = La porta { $port } del server { $host } serve a ricevere le email (IMAP), non a inviarle. L’email non è stata inviata.
problem-pop3_port = La porta { $port } del server { $host } serve a ricevere le email (POP3), non a inviarle. L’email non è stata inviata.
problem-web_port = La porta { $port } del server { $host } serve per le pagine web, non per inviare email. L’email non è stata inviata.
problem-not_a_mail_server = Ciò che risponde sulla porta { $port } di { $host } non è un server di posta. L’email non è stata inviata.
problem-tls_from_the_start = Il server { $host } si aspetta la crittografia fin dall’inizio sulla porta { $port }, mentre le impostazioni iniziano senza. Non è stata inviata alcuna password, e nemmeno l’email.
problem-clear_at_the_start = Il server { $host } inizia senza crittografia sulla porta { $port } e la attiva in seguito (STARTTLS), mentre le impostazioni crittografano fin dall’inizio. Non è stata inviata alcuna password, e nemmeno l’email.
problem-port_closed = Il server { $host } ha rifiutato la connessione sulla porta { $port }, cosa insolita per { $provider }: qualcosa lungo il percorso potrebbe bloccarla. L’email non è stata inviata.
problem-port_silent = Il server { $host } non risponde sulla porta { $port }: la porta potrebbe essere un’altra, oppure qualcosa lungo il percorso la blocca. L’email non è stata inviata.
problem-greeting_missing = Il server { $host } ha accettato la connessione sulla porta { $port } e poi non ha trasmesso nulla. L’email non è stata inviata.
problem-cut_off = La connessione con { $host } sulla porta { $port } è stata interrotta subito all’inizio. L’email non è stata inviata.
problem-queue_too_long = Questa email ha atteso troppo a lungo dopo quelle che la precedevano. Non è stata inviata.

# Encryption
problem-starttls_hidden = Qualcosa lungo il percorso verso { $host } nasconde la crittografia che il server offre. Non è stata inviata alcuna password, e nemmeno l’email.
problem-tls_not_ready = Il server { $host } al momento non può crittografare la connessione. Non è stata inviata alcuna password, e nemmeno l’email.
problem-starttls_broken = Il server { $host } ha accettato di crittografare la connessione, ma poi non l’ha fatto. Non è stata inviata alcuna password, e nemmeno l’email.
problem-client_certificate_wanted = Il server { $host } lascia entrare solo i programmi che presentano un proprio certificato. Non è stata inviata alcuna password, e nemmeno l’email.
problem-intercepted_by_antivirus = Un programma antivirus ({ $issuer }) ha aperto la connessione crittografata con { $host } e vi ha inserito il proprio certificato. Non è stata inviata alcuna password, e nemmeno l’email.
problem-intercepted_by_firewall = Il firewall di questa rete ({ $issuer }) ha aperto la connessione crittografata con { $host } e vi ha inserito il proprio certificato. Non è stata inviata alcuna password, e nemmeno l’email.
problem-captive_portal = Al posto di { $host } ha risposto un dispositivo di questa rete: probabilmente la rete richiede prima l’accesso nel browser. Non è stata inviata alcuna password, e nemmeno l’email.
problem-clock_wrong = Il certificato del server { $host } non corrisponde alla data di questo computer, che potrebbe non essere corretta. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_not_the_providers = Il certificato ricevuto non è quello di { $provider }: qualcosa tra questo computer e { $host } vi ha messo il proprio. Non è stata inviata alcuna password, e nemmeno l’email.
problem-certificate_self_signed = Il server { $host } presenta un certificato che ha firmato da sé, quindi nessuno lo garantisce. Non è stata inviata alcuna password, e nemmeno l’email.

# Login
problem-sign_in_blocked = Il server { $host } richiede prima una conferma dell’accesso in un browser web. L’email non è stata inviata.
problem-smtp_auth_off_tenant = La Sua organizzazione ha disattivato in Microsoft 365 l’invio con password (“SMTP autenticato”, Authenticated SMTP). L’email non è stata inviata.
problem-smtp_auth_off_mailbox = L’invio con password (“SMTP autenticato”, Authenticated SMTP) è disattivato in Microsoft 365 per questa casella. L’email non è stata inviata.
problem-password_login_over = Il server { $host } non consente più ai programmi di accedere con una password. L’email non è stata inviata.
problem-blocked_by_sign_in_rules = Una regola di sicurezza della Sua organizzazione non consente questo accesso. L’email non è stata inviata.
problem-account_locked = Il server { $host } segnala che questo account è bloccato. L’email non è stata inviata.
problem-password_expired = Il server { $host } segnala che la password è scaduta. L’email non è stata inviata.
problem-sign_in_scope = L’accesso a { $host } non consente a { $program } di inviare email. L’email non è stata inviata.
problem-sign_in_again = Il server { $host } non accetta più l’accesso di { $username }. L’email non è stata inviata.
problem-sign_in_refused = Il server { $host } non ha accettato l’accesso di { $username }. L’email non è stata inviata.
problem-sign_in_expired = L’accesso di { $username } a { $provider } è scaduto.
problem-sign_in_denied = L’accesso è stato rifiutato sulla pagina di { $provider }.
problem-sign_in_busy = L’accesso a { $provider } al momento non è disponibile.
problem-sign_in_needs_admin = Un amministratore deve prima consentire { $program } presso { $provider }.
problem-sign_in_against_rules = Una regola di sicurezza della Sua organizzazione non consente questo accesso a { $provider }.
problem-program_not_known = { $provider } non riconosce { $program } così come si presenta.
problem-sign_in_abandoned = L’accesso non è stato concluso in tempo.
problem-sign_in_other_account = Ha effettuato l’accesso { $account }, mentre le impostazioni sono per { $username }.
problem-sign_in_no_listener = { $program } non può ricevere la conclusione dell’accesso su questo computer.
problem-sign_in_clock = { $provider } non ha consentito l’accesso perché la data o l’ora di questo computer è diversa dalla sua.
problem-program_not_verified = { $provider } non ha ancora verificato { $program } e consente l’accesso solo a poche persone.
problem-gmail_app_password = { $provider } non ha accettato l’accesso: qui richiede una password per le app, non la password dell’Account Google. L’email non è stata inviata.
problem-yahoo_app_password = { $provider } non ha accettato l’accesso: qui richiede una password per le app, non la password del suo sito web. L’email non è stata inviata.
problem-icloud_app_password = { $provider } non ha accettato l’accesso: qui richiede una password specifica per l’app, non la password dell’Apple Account. L’email non è stata inviata.
problem-too_many_logins = Il server { $host } per un po’ non accetta altri accessi, perché sono stati troppi. L’email non è stata inviata.
problem-app_password_required = Il server { $host } non ha accettato l’accesso: qui richiede una password per le app, non quella del sito web. L’email non è stata inviata.
problem-access_for_programs_off = Il server { $host } non ha accettato l’accesso: l’accesso per i programmi di posta potrebbe essere disattivato per questa casella. L’email non è stata inviata.
problem-ip_not_allowed = Il server { $host } non consente l’accesso dall’indirizzo internet di questo computer. L’email non è stata inviata.
problem-key_username = { $provider } non ha accettato l’accesso: lì il nome utente è la parola apikey e la password è una chiave. L’email non è stata inviata.
problem-key_refused = { $provider } non ha accettato il nome utente e la chiave. L’email non è stata inviata.
problem-password_login_ending = { $provider } non ha accettato l’accesso: sta eliminando l’accesso con password e potrebbe averlo già disattivato per questa casella. L’email non è stata inviata.
problem-full_address_needed = Il server { $host } non ha accettato l’accesso: di solito il nome utente è l’indirizzo email completo. L’email non è stata inviata.
problem-password_or_app_password = { $provider } non ha accettato il nome utente e la password: con la verifica in due passaggi richiede qui una password per le app. L’email non è stata inviata.
problem-port_25_without_login = Il server { $host } non prevede l’accesso sulla porta 25, destinata alla posta tra server. L’email non è stata inviata.
problem-login_needs_encryption = Il server { $host } non prevede l’accesso senza crittografia. L’email non è stata inviata.
problem-only_sign_in_offered = Il server { $host } non accetta password dai programmi, ma solo l’accesso nel browser web. L’email non è stata inviata.
problem-sign_in_not_offered = Il server { $host } non accetta alcun accesso del tipo che { $program } conosce. L’email non è stata inviata.

# Limits
problem-too_many_connections = Il server { $host } ha troppe connessioni contemporanee da questo account o da questo computer. L’email non è stata inviata.
problem-recipient_gets_too_many = { $recipient } sta ricevendo in questo momento più email di quante ne accetti il suo provider. L’email non è stata inviata.
problem-daily_limit = È stato raggiunto il numero di email che { $host } accetta da questo account in un giorno o in un mese. L’email non è stata inviata.
problem-rate_limited = Il server { $host } per un po’ non riceve altre email da questo account, perché sono state molte in poco tempo. L’email non è stata inviata.
problem-greylisted = Il server { $host } fa attendere qualche minuto una prima email, come protezione dallo spam. L’email non è stata ancora inviata.

# The sender
problem-own_mailbox_full = La Sua casella di posta è piena, perciò { $host } non riceve email da Lei. L’email non è stata inviata.
problem-account_blocked = Il server { $host } ha sospeso l’invio da questo account. L’email non è stata inviata.
problem-sender_not_verified = Il server { $host } invia solo da indirizzi confermati presso di esso, e { $sender } non è tra questi. L’email non è stata inviata.
problem-test_mode = L’account presso { $host } è ancora in modalità di prova, in cui invia solo a indirizzi confermati. L’email non è stata inviata.
problem-sender_not_allowed = Il server { $host } non consente a questo account di inviare da { $sender }. L’email non è stata inviata.
problem-sender_domain_unknown = Il server { $host } non conosce la parte di { $sender } dopo la @. L’email non è stata inviata.
problem-sender_domain_protected = Il dominio di { $sender } non consente a { $host } di inviare per suo conto (SPF, DKIM o DMARC). L’email non è stata inviata.
problem-sent_from_home = Il server { $host } non riceve email direttamente da una normale connessione a internet. L’email non è stata inviata.
problem-blocklisted = L’indirizzo internet da cui proviene questa email è in un elenco di mittenti di spam. L’email non è stata inviata.
problem-hello_refused = Il server { $host } non ha accettato il nome con cui questo computer si è presentato. L’email non è stata inviata.
problem-login_needed_to_send = Il server { $host } riceve questa email solo dopo l’accesso, ma non è impostato alcun nome utente. L’email non è stata inviata.
problem-relay_denied = Il server { $host } non inoltra ad altri provider le email di { $sender }. L’email non è stata inviata.

# The recipients
problem-too_many_recipients = Il server { $host } non riceve un’email con così tanti destinatari. L’email non è stata inviata a nessuno.
problem-mailbox_full = La casella di { $recipient } è piena. L’email non è stata inviata a nessuno.
problem-recipient_disabled = La casella di { $recipient } al momento non riceve email. L’email non è stata inviata a nessuno.
problem-recipient_domain_unknown = Nessun server di posta riceve email per { $recipient }: la parte dopo la @ non esiste o non ha un servizio di posta. L’email non è stata inviata a nessuno.
problem-recipient_malformed = Il server { $host } non accetta { $recipient } come indirizzo email. L’email non è stata inviata a nessuno.
problem-recipient_unknown = L’indirizzo { $recipient } non esiste, segnala { $host }. L’email non è stata inviata a nessuno.

# The content
problem-virus_found = Il server { $host } ritiene che nell’email ci sia un virus. Non è stata inviata.
problem-attachment_blocked = Il server { $host } non accetta un allegato di questo tipo. L’email non è stata inviata.
problem-spam_block = Il server { $host } considera questa email spam. Non è stata inviata.
problem-policy_block = Una regola del server { $host } non consente questa email. Non è stata inviata.

# The server
problem-server_full = Il server { $host } al momento non ha spazio per altre email. L’email non è stata inviata.
problem-server_trouble = Il server { $host } al momento ha un problema proprio. L’email non è stata inviata.

# The web service
problem-relay_forbidden = Il servizio web conosce questo token, ma non gli consente di inviare. L’email non è stata inviata.
problem-relay_rate_limited = Il servizio web per un po’ non riceve altre email, perché sono state molte in poco tempo. L’email non è stata inviata.
problem-relay_gateway = A questo indirizzo il servizio web vero e proprio non è raggiungibile. L’email non è stata inviata.
problem-not_a_relay = Ciò che risponde a questo indirizzo web non è un servizio email. L’email non è stata inviata.
problem-network_wants_sign_in = Questa rete richiede l’accesso nel browser prima di lasciar passare qualsiasi cosa. L’email non è stata inviata.
problem-relay_account = Il servizio web richiede che prima venga regolarizzato il relativo account, per esempio con un pagamento. L’email non è stata inviata.
problem-relay_rejects_email = Il servizio web non accetta l’email così com’è. Non è stata inviata.
problem-relay_broken = Il servizio web ha un problema proprio. L’email non è stata inviata.
problem-gateway_lost_answer = L’email è stata trasmessa per intero a { $host }, ma il servizio web che vi sta dietro non ha dato risposta. Potrebbe essere stata consegnata oppure no, e non viene inviata di nuovo automaticamente.

## What to do: each begins with what to do

advice-check_host = Verifichi che il nome del server sia scritto correttamente, oppure lo cerchi nelle pagine di assistenza del provider.
advice-check_host_and_port = Verifichi il nome del server e la porta nelle pagine di assistenza del provider; le porte più comuni sono 587 e 465.
advice-check_internet = Verifichi che questo computer sia connesso a internet, per esempio aprendo una pagina web.
advice-check_proxy = Verifichi il proxy { $proxy } nelle impostazioni di { $program }, oppure chieda a chi lo ha configurato.
advice-check_proxy_login = Verifichi il nome utente e la password del proxy { $proxy } nelle impostazioni di { $program }.
advice-ask_proxy = Chieda a chi gestisce il proxy { $proxy } di consentire le connessioni a { $host } sulla porta { $port }, mostrando questo messaggio.
advice-firewall = Verifichi se un firewall o un programma antivirus blocca { $program }, consentendolo lì o sospendendo la protezione della posta per un test.
advice-other_program = Provi le stesse impostazioni in Thunderbird: se non funzionano nemmeno lì, la causa sono le impostazioni o il provider; se lì funzionano, qualcosa blocca { $program }.
advice-other_network = Provi un’altra rete, per esempio l’hotspot del telefono.
advice-try_again = Riprovi tra un minuto.
advice-fewer_at_once = Invii meno email alla volta, oppure attenda che le altre siano inviate.
advice-try_later = Riprovi più tardi; la risposta del server può indicare quando.
advice-check_limits = Verifichi quante email il provider consente all’ora e al giorno.
advice-port_25_blocked = Usi la porta 587 invece della 25, che la maggior parte dei provider internet blocca.
advice-mode_of_465 = Imposti la crittografia su automatica: la porta 465 usa TLS fin dall’inizio.
advice-try_auto = Imposti la crittografia su automatica e riprovi.
advice-mode_of_587 = Imposti la crittografia su automatica: la porta { $port } inizia senza crittografia e passa a quella con STARTTLS.
advice-try_587 = Usi la porta 587 con la crittografia automatica.
advice-try_465 = Usi la porta 465 con la crittografia automatica.
advice-ask_provider = Chieda al provider o all’amministratore, mostrando questo messaggio.
advice-server_must_update = Chieda all’amministratore del server di attivare TLS 1.2 o 1.3.
advice-other_server = Usi un altro server di posta, se il provider ne ha uno.
advice-check_clock = Verifichi la data e l’ora di questo computer.
advice-renew_certificate = Chieda all’amministratore del server di rinnovarne il certificato.
advice-accept_certificate = Accetti questo certificato, ma solo se il server è Suo e l’impronta digitale è quella che Le fornisce il suo amministratore.
advice-use_what_works = Usi la porta { $port } con la crittografia automatica: è stata appena provata e { $host } risponde.
advice-use_what_works-auto = Imposti la crittografia su automatica: è stata appena provata sulla porta { $port } e { $host } risponde.
advice-use_what_works-tls = Imposti la crittografia su TLS fin dall'inizio: è stata appena provata sulla porta { $port } e { $host } risponde.
advice-compare_certificate = Chieda all’amministratore del server se il certificato è stato rinnovato, e confronti l’impronta digitale prima di accettarlo.
advice-use_certificate_name = Usi il server { $certificate_name } e inserisca di nuovo la password, ma solo se quel server è del Suo provider.
advice-intercepted = Disattivi la scansione delle email nel programma antivirus: mette il proprio certificato al posto di quello di { $provider }.
advice-use_tls = Imposti la crittografia su automatica.
advice-allow_insecure_login = Consenta la password non crittografata solo se il server è nella Sua rete e non ha la crittografia.

advice-app_password-gmail = Usi una password per le app: nell’Account Google attivi la verifica in due passaggi in Sicurezza, poi apra Password per le app, ne crei una per { $program } e la inserisca qui al posto della password normale.
advice-app_password-yahoo = Usi una password per le app: apra la pagina Sicurezza account di Yahoo (login.yahoo.com/account/security), scelga Genera password per le app, scelga Altro, scriva { $program }, prema Genera e copi la password nel campo della password.
advice-app_password-icloud = Usi una password specifica per l’app: acceda a account.apple.com, apra Accesso e sicurezza, scelga Password specifiche per le app, ne crei una per { $program } e la inserisca qui al posto della password normale.
advice-app_password = Usi una password per le app, perché { $provider } non accetta qui la password normale: le sue pagine di assistenza spiegano come crearla.
advice-app_password-two_steps = Usi una password per le app se la verifica in due passaggi è attiva presso { $provider }: le sue pagine di assistenza spiegano come crearla.
advice-app_password-any = Usi una password per le app se il provider ha la verifica in due passaggi: in quel caso non accetta qui la password normale.
advice-password_login_off = Chieda all’amministratore di consentire l’accesso con password per questa casella (“SMTP autenticato”, Authenticated SMTP): { $provider } lo sta disattivando, e senza di esso qui non funziona alcuna password.
advice-other_account = Usi un altro account email per l’invio: { $provider } non consente più ai programmi di accedere con una password.
advice-full_address = Usi come nome utente l’indirizzo email completo: la maggior parte dei provider lo richiede.
advice-check_key = Verifichi il nome utente e la chiave: { $provider } richiede una chiave creata sul suo sito web, non la password con cui vi accede.
advice-check_login = Verifichi il nome utente e la password accedendo al sito web del provider.
advice-login_off = Cancelli il nome utente se questo server non richiede l’accesso.
advice-enter_login = Inserisca il nome utente e la password del Suo account email.
advice-check_token = Verifichi il token di accesso che Le ha fornito il gestore del servizio web.
advice-check_sender = Invii dall’indirizzo a cui appartiene l’account, oppure chieda al provider di consentire { $sender } come alias.
advice-check_recipient = Verifichi che l’indirizzo del destinatario sia scritto correttamente.
advice-check_relay = Inserisca il nome utente e la password del Suo account email: senza accesso la maggior parte dei server riceve email solo per i propri utenti.
advice-check_content = Verifichi nell’email ciò che il server segnala nella sua risposta.
advice-make_smaller = Riduca le dimensioni degli allegati, oppure li invii in più email.
advice-send_link = Invii invece un link al documento.
advice-plain_address = Chieda al destinatario un indirizzo con le sole lettere dalla A alla Z, oppure usi un provider che supporta questi indirizzi.
advice-check_url = Verifichi l’indirizzo del servizio web con il suo gestore.
advice-ask_relay = Chieda al gestore del servizio web, mostrando questo messaggio.
advice-complete_file = Invii di nuovo l’email quando il file del documento è completo e nulla vi scrive più.
advice-check_file = Verifichi che il file del documento si possa aprire, e invii di nuovo l’email.
advice-ask_recipient = Chieda al destinatario se l’email è arrivata prima di inviarla di nuovo.
advice-look_in_sent = Guardi nella cartella Posta inviata della Sua casella: molti provider vi mettono una copia di ciò che è stato inviato.
advice-report_bug = Segnali questo problema al produttore di { $program }.

advice-use_sending_port = Usi il server per l’invio con la porta 587 e la crittografia automatica; il suo nome spesso inizia con smtp.
advice-use_sending_server = Usi il server di { $provider } per l’invio, { $sending_host }, sulla porta { $sending_port }.
advice-try_tls = Imposti la crittografia su TLS fin dall’inizio.
advice-intercepted-host = Disattivi la scansione delle email nel programma antivirus, oppure ne escluda { $host }: il programma mette il proprio certificato al posto di quello del server.
advice-ask_network = Chieda a chi gestisce questa rete di lasciar passare senza aprirle le connessioni a { $host }.
advice-sign_in_network = Apra una pagina web qualsiasi in un browser e acceda a questa rete, poi esegua di nuovo il test.
advice-sign_in_browser = Acceda alla Sua casella in un browser web, confermi che il tentativo era Suo ed esegua di nuovo il test.
advice-sign_in_again = Effettui di nuovo l’accesso.
advice-sign_in_consent = Effettui di nuovo l’accesso e, quando Le viene chiesto, consenta a { $program } di inviare email.
advice-check_sign_in = Verifichi che l’account che ha effettuato l’accesso possa inviare come { $username }.
advice-use_password = Scelga l’accesso con nome utente e password.
advice-allow_program = Chieda al Suo amministratore di consentire a { $program } di inviare email e gli mostri questo messaggio.
advice-register_program = Chieda al produttore di { $program } di verificare come è registrato presso { $provider } e gli mostri questo messaggio.
advice-sign_in_as = Effettui di nuovo l’accesso e scelga l’account { $username } nella pagina di { $provider }.
advice-use_signed_in_account = Invii invece come { $account }.
advice-restart_and_sign_in = Effettui di nuovo l’accesso dopo aver riavviato il computer.
advice-verify_program = Chieda al produttore di { $program } di farlo verificare da { $provider }.
advice-verify_program-weekly = Chieda al produttore di { $program } di farlo verificare da { $provider } se deve effettuare di nuovo l’accesso ogni settimana.
advice-verify_program-blocked = Chieda al produttore di { $program } di farlo verificare da { $provider } se la pagina lo ha indicato come bloccato o non verificato.
advice-sign_in_instead = Effettui l’accesso con { $provider } invece di usare una password.
advice-sign_in_instead-unregistered = Chieda al produttore di { $program } di registrarlo presso { $provider }, per poter accedere senza password.
advice-allow_smtp_auth-tenant = Chieda all’amministratore di attivare in Microsoft 365 “SMTP autenticato” (Authenticated SMTP) per l’organizzazione o solo per questa casella.
advice-allow_smtp_auth-mailbox = Chieda all’amministratore di attivare “SMTP autenticato” (Authenticated SMTP) per questa casella: nell’interfaccia di amministrazione di Microsoft 365, in Utenti attivi, l’utente, Posta, Gestisci app di posta elettronica.
advice-other_account-any = Usi per l’invio un altro account email, che consenta ai programmi di accedere con una password.
advice-ask_administrator = Chieda all’amministratore un server attraverso cui i programmi possano inviare, mostrando questo messaggio.
advice-allow_in_rules = Chieda all’amministratore di escludere questa casella dalla regola che blocca l’accesso con password (impostazioni predefinite per la sicurezza o Accesso condizionale).
advice-unlock_account = Acceda al sito web del provider per sbloccare l’account.
advice-renew_password = Cambi la password sul sito web del provider e inserisca qui quella nuova.
advice-switch_access_on = Attivi l’accesso per i programmi di posta (POP3, IMAP, SMTP) nelle impostazioni della casella sul sito web del provider.
advice-allow_ip = Aggiunga l’indirizzo internet di questo computer a quelli consentiti nel Suo account sul sito web del provider.
advice-use_username_apikey = Usi la parola apikey come nome utente e una chiave creata presso { $provider } come password.
advice-use_login_port = Usi la porta 587 con la crittografia automatica e i dati di accesso del Suo account email.
advice-wait-seconds = { $count ->
    [one] Riprovi tra { $count } secondo.
   *[other] Riprovi tra { $count } secondi.
}
advice-wait-minutes = { $count ->
    [one] Riprovi tra { $count } minuto.
   *[other] Riprovi tra { $count } minuti.
}
advice-wait-hours = { $count ->
    [one] Riprovi tra { $count } ora.
   *[other] Riprovi tra { $count } ore.
}
advice-try_tomorrow = Riprovi domani, oppure chieda al provider un limite più alto.
advice-open_link = Apra la pagina indicata dal server: spiega il motivo e che cosa si può fare.
advice-other_programs = Chiuda gli altri programmi e dispositivi che inviano con lo stesso account, oppure attenda che abbiano finito.
advice-ask_recipient_other_address = Chieda al destinatario un altro indirizzo, per esempio per telefono.
advice-free_space = Elimini le vecchie email dalla Sua casella, comprese quelle inviate, oppure chieda al provider più spazio.
advice-verify_sender = Confermi { $sender } come mittente sul sito web del provider, oppure invii da un indirizzo confermato lì.
advice-leave_test_mode = Chieda al provider di terminare la modalità di prova dell’account, oppure invii solo a indirizzi confermati lì.
advice-check_sender_domain = Verifichi che la parte di { $sender } dopo la @ sia scritta correttamente.
advice-ask_domain = Chieda a chi gestisce il dominio di { $sender } di consentire a { $host } di inviare per suo conto, oppure invii tramite il server di quel dominio.
advice-ask_program = Chieda al produttore di { $program } di impostare un nome adeguato per questo computer.
advice-check_copy = Verifichi l’indirizzo per le copie nelle impostazioni.
advice-fewer_recipients = Invii l’email a meno destinatari alla volta.
advice-tell_recipient_full = Avvisi il destinatario per altra via che la sua casella è piena, e invii di nuovo l’email più tardi.
advice-check_domain = Verifichi che la parte di { $recipient } dopo la @ sia scritta correttamente.
advice-scan_files = Verifichi gli allegati con un programma antivirus prima di inviarli a qualcuno.
advice-remove_attachment = Tolga l’allegato che non è un documento, come un programma o un archivio.
advice-change_words = Scriva l’oggetto e il testo con altre parole, senza link, e invii di nuovo l’email.

## The words of a user interface around the form and the email

word-settings_title = Impostazioni e-mail
word-loading = Caricamento…
word-saved = Le impostazioni sono salvate.
word-try_again = Riprova
word-no_answer = { $program } non risponde. Nulla è stato modificato.
word-connection_lost = La connessione con { $program } si è interrotta. Riprovi per vedere com’è andata.
word-end_unknown = { $program } non sa com’è andata a finire. Chieda al destinatario se l’email è arrivata prima di inviarla di nuovo.
word-other_version = Una parte di questo modulo è più recente di questa pagina e non può essere mostrata per intero.
word-required = obbligatorio
word-show_password = Mostra
word-hide_password = Nascondi
word-use_proposal = Usa queste impostazioni
word-provider_steps = Come configurare { $provider }
word-open_page = Apri la pagina
word-testing = Prova in corso…
word-cancel = Annulla
word-canceling = Annullamento…
word-close = Chiudi
word-step_ok = riuscito
word-step_failed = non riuscito
word-step_skipped = non raggiunto
word-what_to_do = Cosa fare
word-apply = Applica
word-apply_and_test = Applica e prova di nuovo
word-server_said = Il server ha risposto
word-details = Dettagli
word-certificate = Certificato
word-certificate_subject = Rilasciato a
word-certificate_issuer = Rilasciato da
word-certificate_valid = Valido
word-certificate_names = Nomi
word-certificate_fingerprint = Impronta SHA-256
word-accept_certificate = Accetta e prova di nuovo
word-signed_in_as = Accesso effettuato come { $account }
word-sign_in_waiting = In attesa dell’accesso nel browser…
word-sign_in_open = Apri la pagina di accesso
word-sign_in_code = Inserisca lì questo codice
word-email_title = Invia per e-mail
word-to = A
word-cc = Cc
word-bcc = Ccn
word-show_cc_bcc = Cc e Ccn
word-addresses_help = Più indirizzi si separano con virgole.
word-subject = Oggetto
word-message = Messaggio
word-write = Scrivi
word-preview = Anteprima
word-markdown_help = Si possono usare **grassetto**, *corsivo*, elenchi e [link](https://example.com).
word-document = Documento
word-attachments = Allegati
word-add_attachment = Aggiungi un file
word-remove_attachment = Rimuovi { $file }
word-send = Invia
word-sending = Invio in corso…
word-before_sending = Prima di inviare
word-send_anyway = Invia comunque
word-recipient = Destinatario
word-outcome = Esito
word-outcome_accepted = accettato
word-outcome_refused = rifiutato
word-outcome_deferred = non ora
word-outcome_not_sent = non inviato
word-outcome_uncertain = incerto
word-discard_question = Chiudere senza inviare? Ciò che ha scritto andrà perso.
word-discard = Chiudi senza inviare
word-keep_editing = Continua a modificare
