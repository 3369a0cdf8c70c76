### Every text that reaches a person, in Polish. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Wysyłanie
field-protocol = Wysyłanie przez
choice-protocol-smtp = Dostawca poczty (SMTP)
choice-protocol-http = Usługa internetowa (przekaźnik HTTP)
help-protocol = W większości przypadków właściwy jest dostawca poczty.
field-http_server = Adres usługi internetowej
help-http_server = Adres otrzymany od operatora usługi internetowej.
placeholder-http_server = https://email.example.com/
field-http_token = Token dostępu
help-http_token = Tylko wtedy, gdy został podany przez operatora usługi internetowej.
field-smtp_host = Serwer SMTP
help-smtp_host = Nazwa serwera poczty wychodzącej dostawcy, na przykład smtp.gmail.com, smtp.mail.yahoo.com lub smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Port
help-smtp_port = Zwykle 465 lub 587. Właściwy port podają strony pomocy dostawcy.
placeholder-smtp_port = 587
field-smtp_security = Szyfrowanie
help-smtp_security = Ustawienie automatyczne pasuje do prawie każdego serwera: TLS na porcie 465, STARTTLS na każdym innym porcie. Połączenie, którego nie można zaszyfrować, nie jest używane.
choice-smtp_security-auto = Automatyczne (zalecane)
choice-smtp_security-tls = TLS od początku (zwykle na porcie 465)
choice-smtp_security-starttls = STARTTLS (zwykle na porcie 587)
choice-smtp_security-none = Brak: wszystko jest przesyłane w czytelnej postaci
field-allow_insecure_login = Wysyłaj hasło bez szyfrowania
help-allow_insecure_login = Każdy na drodze do serwera może wtedy odczytać hasło. Tylko dla serwera we własnej sieci.
field-auth = Logowanie za pomocą
choice-auth-password = Nazwy użytkownika i hasła
choice-auth-oauth2 = Logowania u dostawcy (OAuth 2.0)
help-auth = Niektórzy dostawcy, na przykład Microsoft 365, pozwalają programom wysyłać dopiero po zalogowaniu na swojej stronie.
field-username = Nazwa użytkownika
help-username = Często jest to pełny adres e-mail. Pozostaw to pole puste, jeśli serwer nie wymaga logowania.
placeholder-username = nazwa@example.com
field-mailbox = Inna skrzynka
help-mailbox = Tylko wtedy, gdy wiadomości są wysyłane z innej skrzynki niż własna, na przykład ze wspólnej. Loguje się nadal własne konto.
placeholder-mailbox = biuro@example.com
field-email_address = Adres e-mail
help-email_address = Adres, z którego wysyłane są wiadomości.
placeholder-email_address = nazwa@example.com
field-password = Hasło
help-password = Hasło do tego konta e-mail. Jeśli hasło jest już zapisane, pozostaw to pole puste, aby je zachować.
help-password-app_password = { $provider } wymaga tu hasła aplikacji, a nie zwykłego hasła.
help-password-two_steps = Jeśli weryfikacja dwuetapowa jest włączona, { $provider } wymaga tu hasła aplikacji, a nie zwykłego hasła.
help-password-not_for_long = { $provider } stopniowo wyłącza logowanie hasłem w programach pocztowych. Jeśli test zostanie odrzucony, poproś administratora o zezwolenie na nie („Uwierzytelniony protokół SMTP”).
help-password-key = { $provider } wymaga tu klucza, który tworzy się w witrynie dostawcy.
help-password-no_password = { $provider } nie pozwala już programom logować się hasłem. Użyj innego konta e-mail do wysyłania.
field-sender_name = Nazwa nadawcy
help-sender_name = Nazwa, którą widzą odbiorcy wiadomości, zwykle nazwa firmy.
field-send_copy = Wysyłaj kopię każdej wiadomości na ten adres
help-send_copy = Do własnej dokumentacji. Odbiorcy wiadomości tego nie widzą.
field-copy_to = Adres do kopii
help-copy_to = Kilka adresów oddziela się przecinkami.
placeholder-copy_to = archiwum@example.com
field-different_reply_to = Odbieraj odpowiedzi na innym adresie niż adres nadawcy
help-different_reply_to = Odpowiedzi trafiają wtedy na adres podany poniżej.
field-reply_to = Adres do odpowiedzi
help-reply_to = Kilka adresów oddziela się przecinkami.
placeholder-reply_to = biuro@example.com
field-allow_untrusted_certificate = Ufaj własnemu certyfikatowi tego serwera
help-allow_untrusted_certificate = Tylko dla własnego serwera z certyfikatem z podpisem własnym. Uruchom test, porównaj pokazany odcisk i zaakceptuj go.
field-trusted_certificate = Odcisk certyfikatu
help-trusted_certificate = SHA-256. Wypełniane po zaakceptowaniu certyfikatu pokazanego przez test; od tej chwili akceptowany jest tylko ten certyfikat.
button-test = Przetestuj ustawienia poczty
button-update = Zapisz
button-sign_in = Zaloguj się
button-sign_out = Wyloguj się
button-email = Wyślij e-mailem
page-signed_in-title = Zalogowano
page-signed_in = Możesz zamknąć tę stronę i wrócić do programu { $program }.
page-not_signed_in-title = Nie zalogowano
page-not_signed_in = Wróć do programu { $program }: podana jest tam przyczyna.

why_not-fields = Niektóre pola wymagają jeszcze uwagi.

## Providers: what to do there, step by step

proposal-provider = Użyj serwera { $host } dostawcy { $provider } na porcie { $port }.
proposal-autoconfig = Domena { $domain } publikuje te ustawienia: { $host } na porcie { $port }.
proposal-srv = Domena { $domain } podaje { $host } jako swój serwer do wysyłania wiadomości.
proposal-mx = Wiadomości domeny { $domain } są przechowywane u dostawcy { $provider }; to są jego ustawienia.
proposal-probe = Serwer { $host } odpowiada na porcie { $port } z szyfrowaniem.

steps-required-1 = Zaloguj się w witrynie { $provider } i poszukaj haseł aplikacji w ustawieniach zabezpieczeń.
steps-required-2 = Utwórz nowe hasło i nadaj mu nazwę { $program }.
steps-required-3 = Skopiuj wyświetlone hasło tutaj do pola hasła, zamiast zwykłego hasła.
steps-with_two_steps-1 = Jeśli weryfikacja dwuetapowa w { $provider } jest włączona, utwórz tam w ustawieniach zabezpieczeń hasło aplikacji o nazwie { $program }.
steps-with_two_steps-2 = Skopiuj je tutaj do pola hasła. Bez weryfikacji dwuetapowej wpisz zwykłe hasło.
steps-not_for_long-1 = Poproś administratora konta w { $provider } o zezwolenie programom na logowanie hasłem.
steps-not_for_long-2 = Wpisz tutaj hasło do skrzynki.
steps-no_password-1 = Użyj innego konta e-mail do wysyłania: { $provider } nie pozwala programom logować się hasłem.
steps-key-1 = Zaloguj się w witrynie { $provider } i utwórz klucz lub dane logowania do SMTP.
steps-key-2 = Skopiuj nazwę użytkownika i klucz do pól tutaj.
steps-none-1 = Wpisz hasło, którym logujesz się do { $provider }.
steps-unknown-1 = Sprawdź w ustawieniach { $provider }, czy inne programy mogą wysyłać z Twojej skrzynki.
steps-unknown-2 = Wpisz hasło, którym się logujesz. Jeśli { $provider } ma hasła aplikacji, utwórz hasło dla programu { $program } i wpisz właśnie to.

steps-gmail-1 = Otwórz stronę zabezpieczeń konta Google i włącz weryfikację dwuetapową, jeśli nie jest jeszcze włączona.
steps-gmail-2 = Otwórz „Hasła do aplikacji”, wpisz nazwę { $program } i wybierz „Utwórz”.
steps-gmail-3 = Skopiuj 16 liter, które pokaże Google, tutaj do pola hasła, zamiast zwykłego hasła.
steps-google-workspace-1 = Otwórz stronę zabezpieczeń konta Google i włącz weryfikację dwuetapową, jeśli nie jest jeszcze włączona.
steps-google-workspace-2 = Otwórz „Hasła do aplikacji”, wpisz nazwę { $program } i wybierz „Utwórz”.
steps-google-workspace-3 = Skopiuj 16 liter, które pokaże Google, tutaj do pola hasła, zamiast zwykłego hasła.
steps-google-workspace-4 = Jeśli nie ma strony z hasłami do aplikacji, poproś administratora Google Workspace o zezwolenie na nie.
steps-outlook-personal-1 = Użyj innego konta e-mail do wysyłania: { $provider } nie pozwala już programom logować się hasłem.
steps-outlook-personal-2 = Aby mimo to otrzymywać odpowiedzi na adres w { $provider }, podaj go jako adres do odpowiedzi.
steps-microsoft365-1 = Otwórz centrum administracyjne Microsoft 365 i wybierz „Użytkownicy”, „Aktywni użytkownicy” oraz skrzynkę, z której wysyła { $program }. Jeśli nie jesteś administratorem, poproś o to swojego administratora.
steps-microsoft365-2 = Na karcie „Poczta” wybierz „Zarządzaj aplikacjami poczty e-mail”, zaznacz „Uwierzytelniony protokół SMTP” i zapisz zmiany.
steps-microsoft365-3 = Wpisz tutaj adres i hasło skrzynki i przetestuj ustawienia.
steps-yahoo-1 = Zaloguj się i otwórz stronę „Bezpieczeństwo konta”.
steps-yahoo-2 = Wybierz „Utwórz hasło aplikacji” (lub „Generuj hasło aplikacji”), wpisz { $program } jako nazwę aplikacji i wygeneruj hasło.
steps-yahoo-3 = Skopiuj wyświetlone hasło tutaj do pola hasła, zamiast zwykłego hasła.
steps-att-1 = Zaloguj się na konto AT&T i utwórz klucz bezpiecznej poczty (secure mail key) dla swojego adresu.
steps-att-2 = Skopiuj klucz tutaj do pola hasła, zamiast zwykłego hasła.
steps-icloud-1 = Włącz uwierzytelnianie dwupoziomowe na koncie Apple, jeśli nie jest jeszcze włączone.
steps-icloud-2 = Zaloguj się na stronie account.apple.com, otwórz „Logowanie i zabezpieczenia”, wybierz „Hasła aplikacji” i utwórz hasło o nazwie { $program }.
steps-icloud-3 = Skopiuj wyświetlone hasło tutaj do pola hasła, zamiast zwykłego hasła.
steps-gmx-1 = Zaloguj się w witrynie { $provider } i zezwól w ustawieniach poczty na dostęp przez POP3 i IMAP: jest potrzebny także do wysyłania.
steps-gmx-2 = Jeśli uwierzytelnianie dwuskładnikowe jest włączone, utwórz na koncie, w części dotyczącej zabezpieczeń, hasło aplikacji.
steps-gmx-3 = Wpisz tutaj to hasło. Bez uwierzytelniania dwuskładnikowego wpisz zwykłe hasło.
steps-tonline-1 = Zaloguj się do centrum klienta Telekom i ustaw hasło dla programów pocztowych.
steps-tonline-2 = Wpisz tutaj to hasło: nie jest to hasło, którym się logujesz.
steps-fastmail-1 = Zaloguj się do Fastmail i otwórz „Settings”, „Privacy & Security”, a następnie „Integrations” (lub „Connected apps”).
steps-fastmail-2 = Wybierz „New app password”, wpisz nazwę { $program } i pozostaw włączony dostęp do poczty.
steps-fastmail-3 = Skopiuj wyświetlone hasło tutaj do pola hasła.
steps-zoho-1 = Zaloguj się na konto Zoho i otwórz „Security”, a następnie „App Passwords”.
steps-zoho-2 = Wybierz „Generate New Password” i wpisz nazwę { $program }.
steps-zoho-3 = Skopiuj wyświetlone hasło tutaj do pola hasła. Bez uwierzytelniania wieloskładnikowego działa też zwykłe hasło.
steps-proton-1 = Sprawdź, czy masz adres we własnej domenie i plan z SMTP: z innymi wysyłanie nie jest możliwe.
steps-proton-2 = Otwórz w ustawieniach IMAP/SMTP, wybierz wygenerowanie tokenu, wpisz nazwę { $program } i wybierz adres.
steps-proton-3 = Wpisz ten adres tutaj jako nazwę użytkownika i skopiuj token do pola hasła.
steps-yandex-1 = Otwórz ustawienia Yandex Mail, wybierz „Email clients” i zezwól na dostęp z hasłami aplikacji.
steps-yandex-2 = Otwórz „App passwords” w Yandex ID i utwórz hasło dla Mail o nazwie { $program }.
steps-yandex-3 = Skopiuj wyświetlone hasło tutaj do pola hasła, zamiast zwykłego hasła.
steps-mailru-1 = Zaloguj się na konto Mail.ru i otwórz ustawienia bezpieczeństwa, a następnie hasła do aplikacji zewnętrznych.
steps-mailru-2 = Dodaj hasło o nazwie { $program } i daj mu dostęp do poczty przez IMAP, POP i SMTP.
steps-mailru-3 = Skopiuj wyświetlone hasło tutaj do pola hasła, zamiast zwykłego hasła.
steps-qq-1 = Zaloguj się do QQ Mail, otwórz ustawienia, następnie konto, i włącz usługę POP3/IMAP/SMTP.
steps-qq-2 = Wygeneruj kod autoryzacji i potwierdź go telefonem.
steps-qq-3 = Skopiuj kod tutaj do pola hasła, zamiast zwykłego hasła.
steps-netease-1 = Zaloguj się do skrzynki, otwórz ustawienia, następnie POP3/SMTP/IMAP, i włącz SMTP.
steps-netease-2 = Utwórz kod autoryzacji i potwierdź go telefonem.
steps-netease-3 = Skopiuj kod tutaj do pola hasła, zamiast zwykłego hasła.
steps-no_programs-1 = Użyj innego konta e-mail do wysyłania: { $provider } działa tylko we własnych aplikacjach.
steps-no_programs-2 = Aby mimo to otrzymywać odpowiedzi na adres w { $provider }, podaj go jako adres do odpowiedzi.
steps-sendgrid-1 = Zaloguj się do SendGrid i utwórz klucz API o nazwie { $program } z uprawnieniem do wysyłania poczty.
steps-sendgrid-2 = Wpisz tutaj słowo apikey jako nazwę użytkownika.
steps-sendgrid-3 = Skopiuj klucz do pola hasła.
steps-mailgun-1 = Zaloguj się do Mailgun, otwórz „Sending”, następnie „Domain settings”, wybierz swoją domenę i otwórz „SMTP credentials”.
steps-mailgun-2 = Wpisz tutaj wyświetlony login w całości jako nazwę użytkownika.
steps-mailgun-3 = Zresetuj tam jego hasło i skopiuj nowe do pola hasła.
steps-postmark-1 = Zaloguj się do Postmark, otwórz swój serwer, następnie „API Tokens”, i skopiuj token API serwera.
steps-postmark-2 = Wpisz token tutaj dwa razy: jako nazwę użytkownika i jako hasło.
steps-ses-1 = Otwórz konsolę SES w regionie, z którego wysyłasz, następnie „SMTP settings”, i wybierz „Create SMTP credentials”.
steps-ses-2 = Skopiuj nazwę użytkownika SMTP i hasło SMTP do pól tutaj. To nie są klucze dostępu AWS.
steps-ses-3 = Sprawdź, czy podany tutaj serwer należy do tego regionu.
steps-brevo-1 = Zaloguj się do Brevo i otwórz „SMTP & API”, a następnie kartę „SMTP”.
steps-brevo-2 = Wpisz wyświetlony tam login tutaj jako nazwę użytkownika.
steps-brevo-3 = Wygeneruj klucz SMTP o nazwie { $program } i skopiuj go do pola hasła. Klucz API tutaj nie działa.
steps-resend-1 = Zaloguj się do Resend i utwórz klucz API o nazwie { $program } z prawem do wysyłania.
steps-resend-2 = Wpisz tutaj słowo resend jako nazwę użytkownika.
steps-resend-3 = Skopiuj klucz do pola hasła.
steps-mailjet-1 = Zaloguj się do Mailjet i otwórz stronę z kluczami API.
steps-mailjet-2 = Wpisz tutaj klucz API jako nazwę użytkownika, a tajny klucz jako hasło.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Ten serwer służy do odbierania wiadomości. Do wysyłania użyj serwera { $host } dostawcy { $provider }.
warning-port_25 = Port 25 jest przeznaczony do poczty między serwerami i wielu dostawców internetu go blokuje. Użyj portu 587 lub 465, jeśli dostawca poczty je udostępnia.
warning-no_encryption = Wiadomości i zawarte w nich dokumenty są przesyłane w postaci, którą każdy po drodze może odczytać.
warning-own_certificate = Zaufany jest tylko jeden certyfikat: ten z podanym odciskiem. Gdy serwer otrzyma nowy certyfikat, uruchom test ponownie i zaakceptuj go.

fault-required = To pole jest wymagane.
fault-required-http_server = Podaj adres usługi internetowej.
fault-required-smtp_host = Podaj nazwę serwera SMTP dostawcy.
fault-required-smtp_port = Podaj port: u większości dostawców 587 lub 465.
fault-required-username = Podaj adres e-mail konta, które się loguje.
fault-required-email_address = Podaj adres e-mail, z którego wysyłane są wiadomości.
fault-required-password = Podaj hasło do tego konta.
fault-required-copy_to = Podaj adres, na który mają trafiać kopie, lub usuń powiązane z nim zaznaczenie.
fault-required-reply_to = Podaj adres, na który mają trafiać odpowiedzi.
fault-required-trusted_certificate = Uruchom test i zaakceptuj pokazany certyfikat lub usuń powiązane z nim zaznaczenie.
fault-password_again = Zapisane hasło dotyczy innego serwera, portu, szyfrowania lub nazwy użytkownika. Podaj hasło ponownie.
fault-password_without_username = Podaj nazwę użytkownika, do której należy hasło, lub wyczyść pole hasła.
fault-token_in_clear = Bez szyfrowania dane logowania byłyby przesyłane w czytelnej postaci. Wybierz inne szyfrowanie.
fault-not_signed_in = Najpierw się zaloguj: na tym koncie nie ma jeszcze logowania.
fault-sign_in_settings_changed = Ustawienia zostały w tym czasie zmienione, dlatego to logowanie nie zostało zapisane. Zaloguj się ponownie.
fault-no_sign_in_here = Dla tego serwera nie jest znane logowanie u dostawcy. Użyj nazwy użytkownika i hasła.
fault-no_client = { $program } nie może jeszcze logować się w { $provider }: producent musi najpierw zarejestrować tam program.
fault-choice_unknown = Wartości { $value } nie ma wśród dostępnych: { $choices }.
fault-host_has_scheme = Pomiń „{ $scheme }”: tu podaje się tylko nazwę serwera, na przykład smtp.example.com.
fault-host_has_port = Pomiń tu „:{ $port }”: port ma osobne pole.
fault-host_has_path = Pomiń wszystko od znaku „/”: tu podaje się tylko nazwę serwera.
fault-host_has_space = Nazwa serwera nie zawiera spacji.
fault-host_is_address = To jest adres e-mail. Tu potrzebna jest nazwa serwera, na przykład smtp.example.com.
fault-host_invalid = To nie jest nazwa serwera. Wygląda ona tak: smtp.example.com.
fault-port_invalid = Port jest liczbą całkowitą od 1 do 65535; zwykle 587 lub 465.
fault-url_invalid = To nie jest adres internetowy. Wygląda on tak: https://email.example.com/.
fault-url_not_web = Działają tu tylko adresy z https://.
fault-url_not_secure = Dokument byłby przesyłany bez szyfrowania: użyj https:// zamiast http://.
fault-url_has_login = Pomiń w adresie nazwę użytkownika i hasło: token dostępu ma osobne pole.
fault-username_control = W nazwie użytkownika jest znak końca wiersza lub inny niewidoczny znak. Wpisz ją ręcznie, zamiast wklejać.
fault-secret_control = Jest tu znak końca wiersza lub inny niewidoczny znak. Wpisz tę wartość ręcznie, zamiast wklejać.
fault-fingerprint_invalid = Odcisk SHA-256 ma 64 znaki: cyfry od 0 do 9 i litery od A do F.
fault-insecure_login = Bez szyfrowania hasło byłoby przesyłane w czytelnej postaci. Wybierz inne szyfrowanie lub zaznacz to pole, jeśli tak ma być.
fault-established_provider = Usuń to zaznaczenie: { $provider } ma prawidłowy certyfikat, a jeśli jest on odrzucany, coś po drodze otrzymałoby hasło.
fault-too_long_text = To jest za długie: dozwolona liczba znaków to najwyżej { $limit }.

fault-too_long = To jest za dużo: liczba bajtów to { $bytes }, a dozwolone jest najwyżej { $limit }.
fault-bad_json = To nie jest JSON: błąd znajduje się w wierszu { $line }, w kolumnie { $column }.
fault-wrong_type = Oczekiwany typ: { $expected }; podany typ: { $found }.
type-an_object = obiekt
type-text = tekst
type-true_or_false = true lub false
type-true_or_false_or_an_object = true, false lub obiekt
type-a_number = liczba
type-a_list = lista
type-text_or_a_list_of_texts = tekst lub lista tekstów
type-a_number_or_text = liczba lub tekst
type-a_host_name = nazwa serwera
type-a_link_or_null = odnośnik lub null
type-null = null
fault-out_of_range = Wartość musi być z zakresu od { $least } do { $most }.
fault-unknown_key = Nie ma klucza o tej nazwie.
fault-unknown_key_near = Nie ma klucza o tej nazwie. Czy chodzi o { $nearest }?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] Argument pdf to NULL, a w email_json nie ma document.path: podaj bajty pliku PDF lub ścieżkę do niego.
   *[other] Argument { $argument } to NULL.
}
call-bad_utf8 = Argument { $argument } nie jest w UTF-8: pierwszy nieprawidłowy bajt jest na pozycji { $position }.
call-null_with_length = Argument { $argument } to NULL, ale jego długość w bajtach to { $length }.
call-bad_length = Argument { $argument } ma za dużo bajtów ({ $bytes }), aby jego kopia zmieściła się w pamięci tego komputera.
fault-key_needs_store = Bez store nie ma to żadnego skutku.
fault-one_key_only = Można podać tylko jedno z key, passphrase i keychain.
fault-wrong_type_expected = Oczekiwany typ: { $expected }.

fault-control_character = W tym tekście jest znak, którego nie można wysłać ({ $character }), na przykład znak końca wiersza. Wpisz tekst ręcznie, zamiast wklejać.
fault-bidi_character = W tym tekście jest niewidoczny znak, który zmienia kierunek tekstu ({ $character }). Wpisz tekst ręcznie, zamiast wklejać.

fault-address_empty = Brakuje tu adresu.
fault-address_no_at = { $address } to nie adres e-mail: brakuje znaku „@”.
fault-address_several_at = { $address } to nie adres e-mail: jest w nim więcej niż jeden znak „@”.
fault-address_missing_separator = { $address }: wstaw przecinek między dwoma adresami.
fault-address_no_local = { $address } to nie adres e-mail: brakuje części przed znakiem „@”.
fault-address_no_domain = { $address } to nie adres e-mail: brakuje części po znaku „@”.
fault-address_space = { $address } to nie adres e-mail: jest w nim spacja.
fault-address_invisible_character = W adresie jest niewidoczny znak ({ $character }). Wpisz adres ręcznie, zamiast wklejać.
fault-address_local_too_long = Część przed znakiem „@” jest za długa: liczba bajtów to { $bytes }, a dozwolone jest najwyżej { $limit }.
fault-address_too_long = Adres jest za długi: liczba bajtów to { $bytes }, a dozwolone jest najwyżej { $limit }.
fault-address_bad_domain = { $domain } to nie domena adresu e-mail.
fault-address_bad_local = { $local } nie może stać przed znakiem „@” w adresie e-mail.
fault-mailbox_quote = { $text }: brakuje cudzysłowu.
fault-mailbox_bracket = { $text }: adres musi znajdować się między „<” a „>”.
fault-mailbox_text_after_address = { $text }: po znaku „>” nie może być nic więcej.
fault-mailbox_missing_separator = { $text }: wstaw przecinek między dwoma adresami.
fault-too_many_recipients = Liczba odbiorców ({ $number }) jest za duża jak na jedną wiadomość: dozwolone jest najwyżej { $limit }.
fault-one_address_only = Podaj tylko jeden adres.
fault-no_recipients = Podaj co najmniej jednego odbiorcę.
fault-header_too_long = To jest za długie na wiadomość e-mail: liczba bajtów to { $bytes }, a dozwolone jest najwyżej { $limit }.
fault-file_name_empty = Plik musi mieć nazwę.
fault-file_name_dots = „{ $name }” to nie nazwa pliku.
fault-file_name_separator = Nazwa pliku nie może zawierać znaku „{ $character }”.
fault-file_name_encoded_word = Nazwa pliku nie może zawierać „=?”: niektóre programy pocztowe pokazałyby inną nazwę.
fault-file_name_too_long = Nazwa pliku jest za długa: liczba bajtów to { $bytes }, a dozwolone jest najwyżej { $limit }.
fault-file_missing = Nie ma pliku { $path }.
fault-file_is_folder = { $path } to folder, a nie plik.
fault-file_not_regular = { $path } to nie zwykły plik.
fault-file_changed = Plik { $path } zmienił się podczas odczytu. Spróbuj ponownie, gdy będzie kompletny.
fault-file_unreadable = Nie można odczytać pliku { $path }: { $error }.
fault-files_too_large = Dokument i załączniki są razem za duże: dozwolona liczba bajtów to najwyżej { $limit }.
fault-files_no_memory = Za mało pamięci; potrzebna liczba bajtów to { $bytes }.
fault-pdf_empty = Plik PDF jest pusty: nie ma w nim ani jednego bajtu.
fault-pdf_not_a_pdf = To nie jest plik PDF: w pierwszych 1024 bajtach nie ma „%PDF-”.
fault-document_twice = Można podać albo bajty pliku PDF, albo ścieżkę do niego, ale nie jedno i drugie.
fault-attachment_twice = Można podać albo path, albo base64, ale nie jedno i drugie.
fault-attachment_missing = Trzeba podać path albo base64.
fault-file_name_missing = Załącznik podany jako base64 musi mieć file_name.
fault-base64_bad = To nie jest base64.
fault-type_bad = { $type } to nie typ mediów taki jak application/pdf.
fault-type_composite = { $type } nie może być wysłany jako typ załącznika; użyj application/octet-stream.
fault-body_twice = Można podać albo body, albo body_html razem z body_text.
fault-body_text_missing = Obok body_html potrzebne jest body_text, dla programów pocztowych, które nie pokazują HTML.
fault-body_html_missing = Pole body_text towarzyszy body_html; dla samego tekstu użyj body.
fault-idempotency_key_bad = Klucz składa się z widocznych znaków ASCII; ich liczba wynosi od 1 do { $limit }.
fault-access_token_bad = Token dostępu składa się z widocznych znaków ASCII; ich liczba wynosi od 1 do { $limit }.
fault-access_token_unused = Te ustawienia nie używają tokenu dostępu: auth nie jest oauth2.
fault-sign_in_unused = Te ustawienia nie mają logowania u dostawcy: auth nie jest oauth2.
fault-flow_unknown = Wartość to browser, redirect, device lub client_credentials.
fault-redirect_uri_bad = Dla redirect potrzebny jest własny adres https://, dla pozostałych wartości nie.
fault-sign_in_unknown = Nie ma takiego logowania: zostało już zakończone albo rozpoczęte z innym obiektem konta lub przez inny proces.
fault-callback_bad = To nie jest adres, na który dostawca skierował przeglądarkę dla tego logowania.
fault-no_randomness = System nie dostarczył liczb losowych, które są potrzebne do każdej wiadomości. Spróbuj ponownie.

fault-key_invalid = Klucz nie składa się z 32 bajtów w base64.
fault-passphrase_empty = Fraza szyfrująca jest pusta.
fault-ca_file_unreadable = Nie można odczytać pliku certyfikatów: { $detail }.
fault-ca_file_invalid = Nie można użyć certyfikatu z tego pliku: { $detail }.
fault-ca_file_empty = W tym pliku nie ma certyfikatu. Musi on mieć postać PEM.
fault-store_empty = Ścieżka pliku ustawień jest pusta.
fault-program_name_empty = Nazwa programu jest pusta.
fault-key_missing = Ten element jest wymagany.
fault-host_name_invalid = To nie jest nazwa serwera ani domeny.
fault-link_invalid = To nie jest adres strony internetowej, który zaczyna się od https:// i nie zawiera danych logowania.
fault-provider_twice = Istnieje już inny wiersz z id { $id }.
fault-locale_invalid = To nie jest oznaczenie języka, takie jak en, ro lub pt-BR.
fault-text_syntax = Tekst { $id } nie jest zapisany w formacie Fluent, wiersz { $line }: { $detail }.
fault-text_unknown = Nie ma tekstu o identyfikatorze { $id } (wiersz { $line }).
fault-text_twice = Tekst { $id } występuje dwa razy (wiersz { $line }).
fault-text_word = Tekst { $id } (wiersz { $line }) używa { $word }, czego dla niego nie ma.
fault-hello_name_invalid = To nie jest nazwa hosta, którą można wysłać w EHLO.
fault-proxy_invalid = { $variable ->
    [none] To nie jest adres serwera proxy. Wygląda on tak: socks5://proxy.example.com:1080 lub http://user:password@proxy.example.com:3128; można też podać słowo environment.
   *[other] Zmienna środowiskowa { $variable } nie zawiera adresu serwera proxy. Wygląda on tak: socks5://proxy.example.com:1080 lub http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Serwerów proxy z { $scheme }:// nie można tu używać: podaj serwer z socks5:// lub http://.
   *[other] Zmienna środowiskowa { $variable } wskazuje serwer proxy z { $scheme }://, którego nie można tu używać: podaj serwer z socks5:// lub http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] Nie można użyć nazwy użytkownika lub hasła serwera proxy: każde z nich ma najwyżej 255 bajtów i żadnych znaków końca wiersza, a znaki specjalne zapisuje się jak w adresach internetowych, na przykład %40 zamiast @.
   *[other] Nie można użyć nazwy użytkownika lub hasła serwera proxy ze zmiennej środowiskowej { $variable }: każde z nich ma najwyżej 255 bajtów i żadnych znaków końca wiersza, a znaki specjalne zapisuje się jak w adresach internetowych, na przykład %40 zamiast @.
}

fault-nameserver_invalid = To nie jest adres serwera nazw. Wygląda on jak 192.0.2.53 lub 127.0.0.1:5353.

discovery-nothing = Nie znaleziono ustawień dla { $domain }: są na stronach pomocy dostawcy.
discovery-canceled = Wyszukiwanie ustawień zostało anulowane.

settings-faults = { $count ->
    [one] { $label }: { $message }
    [few] { $count } pola wymagają uwagi. Pierwsze z nich to { $label }: { $message }
    [many] { $count } pól wymaga uwagi. Pierwsze z nich to { $label }: { $message }
   *[other] { $count } pola wymaga uwagi. Pierwsze z nich to { $label }: { $message }
}
email-faults = W tej postaci nie można wysłać wiadomości. { $message }
not_configured = Poczta nie jest jeszcze skonfigurowana. Najpierw wypełnij ustawienia poczty.

## The store

protection-memory = Ustawienia są przechowywane tylko w pamięci i znikają, gdy program { $program } zakończy działanie.
protection-given_key = Hasło jest zaszyfrowane w pliku ustawień kluczem, który przechowuje program { $program }.
protection-passphrase = Hasło jest zaszyfrowane w pliku ustawień kluczem utworzonym z frazy szyfrującej.
protection-keychain = Hasło jest zaszyfrowane w pliku ustawień kluczem z systemowego pęku kluczy.
protection-key_file = Hasło jest zaszyfrowane w pliku ustawień. Klucz znajduje się obok, w pliku, który może odczytać tylko ten użytkownik: kto może odczytać oba pliki, może odczytać hasło.

store-damaged = Plik ustawień { $path } jest uszkodzony ({ $detail }). Pozostawiono go bez zmian. Wyczyść ustawienia i wprowadź je ponownie lub przywróć plik z kopii zapasowej.
store-tampered = Plik ustawień { $path } został zmieniony przez coś innego niż program { $program }. Dla bezpieczeństwa nie jest używany i pozostawiono go bez zmian. Wyczyść ustawienia i wprowadź je ponownie lub przywróć plik z kopii zapasowej.
store-wrong_key = Pliku ustawień { $path } nie można otworzyć tym kluczem ({ $detail }). Pozostawiono go bez zmian.
store-newer = Plik ustawień { $path } został zapisany przez nowszą wersję programu { $program }. Pozostawiono go bez zmian. Zaktualizuj program { $program }.
store-no_folder = Nie można użyć folderu { $path } na plik ustawień: { $detail }.
store-unreadable = Nie można odczytać pliku ustawień { $path }: { $detail }.
store-unwritable = Nie udało się zapisać ustawień w { $path }: { $detail }. Nadal obowiązują poprzednie ustawienia.
store-busy = Inny program zapisuje w tej chwili ustawienia w { $path }. Spróbuj ponownie.
store-key_file_exposed = Plik klucza { $path } mogą odczytać inni użytkownicy tego komputera, więc niczego nie chroni. Ustaw prawo odczytu tylko dla jego właściciela.
store-key_missing = Brakuje pliku klucza { $path }, który otwiera ustawienia. Przywróć go z kopii zapasowej lub wyczyść ustawienia i wprowadź je ponownie.
store-no_keychain = Nie można użyć systemowego pęku kluczy: { $detail }.

## The Email button

kind-invoice = Faktura
kind-quote = Oferta
kind-order = Zamówienie
kind-credit_note = Faktura korygująca
kind-delivery_note = Dowód dostawy
kind-receipt = Pokwitowanie
kind-reminder = Przypomnienie o płatności
kind-statement = Zestawienie rozrachunków
kind-payslip = Pasek wynagrodzenia
kind-report = Raport
kind-document = Dokument
button-subject = { $document }
button-subject_from = { $document } – { $sender }
button-body =
    Dzień dobry, { $name },

    w załączniku znajduje się: { $document }.
button-body_no_name =
    Dzień dobry,

    w załączniku znajduje się: { $document }.
button-closing =
    Z poważaniem
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = Adres { $address } wygląda na nieprawidłowy. Czy chodzi o { $meant }?
check-recipient_twice = Adres { $address } występuje wśród odbiorców dwa razy.
check-no_subject = Wiadomość nie ma tematu.
check-no_body = Wiadomość nie ma treści.
check-placeholder = { $placeholder } wygląda na pole, które nie zostało wypełnione.
check-other_provider = Adres { $sender } należy do dostawcy { $provider }, a wiadomość wychodzi przez { $other }: wiele serwerów uznaje takie wiadomości za sfałszowane. Wyślij ją przez { $provider } lub z innego adresu.
check-over_size_limit = Wiadomość ma { $size }, a { $provider } przyjmuje najwyżej { $limit }. Zmniejsz załączniki lub wyślij zamiast nich link.
check-over_recipient_limit = Liczba odbiorców wiadomości to { $number }, a { $provider } przyjmuje najwyżej { $limit }. Wysyłaj ją po kolei do części z nich.
check-no_reply_to = Odpowiedzi na tę wiadomość trafiają na adres { $sender }, gdzie prawdopodobnie nikt ich nie czyta. Podaj adres do odpowiedzi.

## The test mail

test_subject = Wiadomość testowa z programu { $program }
test_body =
    To jest wiadomość testowa z programu { $program }.

    Jeśli można ją przeczytać, ustawienia poczty działają.

## Progress

step-turn = Oczekiwanie na wysłanie innych wiadomości
step-sign_in = Odnawianie logowania
step-name = Wyszukiwanie serwera
step-connect = Łączenie
step-proxy = Łączenie przez serwer proxy
step-tls = Szyfrowanie połączenia
step-greeting = Powitanie z serwerem
step-login = Logowanie
step-sender = Podawanie nadawcy
step-recipient = Podawanie odbiorców
step-content = Wysyłanie
step-verdict = Oczekiwanie na odpowiedź serwera

## What happened

problem-accepted = Serwer przyjął wiadomość.
problem-accepted_partly = Serwer przyjął wiadomość dla części odbiorców, a pozostałych odrzucił.
test-accepted = Ustawienia działają: serwer przyjął wiadomość testową na adres { $recipient }.
problem-name_not_found = Nie znaleziono serwera { $host }. Wiadomość nie została wysłana.
problem-name_lookup_failed = Nie udało się wyszukać nazwy { $host }: wydaje się, że nie ma połączenia z internetem. Wiadomość nie została wysłana.
problem-no_route = Z tego komputera nie ma drogi do serwera { $host }: sieć nie działa lub nie jest podłączona. Wiadomość nie została wysłana.
problem-connection_refused = Serwer { $host } odrzucił połączenie na porcie { $port }. Wiadomość nie została wysłana.
step-repair = Sprawdzanie innych portów
problem-connection_failed = Nie udało się połączyć z serwerem { $host } na porcie { $port }. Wiadomość nie została wysłana.
problem-timed_out = { $step ->
    [name] Nie udało się na czas wyszukać nazwy { $host }. Wiadomość nie została wysłana.
    [connect] Serwer { $host } nie odpowiada na porcie { $port }. Wiadomość nie została wysłana.
    [content] Serwer { $host } przestał odbierać wiadomość, zanim była kompletna. Nie została ona wysłana.
   *[other] Serwer { $host } przestał odpowiadać. Wiadomość nie została wysłana.
}
problem-out_of_time = Wysyłanie trwało dłużej, niż było dozwolone. Wiadomość nie została wysłana.
problem-disconnected = { $step ->
    [content] Serwer { $host } zamknął połączenie, zanim wiadomość była kompletna. Nie została ona wysłana.
   *[other] Serwer { $host } zamknął połączenie. Wiadomość nie została wysłana.
}
problem-name_not_found-proxy = Nie znaleziono serwera proxy { $proxy }. Wiadomość nie została wysłana.
problem-name_lookup_failed-proxy = Nie udało się wyszukać nazwy serwera proxy { $proxy }: wydaje się, że nie ma połączenia z siecią. Wiadomość nie została wysłana.
problem-no_route-proxy = Z tego komputera nie ma drogi do serwera proxy { $proxy }: sieć nie działa lub nie jest podłączona. Wiadomość nie została wysłana.
problem-connection_refused-proxy = Serwer proxy { $proxy } odrzucił połączenie. Wiadomość nie została wysłana.
problem-connection_failed-proxy = Nie udało się połączyć z serwerem proxy { $proxy }. Wiadomość nie została wysłana.
problem-timed_out-proxy = { $step ->
    [name] Nie udało się na czas wyszukać nazwy serwera proxy { $proxy }. Wiadomość nie została wysłana.
    [connect] Serwer proxy { $proxy } nie odpowiada. Wiadomość nie została wysłana.
   *[other] Serwer proxy { $proxy } nie połączył się na czas z serwerem { $host }. Wiadomość nie została wysłana.
}
problem-disconnected-proxy = Serwer proxy { $proxy } zamknął połączenie, zamiast połączyć się z serwerem { $host }. Wiadomość nie została wysłana.
problem-bad_reply-proxy = Odpowiedź z { $proxy } nie jest taka, jakiej udzieliłby serwer proxy ustawionego rodzaju. Wiadomość nie została wysłana.
problem-proxy_login_refused = Serwer proxy { $proxy } wymaga nazwy użytkownika i hasła lub innych niż ustawione. Wiadomość nie została wysłana.
problem-proxy_failed = Serwer proxy { $proxy } nie połączył się z serwerem { $host } na porcie { $port }. Wiadomość nie została wysłana.
problem-bad_reply = Odpowiedź serwera { $host } na porcie { $port } jest inna niż oczekiwana. Wiadomość nie została wysłana.

problem-tls_failed = Nie udało się nawiązać szyfrowanego połączenia z serwerem { $host }. Nie wysłano ani hasła, ani wiadomości.
problem-tls_not_spoken = Serwer { $host } nie używa TLS od początku na porcie { $port }. Nie wysłano ani hasła, ani wiadomości.
problem-tls_too_old = Serwer { $host } zna tylko szyfrowanie zbyt stare, by było bezpieczne. Nie wysłano ani hasła, ani wiadomości.
problem-tls_not_offered = Serwer { $host } nie oferuje szyfrowania na porcie { $port }. Nie wysłano ani hasła, ani wiadomości.
problem-tls_refused = Serwer { $host } odmówił rozpoczęcia szyfrowania. Nie wysłano ani hasła, ani wiadomości.
problem-bytes_before_tls = Coś na drodze do serwera { $host } zakłóciło rozpoczęcie szyfrowania. Nie wysłano ani hasła, ani wiadomości.
problem-certificate_untrusted = Certyfikat serwera { $host } nie pochodzi z urzędu certyfikacji, któremu ufa ten komputer. Nie wysłano ani hasła, ani wiadomości.
problem-certificate_expired = Certyfikat serwera { $host } wygasł ({ $expires }). Nie wysłano ani hasła, ani wiadomości.
problem-certificate_not_yet_valid = Certyfikat serwera { $host } nie jest jeszcze ważny (dopiero od { $begins }). Nie wysłano ani hasła, ani wiadomości.
problem-certificate_wrong_name = { $names_known ->
    [yes] Certyfikat, który przedstawia serwer { $host }, należy do innej nazwy ({ $names }). Nie wysłano ani hasła, ani wiadomości.
   *[other] Certyfikat, który przedstawia serwer { $host }, nie jest wystawiony na tę nazwę. Nie wysłano ani hasła, ani wiadomości.
}
problem-certificate_invalid = Nie można zaakceptować certyfikatu serwera { $host }. Nie wysłano ani hasła, ani wiadomości.
problem-certificate_changed = Serwer { $host } przedstawia inny certyfikat niż ten, który został zaakceptowany. Nie wysłano ani hasła, ani wiadomości.
problem-login_in_clear = Połączenie z serwerem { $host } nie jest szyfrowane, dlatego hasło nie zostało wysłane. Wiadomość również nie została wysłana.
problem-token_in_clear = Połączenie z serwerem { $host } nie jest szyfrowane, dlatego dane logowania nie zostały przekazane. Wiadomość nie została wysłana.
problem-login_server_unproven = Serwer { $host } nie wykazał, że zna hasło, więc możliwe, że ktoś znalazł się pomiędzy. Nie wysłano ani hasła, ani wiadomości.

problem-encryption_required = Serwer { $host } wymaga szyfrowanego połączenia. Wiadomość nie została wysłana.
problem-login_refused = Serwer { $host } nie przyjął nazwy użytkownika i hasła. Wiadomość nie została wysłana.
problem-login_not_offered = Serwer { $host } nie przyjmuje logowania na porcie { $port }, ale podana jest nazwa użytkownika. Wiadomość nie została wysłana.
problem-login_unsupported = Serwer { $host } nie oferuje sposobu logowania hasłem, który zna program { $program }. Wiadomość nie została wysłana.
problem-login_required = Serwer { $host } wymaga logowania, zanim przyjmie wiadomości. Wiadomość nie została wysłana.
problem-token_refused = { $provider } nie zezwala na logowanie konta { $username }.
problem-http_unauthorized = Usługa internetowa odmówiła dostępu. Wiadomość nie została wysłana.

problem-server_busy = Serwer { $host } nie przyjmuje teraz wiadomości z tego komputera. Wiadomość nie została wysłana.
problem-login_deferred = Serwer { $host } nie mógł teraz sprawdzić danych logowania. Wiadomość nie została wysłana.
problem-sender_deferred = Serwer { $host } nie przyjmuje teraz wiadomości z adresu { $sender }. Wiadomość nie została wysłana.
problem-recipient_deferred = Serwer { $host } nie przyjmuje teraz wiadomości na adres { $recipient }. Wiadomość nie została wysłana do nikogo.
problem-recipient_deferred-copy = Serwer { $host } nie przyjmuje teraz wiadomości na adres { $recipient }, czyli adres do kopii. Wiadomość nie została wysłana do nikogo.
problem-content_deferred = Serwer { $host } nie przyjął teraz wiadomości. Nie została ona wysłana.
problem-http_busy = Usługa internetowa jest teraz zbyt obciążona. Wiadomość nie została wysłana.

problem-server_refused = Serwer { $host } odmówił komunikacji z tym komputerem. Wiadomość nie została wysłana.
problem-sender_refused = Serwer { $host } nie przyjmuje wiadomości z adresu { $sender }. Wiadomość nie została wysłana.
problem-recipient_refused = Serwer { $host } odrzucił odbiorcę { $recipient }. Wiadomość nie została wysłana do nikogo.
problem-recipient_refused-copy = Serwer { $host } odrzucił adres { $recipient }, czyli adres do kopii. Wiadomość nie została wysłana do nikogo.
problem-content_refused = Serwer { $host } odrzucił wiadomość. Nie została ona wysłana.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] Wiadomość jest za duża: ma { $size }, a serwer { $host } przyjmuje najwyżej { $limit }. Nie została ona wysłana.
   *[other] Wiadomość jest za duża dla serwera { $host }. Nie została ona wysłana.
}
problem-address_not_supported = Serwer { $host } nie obsługuje adresu, który przed znakiem @ ma litery inne niż A–Z. Wiadomość nie została wysłana.
problem-http_refused = Usługa internetowa zgłosiła błąd.
problem-http_not_found = Pod tym adresem internetowym nie ma usługi poczty. Wiadomość nie została wysłana.
problem-http_redirected = Usługa internetowa chce przekazać dokument na inny adres, ale ze względów bezpieczeństwa to nie następuje. Wiadomość nie została wysłana.

problem-file_changed = Plik dokumentu został zmieniony, zastąpiony lub usunięty, zanim wiadomość była kompletna. Nie została ona wysłana.
problem-file_unreadable = Nie udało się odczytać pliku dokumentu. Wiadomość nie została wysłana.

problem-no_verdict = Wiadomość została w całości wysłana do serwera { $host }, ale nie wiadomo, czy została przyjęta. Mogła zostać dostarczona lub nie i nie będzie samoczynnie wysłana ponownie.
problem-canceled = Wysyłanie zostało anulowane. Nic nie zostało wysłane.
problem-internal = Coś wewnątrz mailbutton nie zadziałało. To błąd w mailbutton.

# Connecting
problem-no_network = Nie można połączyć się z serwerem { $host }, choć jego nazwa jest poprawna: wydaje się, że ten komputer nie ma połączenia z internetem. Wiadomość nie została wysłana.
problem-blocked_on_this_computer = Ten komputer nie pozwala, aby program { $program } łączył się z serwerem { $host }. Wiadomość nie została wysłana.
problem-port_25_blocked = Nie można połączyć się z serwerem { $host } na porcie 25, który blokuje większość dostawców internetu. Wiadomość nie została wysłana.
problem-imap_port = Port { $port } serwera { $host } służy do odbierania wiadomości (IMAP), a nie do ich wysyłania. Wiadomość nie została wysłana.
problem-pop3_port = Port { $port } serwera { $host } służy do odbierania wiadomości (POP3), a nie do ich wysyłania. Wiadomość nie została wysłana.
problem-web_port = Port { $port } serwera { $host } służy do stron internetowych, a nie do wysyłania wiadomości. Wiadomość nie została wysłana.
problem-not_a_mail_server = To, co odpowiada na porcie { $port } serwera { $host }, nie jest serwerem poczty. Wiadomość nie została wysłana.
problem-tls_from_the_start = Serwer { $host } oczekuje na porcie { $port } szyfrowania od początku, a ustawienia zaczynają bez niego. Nie wysłano ani hasła, ani wiadomości.
problem-clear_at_the_start = Serwer { $host } zaczyna na porcie { $port } bez szyfrowania i przełącza się później (STARTTLS), a ustawienia szyfrują od początku. Nie wysłano ani hasła, ani wiadomości.
problem-port_closed = Serwer { $host } odrzucił połączenie na porcie { $port }, co jest nietypowe dla dostawcy { $provider }: możliwe, że coś je po drodze blokuje. Wiadomość nie została wysłana.
problem-port_silent = Serwer { $host } nie odpowiada na porcie { $port }: możliwe, że jest to inny port lub że coś go po drodze blokuje. Wiadomość nie została wysłana.
problem-greeting_missing = Serwer { $host } przyjął połączenie na porcie { $port }, a potem się nie odezwał. Wiadomość nie została wysłana.
problem-cut_off = Połączenie z serwerem { $host } na porcie { $port } zostało przerwane na samym początku. Wiadomość nie została wysłana.
problem-queue_too_long = Ta wiadomość zbyt długo czekała na inne, które były przed nią. Nie została ona wysłana.

# Encryption
problem-starttls_hidden = Coś na drodze do serwera { $host } ukrywa szyfrowanie, które ten serwer oferuje. Nie wysłano ani hasła, ani wiadomości.
problem-tls_not_ready = Serwer { $host } nie może teraz zaszyfrować połączenia. Nie wysłano ani hasła, ani wiadomości.
problem-starttls_broken = Serwer { $host } zgodził się na szyfrowanie połączenia, ale potem go nie rozpoczął. Nie wysłano ani hasła, ani wiadomości.
problem-client_certificate_wanted = Serwer { $host } wpuszcza tylko programy, które przedstawiają własny certyfikat. Nie wysłano ani hasła, ani wiadomości.
problem-intercepted_by_antivirus = Program antywirusowy ({ $issuer }) otworzył szyfrowane połączenie z serwerem { $host } i wstawił w nie własny certyfikat. Nie wysłano ani hasła, ani wiadomości.
problem-intercepted_by_firewall = Zapora sieciowa tej sieci ({ $issuer }) otworzyła szyfrowane połączenie z serwerem { $host } i wstawiła w nie własny certyfikat. Nie wysłano ani hasła, ani wiadomości.
problem-captive_portal = Zamiast serwera { $host } odpowiedziało urządzenie tej sieci: prawdopodobnie trzeba się w niej najpierw zalogować. Nie wysłano ani hasła, ani wiadomości.
problem-clock_wrong = Certyfikat serwera { $host } nie pasuje do daty na tym komputerze, która może być nieprawidłowa. Nie wysłano ani hasła, ani wiadomości.
problem-certificate_not_the_providers = Otrzymany certyfikat nie jest tym, który ma { $provider }: coś między tym komputerem a serwerem { $host } wstawiło własny. Nie wysłano ani hasła, ani wiadomości.
problem-certificate_self_signed = Serwer { $host } przedstawia certyfikat z podpisem własnym, za który nikt inny nie ręczy. Nie wysłano ani hasła, ani wiadomości.

# Login
problem-sign_in_blocked = Serwer { $host } wymaga, aby najpierw potwierdzić logowanie w przeglądarce internetowej. Wiadomość nie została wysłana.
problem-smtp_auth_off_tenant = W tej organizacji wysyłanie z użyciem hasła („Uwierzytelniony protokół SMTP”) jest wyłączone w usłudze Microsoft 365. Wiadomość nie została wysłana.
problem-smtp_auth_off_mailbox = Wysyłanie z użyciem hasła („Uwierzytelniony protokół SMTP”) jest wyłączone dla tej skrzynki pocztowej w usłudze Microsoft 365. Wiadomość nie została wysłana.
problem-password_login_over = Serwer { $host } nie pozwala już programom logować się hasłem. Wiadomość nie została wysłana.
problem-blocked_by_sign_in_rules = Reguła zabezpieczeń organizacji nie zezwala na to logowanie. Wiadomość nie została wysłana.
problem-account_locked = Serwer { $host } zgłasza, że to konto jest zablokowane. Wiadomość nie została wysłana.
problem-password_expired = Serwer { $host } zgłasza, że hasło wygasło. Wiadomość nie została wysłana.
problem-sign_in_scope = Logowanie na serwerze { $host } nie pozwala programowi { $program } wysyłać wiadomości. Wiadomość nie została wysłana.
problem-sign_in_again = Serwer { $host } nie przyjmuje już logowania konta { $username }. Wiadomość nie została wysłana.
problem-sign_in_refused = Serwer { $host } nie przyjął logowania konta { $username }. Wiadomość nie została wysłana.
problem-sign_in_expired = Logowanie konta { $username } w { $provider } wygasło.
problem-sign_in_denied = Logowanie zostało odrzucone na stronie { $provider }.
problem-sign_in_busy = Logowanie u dostawcy { $provider } jest teraz niedostępne.
problem-sign_in_needs_admin = Administrator musi najpierw zezwolić na { $program } w { $provider }.
problem-sign_in_against_rules = Reguła bezpieczeństwa organizacji nie zezwala na to logowanie w { $provider }.
problem-program_not_known = { $provider } nie zna programu { $program } pod podanymi danymi.
problem-sign_in_abandoned = Logowanie nie zostało zakończone na czas.
problem-sign_in_other_account = Zalogowano się jako { $account }, a ustawienia są dla { $username }.
problem-sign_in_no_listener = { $program } nie może odebrać zakończenia logowania na tym komputerze.
problem-sign_in_clock = { $provider } nie zezwala na logowanie, ponieważ data lub godzina na tym komputerze różni się od jego własnej.
problem-program_not_verified = { $provider } nie zweryfikował jeszcze programu { $program } i pozwala logować się w nim tylko kilku osobom.
problem-gmail_app_password = Dane logowania nie zostały przyjęte: { $provider } wymaga tu hasła aplikacji, a nie hasła do konta Google. Wiadomość nie została wysłana.
problem-yahoo_app_password = Dane logowania nie zostały przyjęte: { $provider } wymaga tu hasła aplikacji, a nie hasła do witryny. Wiadomość nie została wysłana.
problem-icloud_app_password = Dane logowania nie zostały przyjęte: { $provider } wymaga tu hasła aplikacji, a nie hasła do konta Apple. Wiadomość nie została wysłana.
problem-too_many_logins = Serwer { $host } przez pewien czas nie przyjmuje logowań, ponieważ było ich zbyt wiele. Wiadomość nie została wysłana.
problem-app_password_required = Serwer { $host } nie przyjął danych logowania: wymaga tu hasła aplikacji, a nie hasła do witryny. Wiadomość nie została wysłana.
problem-access_for_programs_off = Serwer { $host } nie przyjął danych logowania: możliwe, że dostęp dla programów pocztowych jest wyłączony dla tej skrzynki pocztowej. Wiadomość nie została wysłana.
problem-ip_not_allowed = Serwer { $host } nie zezwala na logowanie z adresu internetowego tego komputera. Wiadomość nie została wysłana.
problem-key_username = Dane logowania nie zostały przyjęte: { $provider } wymaga słowa apikey jako nazwy użytkownika i klucza jako hasła. Wiadomość nie została wysłana.
problem-key_refused = Dostawca { $provider } nie przyjął nazwy użytkownika i klucza. Wiadomość nie została wysłana.
problem-password_login_ending = Dane logowania nie zostały przyjęte: { $provider } wyłącza logowanie hasłem i możliwe, że dla tej skrzynki pocztowej jest już ono wyłączone. Wiadomość nie została wysłana.
problem-full_address_needed = Serwer { $host } nie przyjął danych logowania: nazwą użytkownika jest zwykle pełny adres e-mail. Wiadomość nie została wysłana.
problem-password_or_app_password = Nazwa użytkownika i hasło nie zostały przyjęte: przy weryfikacji dwuetapowej { $provider } wymaga tu hasła aplikacji. Wiadomość nie została wysłana.
problem-port_25_without_login = Serwer { $host } nie przyjmuje logowania na porcie 25, który służy do poczty między serwerami. Wiadomość nie została wysłana.
problem-login_needs_encryption = Serwer { $host } nie przyjmuje logowania bez szyfrowania. Wiadomość nie została wysłana.
problem-only_sign_in_offered = Serwer { $host } nie przyjmuje od programów haseł, a jedynie logowanie w przeglądarce internetowej. Wiadomość nie została wysłana.
problem-sign_in_not_offered = Serwer { $host } nie przyjmuje logowania takiego rodzaju, jaki zna { $program }. Wiadomość nie została wysłana.

# Limits
problem-too_many_connections = Serwer { $host } ma jednocześnie zbyt wiele połączeń z tego konta lub komputera. Wiadomość nie została wysłana.
problem-recipient_gets_too_many = Na adres { $recipient } przychodzi teraz więcej wiadomości, niż przyjmuje jego dostawca. Wiadomość nie została wysłana.
problem-daily_limit = Wykorzystano liczbę wiadomości, które serwer { $host } przyjmuje z tego konta w ciągu dnia lub miesiąca. Wiadomość nie została wysłana.
problem-rate_limited = Serwer { $host } przez pewien czas nie przyjmuje wiadomości z tego konta, ponieważ w krótkim czasie było ich wiele. Wiadomość nie została wysłana.
problem-greylisted = Serwer { $host } każe pierwszej wiadomości poczekać kilka minut, aby chronić przed spamem. Wiadomość nie została jeszcze wysłana.

# The sender
problem-own_mailbox_full = Własna skrzynka pocztowa jest pełna, dlatego serwer { $host } nie przyjmuje z niej wiadomości. Wiadomość nie została wysłana.
problem-account_blocked = Serwer { $host } wstrzymał wysyłanie z tego konta. Wiadomość nie została wysłana.
problem-sender_not_verified = Serwer { $host } wysyła tylko z adresów, które zostały tam potwierdzone, a adres { $sender } do nich nie należy. Wiadomość nie została wysłana.
problem-test_mode = Konto na serwerze { $host } jest jeszcze w trybie testowym, w którym wysyła tylko na potwierdzone adresy. Wiadomość nie została wysłana.
problem-sender_not_allowed = Serwer { $host } nie pozwala przy tym logowaniu wysyłać z adresu { $sender }. Wiadomość nie została wysłana.
problem-sender_domain_unknown = Serwer { $host } nie zna tej części adresu { $sender }, która stoi po znaku @. Wiadomość nie została wysłana.
problem-sender_domain_protected = Domena adresu { $sender } nie zezwala serwerowi { $host } na wysyłanie w jej imieniu (SPF, DKIM lub DMARC). Wiadomość nie została wysłana.
problem-sent_from_home = Serwer { $host } nie przyjmuje wiadomości bezpośrednio ze zwykłego łącza internetowego. Wiadomość nie została wysłana.
problem-blocklisted = Adres internetowy, z którego przyszła ta wiadomość, jest na liście nadawców spamu. Wiadomość nie została wysłana.
problem-hello_refused = Serwer { $host } nie przyjął nazwy, którą przedstawił się ten komputer. Wiadomość nie została wysłana.
problem-login_needed_to_send = Serwer { $host } przyjmuje tę wiadomość tylko po zalogowaniu, a nazwa użytkownika nie jest podana. Wiadomość nie została wysłana.
problem-relay_denied = Serwer { $host } nie przekazuje wiadomości z adresu { $sender } do innych dostawców. Wiadomość nie została wysłana.

# The recipients
problem-too_many_recipients = Serwer { $host } nie przyjmuje wiadomości z tak wieloma odbiorcami. Wiadomość nie została wysłana do nikogo.
problem-mailbox_full = Skrzynka pocztowa { $recipient } jest pełna. Wiadomość nie została wysłana do nikogo.
problem-recipient_disabled = Skrzynka pocztowa { $recipient } nie przyjmuje teraz wiadomości. Wiadomość nie została wysłana do nikogo.
problem-recipient_domain_unknown = Żaden serwer poczty nie przyjmuje wiadomości na adres { $recipient }: część po znaku @ nie istnieje lub nie ma poczty. Wiadomość nie została wysłana do nikogo.
problem-recipient_malformed = Serwer { $host } nie uznaje { $recipient } za adres e-mail. Wiadomość nie została wysłana do nikogo.
problem-recipient_unknown = Adres { $recipient } nie istnieje, jak zgłasza serwer { $host }. Wiadomość nie została wysłana do nikogo.

# The content
problem-virus_found = Serwer { $host } uważa, że w wiadomości jest wirus. Nie została ona wysłana.
problem-attachment_blocked = Serwer { $host } nie przyjmuje załącznika tego rodzaju. Wiadomość nie została wysłana.
problem-spam_block = Serwer { $host } uważa tę wiadomość za spam. Nie została ona wysłana.
problem-policy_block = Reguła serwera { $host } nie zezwala na tę wiadomość. Nie została ona wysłana.

# The server
problem-server_full = Serwer { $host } nie ma teraz miejsca na więcej wiadomości. Wiadomość nie została wysłana.
problem-server_trouble = Serwer { $host } ma teraz własną awarię. Wiadomość nie została wysłana.

# The web service
problem-relay_forbidden = Usługa internetowa zna ten token dostępu, ale nie zezwala mu na wysyłanie. Wiadomość nie została wysłana.
problem-relay_rate_limited = Usługa internetowa przez pewien czas nie przyjmuje wiadomości, ponieważ w krótkim czasie było ich wiele. Wiadomość nie została wysłana.
problem-relay_gateway = Usługa internetowa jest nieosiągalna za swoim adresem. Wiadomość nie została wysłana.
problem-not_a_relay = To, co odpowiada pod tym adresem internetowym, nie jest usługą poczty. Wiadomość nie została wysłana.
problem-network_wants_sign_in = Ta sieć wymaga zalogowania, zanim cokolwiek przepuści. Wiadomość nie została wysłana.
problem-relay_account = Usługa internetowa wymaga najpierw uregulowania spraw konta, na przykład płatności. Wiadomość nie została wysłana.
problem-relay_rejects_email = Usługa internetowa nie przyjmuje wiadomości w tej postaci. Nie została ona wysłana.
problem-relay_broken = Usługa internetowa ma własną awarię. Wiadomość nie została wysłana.
problem-gateway_lost_answer = Wiadomość została w całości wysłana do serwera { $host }, ale usługa internetowa za nim nie odpowiedziała. Mogła zostać dostarczona lub nie i nie będzie samoczynnie wysłana ponownie.

## What to do: each begins with what to do

advice-check_host = Sprawdź, czy w nazwie serwera nie ma literówki, lub odszukaj ją na stronach pomocy dostawcy.
advice-check_host_and_port = Sprawdź nazwę serwera i port na stronach pomocy dostawcy; zwykle są to porty 587 i 465.
advice-check_internet = Sprawdź, czy ten komputer jest połączony z internetem, na przykład otwierając stronę internetową.
advice-check_proxy = Sprawdź serwer proxy { $proxy } w ustawieniach programu { $program } lub zapytaj osobę, która go skonfigurowała.
advice-check_proxy_login = Sprawdź nazwę użytkownika i hasło do serwera proxy { $proxy } w ustawieniach programu { $program }.
advice-ask_proxy = Poproś osobę, która opiekuje się serwerem proxy { $proxy }, o zezwolenie na połączenia z serwerem { $host } na porcie { $port } i pokaż jej ten komunikat.
advice-firewall = Sprawdź, czy zapora sieciowa lub program antywirusowy nie blokuje programu { $program }, zezwalając tam na niego lub wstrzymując ochronę poczty na czas jednego testu.
advice-other_program = Wypróbuj te same ustawienia w programie Thunderbird: jeśli tam też nie działają, przyczyną są ustawienia lub dostawca; jeśli tam działają, coś blokuje program { $program }.
advice-other_network = Wypróbuj inną sieć, na przykład hotspot w telefonie.
advice-try_again = Spróbuj ponownie za minutę.
advice-fewer_at_once = Wysyłaj mniej wiadomości naraz lub poczekaj, aż pozostałe zostaną wysłane.
advice-try_later = Spróbuj ponownie później; w odpowiedzi serwera może być podane, kiedy.
advice-check_limits = Sprawdź, ile wiadomości na godzinę i na dobę dopuszcza dostawca.
advice-port_25_blocked = Użyj portu 587 zamiast 25, który blokuje większość dostawców internetu.
advice-mode_of_465 = Ustaw szyfrowanie na automatyczne: port 465 używa TLS od początku.
advice-try_auto = Ustaw szyfrowanie na automatyczne i spróbuj ponownie.
advice-mode_of_587 = Ustaw szyfrowanie na automatyczne: port { $port } zaczyna bez szyfrowania i przełącza się za pomocą STARTTLS.
advice-try_587 = Użyj portu 587 z automatycznym szyfrowaniem.
advice-try_465 = Użyj portu 465 z automatycznym szyfrowaniem.
advice-ask_provider = Zapytaj dostawcę lub administratora i pokaż mu ten komunikat.
advice-server_must_update = Poproś administratora serwera o włączenie TLS 1.2 lub 1.3.
advice-other_server = Użyj innego serwera poczty, jeśli dostawca taki ma.
advice-check_clock = Sprawdź datę i godzinę na tym komputerze.
advice-renew_certificate = Poproś administratora serwera o odnowienie certyfikatu.
advice-accept_certificate = Zaakceptuj ten certyfikat, ale tylko jeśli jest to własny serwer, a odcisk jest taki sam jak podany przez jego administratora.
advice-use_what_works = Użyj portu { $port } z automatycznym szyfrowaniem: został właśnie sprawdzony i serwer { $host } na nim odpowiada.
advice-use_what_works-auto = Ustaw szyfrowanie na automatyczne: zostało właśnie sprawdzone na porcie { $port } i serwer { $host } odpowiada.
advice-use_what_works-tls = Ustaw szyfrowanie na TLS od początku: zostało właśnie sprawdzone na porcie { $port } i serwer { $host } odpowiada.
advice-compare_certificate = Zapytaj administratora serwera, czy certyfikat został odnowiony, i porównaj odcisk, zanim go zaakceptujesz.
advice-use_certificate_name = Użyj serwera { $certificate_name } i wpisz hasło ponownie, ale tylko jeśli ten serwer należy do dostawcy.
advice-intercepted = Wyłącz skanowanie poczty w programie antywirusowym: wstawia on własny certyfikat zamiast certyfikatu, który ma { $provider }.
advice-use_tls = Ustaw szyfrowanie na automatyczne.
advice-allow_insecure_login = Zezwól na wysyłanie hasła bez szyfrowania tylko wtedy, gdy serwer jest we własnej sieci i nie ma szyfrowania.

advice-app_password-gmail = Użyj hasła aplikacji: na koncie Google włącz w sekcji „Bezpieczeństwo” weryfikację dwuetapową, następnie otwórz „Hasła do aplikacji”, utwórz hasło dla programu { $program } i wpisz je tutaj zamiast zwykłego hasła.
advice-app_password-yahoo = Użyj hasła aplikacji: otwórz stronę „Bezpieczeństwo konta” Yahoo (login.yahoo.com/account/security), wybierz „Wygeneruj hasło aplikacji”, wybierz „Inna aplikacja”, wpisz { $program }, naciśnij „Generuj” i skopiuj hasło do pola hasła.
advice-app_password-icloud = Użyj hasła aplikacji: zaloguj się na stronie account.apple.com, otwórz „Logowanie i zabezpieczenia”, wybierz „Hasła aplikacji”, utwórz hasło dla programu { $program } i wpisz je tutaj zamiast zwykłego hasła.
advice-app_password = Użyj hasła aplikacji, ponieważ { $provider } nie przyjmuje tu zwykłego hasła: strony pomocy dostawcy podają, jak je utworzyć.
advice-app_password-two_steps = Użyj hasła aplikacji, jeśli na koncie ({ $provider }) jest włączona weryfikacja dwuetapowa: strony pomocy dostawcy podają, jak je utworzyć.
advice-app_password-any = Użyj hasła aplikacji, jeśli dostawca ma weryfikację dwuetapową: zwykłe hasło nie jest wtedy tutaj przyjmowane.
advice-password_login_off = Poproś administratora o zezwolenie na logowanie hasłem dla tej skrzynki pocztowej („Uwierzytelniony protokół SMTP”): { $provider } je wyłącza, a bez niego żadne hasło tu nie działa.
advice-other_account = Użyj innego konta e-mail do wysyłania: { $provider } nie pozwala już programom logować się hasłem.
advice-full_address = Użyj pełnego adresu e-mail jako nazwy użytkownika: wymaga tego większość dostawców.
advice-check_key = Sprawdź nazwę użytkownika i klucz: { $provider } wymaga klucza, który tworzy się w witrynie dostawcy, a nie hasła, którym loguje się tam użytkownik.
advice-check_login = Sprawdź nazwę użytkownika i hasło, logując się w witrynie dostawcy.
advice-login_off = Wyczyść pole nazwy użytkownika, jeśli ten serwer nie wymaga logowania.
advice-enter_login = Podaj nazwę użytkownika i hasło do konta e-mail.
advice-check_token = Sprawdź token dostępu otrzymany od operatora usługi internetowej.
advice-check_sender = Wysyłaj z adresu, do którego należy konto, lub poproś dostawcę o dopuszczenie adresu { $sender } jako aliasu.
advice-check_recipient = Sprawdź, czy w adresie odbiorcy nie ma literówki.
advice-check_relay = Podaj nazwę użytkownika i hasło do konta e-mail: bez logowania większość serwerów przyjmuje wiadomości tylko dla własnych użytkowników.
advice-check_content = Sprawdź w wiadomości to, na co serwer wskazuje w swojej odpowiedzi.
advice-make_smaller = Zmniejsz załączniki lub wyślij je w kilku wiadomościach.
advice-send_link = Wyślij zamiast tego link do dokumentu.
advice-plain_address = Poproś odbiorcę o adres zawierający tylko litery od A do Z lub skorzystaj z dostawcy, który obsługuje takie adresy.
advice-check_url = Sprawdź adres usługi internetowej u jej operatora.
advice-ask_relay = Zapytaj operatora usługi internetowej i pokaż mu ten komunikat.
advice-complete_file = Wyślij wiadomość ponownie, gdy plik dokumentu będzie kompletny i nic nie będzie już do niego zapisywane.
advice-check_file = Sprawdź, czy plik dokumentu można otworzyć, i wyślij wiadomość ponownie.
advice-ask_recipient = Zapytaj odbiorcę, czy wiadomość dotarła, zanim wyślesz ją ponownie.
advice-look_in_sent = Zajrzyj do folderu „Wysłane” w skrzynce pocztowej: wielu dostawców zapisuje tam kopię wysłanych wiadomości.
advice-report_bug = Zgłoś to producentowi programu { $program }.

advice-use_sending_port = Użyj serwera do wysyłania z portem 587 i automatycznym szyfrowaniem; jego nazwa często zaczyna się od smtp.
advice-use_sending_server = Użyj serwera dostawcy { $provider } do wysyłania, { $sending_host }, na porcie { $sending_port }.
advice-try_tls = Ustaw szyfrowanie na TLS od początku.
advice-intercepted-host = Wyłącz skanowanie poczty w programie antywirusowym lub wyklucz z niego serwer { $host }: program wstawia własny certyfikat zamiast certyfikatu serwera.
advice-ask_network = Poproś osobę, która opiekuje się tą siecią, o przepuszczanie połączeń z serwerem { $host } bez ich otwierania.
advice-sign_in_network = Otwórz dowolną stronę internetową w przeglądarce, zaloguj się w tej sieci, a potem uruchom test ponownie.
advice-sign_in_browser = Zaloguj się do skrzynki pocztowej w przeglądarce internetowej, potwierdź, że próba logowania była własna, i uruchom test ponownie.
advice-sign_in_again = Zaloguj się ponownie.
advice-sign_in_consent = Zaloguj się ponownie i na pytanie zezwól programowi { $program } na wysyłanie wiadomości.
advice-check_sign_in = Sprawdź, czy zalogowane konto może wysyłać jako { $username }.
advice-use_password = Wybierz logowanie za pomocą nazwy użytkownika i hasła.
advice-allow_program = Poproś administratora, aby zezwolił programowi { $program } na wysyłanie wiadomości, i pokaż mu ten komunikat.
advice-register_program = Poproś producenta programu { $program }, aby sprawdził, jak jest on zarejestrowany w { $provider }, i pokaż mu ten komunikat.
advice-sign_in_as = Zaloguj się ponownie i wybierz konto { $username } na stronie { $provider }.
advice-use_signed_in_account = Wysyłaj zamiast tego jako { $account }.
advice-restart_and_sign_in = Zaloguj się ponownie po ponownym uruchomieniu komputera.
advice-verify_program = Poproś producenta programu { $program } o zweryfikowanie go w { $provider }.
advice-verify_program-weekly = Poproś producenta programu { $program } o zweryfikowanie go w { $provider }, jeśli musisz logować się co tydzień od nowa.
advice-verify_program-blocked = Poproś producenta programu { $program } o zweryfikowanie go w { $provider }, jeśli strona podała, że program jest zablokowany lub niezweryfikowany.
advice-sign_in_instead = Zaloguj się w { $provider } zamiast używać hasła.
advice-sign_in_instead-unregistered = Poproś producenta programu { $program } o zarejestrowanie go w { $provider }, aby można było logować się bez hasła.
advice-allow_smtp_auth-tenant = Poproś administratora o włączenie opcji „Uwierzytelniony protokół SMTP” w usłudze Microsoft 365 dla organizacji lub tylko dla tej skrzynki pocztowej.
advice-allow_smtp_auth-mailbox = Poproś administratora o włączenie opcji „Uwierzytelniony protokół SMTP” dla tej skrzynki pocztowej: w centrum administracyjnym Microsoft 365 w sekcji „Aktywni użytkownicy”, przy użytkowniku „Poczta”, „Zarządzaj aplikacjami poczty e-mail”.
advice-other_account-any = Użyj do wysyłania innego konta e-mail, które pozwala programom logować się hasłem.
advice-ask_administrator = Poproś administratora o serwer, przez który programy mogą wysyłać, i pokaż mu ten komunikat.
advice-allow_in_rules = Poproś administratora o wyłączenie tej skrzynki pocztowej spod reguły, która blokuje logowanie hasłem (domyślne ustawienia zabezpieczeń lub dostęp warunkowy).
advice-unlock_account = Zaloguj się w witrynie dostawcy, aby odblokować konto.
advice-renew_password = Zmień hasło w witrynie dostawcy i wpisz tutaj nowe.
advice-switch_access_on = Włącz dostęp dla programów pocztowych (POP3, IMAP, SMTP) w ustawieniach skrzynki pocztowej w witrynie dostawcy.
advice-allow_ip = Dodaj adres internetowy tego komputera do dozwolonych na koncie w witrynie dostawcy.
advice-use_username_apikey = Użyj słowa apikey jako nazwy użytkownika, a jako hasła klucza utworzonego u dostawcy { $provider }.
advice-use_login_port = Użyj portu 587 z automatycznym szyfrowaniem i danymi logowania do konta e-mail.
advice-wait-seconds = { $count ->
    [one] Spróbuj ponownie za { $count } sekundę.
    [few] Spróbuj ponownie za { $count } sekundy.
    [many] Spróbuj ponownie za { $count } sekund.
   *[other] Spróbuj ponownie za { $count } sekundy.
}
advice-wait-minutes = { $count ->
    [one] Spróbuj ponownie za { $count } minutę.
    [few] Spróbuj ponownie za { $count } minuty.
    [many] Spróbuj ponownie za { $count } minut.
   *[other] Spróbuj ponownie za { $count } minuty.
}
advice-wait-hours = { $count ->
    [one] Spróbuj ponownie za { $count } godzinę.
    [few] Spróbuj ponownie za { $count } godziny.
    [many] Spróbuj ponownie za { $count } godzin.
   *[other] Spróbuj ponownie za { $count } godziny.
}
advice-try_tomorrow = Spróbuj ponownie jutro lub poproś dostawcę o wyższy limit.
advice-open_link = Otwórz stronę, którą podaje serwer: wyjaśnia ona przyczynę i możliwe działania.
advice-other_programs = Zamknij inne programy i urządzenia, które wysyłają przez to samo konto, lub poczekaj, aż skończą.
advice-ask_recipient_other_address = Poproś odbiorcę o inny adres, na przykład telefonicznie.
advice-free_space = Usuń stare wiadomości z własnej skrzynki pocztowej, także wysłane, lub poproś dostawcę o więcej miejsca.
advice-verify_sender = Potwierdź adres { $sender } jako nadawcę w witrynie dostawcy lub wysyłaj z adresu, który jest tam potwierdzony.
advice-leave_test_mode = Poproś dostawcę o zakończenie trybu testowego konta lub wysyłaj tylko na adresy, które są tam potwierdzone.
advice-check_sender_domain = Sprawdź, czy w adresie { $sender } w części po znaku @ nie ma literówki.
advice-ask_domain = Poproś osobę, która opiekuje się domeną adresu { $sender }, o zezwolenie serwerowi { $host } na wysyłanie w jej imieniu lub wysyłaj przez serwer tej domeny.
advice-ask_program = Poproś producenta programu { $program } o ustawienie właściwej nazwy tego komputera.
advice-check_copy = Sprawdź adres do kopii w ustawieniach.
advice-fewer_recipients = Wyślij wiadomość do mniejszej liczby odbiorców naraz.
advice-tell_recipient_full = Powiadom odbiorcę w inny sposób, że skrzynka pocztowa jest pełna, i wyślij wiadomość ponownie później.
advice-check_domain = Sprawdź, czy w adresie { $recipient } w części po znaku @ nie ma literówki.
advice-scan_files = Sprawdź załączniki programem antywirusowym, zanim wyślesz je komukolwiek.
advice-remove_attachment = Pomiń załącznik, który nie jest dokumentem, na przykład program lub archiwum.
advice-change_words = Napisz temat i treść innymi słowami, bez linków, i wyślij wiadomość ponownie.

## The words of a user interface around the form and the email

word-settings_title = Ustawienia poczty
word-loading = Wczytywanie…
word-saved = Ustawienia są zapisane.
word-try_again = Spróbuj ponownie
word-no_answer = { $program } nie odpowiada. Nic nie zostało zmienione.
word-connection_lost = Utracono połączenie z programem { $program }. Spróbuj ponownie, aby zobaczyć, co było dalej.
word-end_unknown = { $program } nie wie, jak to się skończyło. Zapytaj odbiorcę, czy wiadomość dotarła, zanim wyślesz ją ponownie.
word-other_version = Część tego formularza jest nowsza niż ta strona i nie może być pokazana w całości.
word-required = wymagane
word-show_password = Pokaż
word-hide_password = Ukryj
word-use_proposal = Użyj tych ustawień
word-provider_steps = Jak skonfigurować { $provider }
word-open_page = Otwórz stronę
word-testing = Testowanie…
word-cancel = Anuluj
word-canceling = Anulowanie…
word-close = Zamknij
word-step_ok = gotowe
word-step_failed = niepowodzenie
word-step_skipped = nie osiągnięto
word-what_to_do = Co zrobić
word-apply = Zastosuj
word-apply_and_test = Zastosuj i przetestuj ponownie
word-server_said = Odpowiedź serwera
word-details = Szczegóły
word-certificate = Certyfikat
word-certificate_subject = Wystawiony dla
word-certificate_issuer = Wystawiony przez
word-certificate_valid = Ważny
word-certificate_names = Nazwy
word-certificate_fingerprint = Odcisk SHA-256
word-accept_certificate = Zaakceptuj i przetestuj ponownie
word-signed_in_as = Zalogowano jako { $account }
word-sign_in_waiting = Oczekiwanie na zalogowanie w przeglądarce…
word-sign_in_open = Otwórz stronę logowania
word-sign_in_code = Wpisz tam ten kod
word-email_title = Wyślij e-mailem
word-to = Do
word-cc = DW
word-bcc = UDW
word-show_cc_bcc = DW i UDW
word-addresses_help = Kilka adresów rozdziela się przecinkami.
word-subject = Temat
word-message = Wiadomość
word-write = Pisanie
word-preview = Podgląd
word-markdown_help = Można używać **pogrubienia**, *kursywy*, list i [linków](https://example.com).
word-document = Dokument
word-attachments = Załączniki
word-add_attachment = Dodaj plik
word-remove_attachment = Usuń { $file }
word-send = Wyślij
word-sending = Wysyłanie…
word-before_sending = Zanim wyślesz
word-send_anyway = Wyślij mimo to
word-recipient = Odbiorca
word-outcome = Wynik
word-outcome_accepted = przyjęto
word-outcome_refused = odrzucono
word-outcome_deferred = nie teraz
word-outcome_not_sent = nie wysłano
word-outcome_uncertain = niepewne
word-discard_question = Zamknąć bez wysyłania? To, co napisano, przepadnie.
word-discard = Zamknij bez wysyłania
word-keep_editing = Edytuj dalej
