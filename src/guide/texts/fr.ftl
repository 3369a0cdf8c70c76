### Every text that reaches a person, in French. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Envoi
field-protocol = Envoyer par
choice-protocol-smtp = Mon fournisseur de messagerie (SMTP)
choice-protocol-http = Un service web (relais HTTP)
help-protocol = La plupart des gens choisissent leur fournisseur de messagerie.
field-http_server = Adresse du service web
help-http_server = L’adresse que l’exploitant du service web vous a donnée.
placeholder-http_server = https://email.example.com/
field-http_token = Jeton d’accès
help-http_token = Uniquement si l’exploitant du service web vous en a donné un.
field-smtp_host = Serveur SMTP
help-smtp_host = Le nom du serveur d’envoi de votre fournisseur, par exemple smtp.gmail.com, smtp.mail.yahoo.com ou smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Port
help-smtp_port = 465 et 587 sont les plus courants. Les pages d’aide de votre fournisseur indiquent lequel utiliser.
placeholder-smtp_port = 587
field-smtp_security = Chiffrement
help-smtp_security = Automatique convient à presque tous les serveurs : TLS sur le port 465, STARTTLS sur tous les autres ports. Une connexion qui ne peut pas être chiffrée n’est pas utilisée.
choice-smtp_security-auto = Automatique (recommandé)
choice-smtp_security-tls = TLS dès le début (habituel sur le port 465)
choice-smtp_security-starttls = STARTTLS (habituel sur le port 587)
choice-smtp_security-none = Aucun : tout circule en clair
field-allow_insecure_login = Envoyer mon mot de passe sans chiffrement
help-allow_insecure_login = Toute personne placée sur le trajet jusqu’au serveur peut alors lire le mot de passe. Uniquement pour un serveur de votre propre réseau.
field-auth = Connexion avec
choice-auth-password = Nom d’utilisateur et mot de passe
choice-auth-oauth2 = Connexion chez le fournisseur (OAuth 2.0)
help-auth = Certains fournisseurs, comme Microsoft 365, ne laissent les programmes envoyer qu’après une connexion sur leur propre page.
field-username = Nom d’utilisateur
help-username = Souvent votre adresse e-mail complète. Laissez ce champ vide si le serveur ne demande pas d’identification.
placeholder-username = name@example.com
field-mailbox = Autre boîte aux lettres
help-mailbox = Seulement si vous envoyez depuis une autre boîte aux lettres que la vôtre, par exemple une boîte partagée. C’est toujours votre propre compte qui se connecte.
placeholder-mailbox = bureau@example.com
field-email_address = Adresse e-mail
help-email_address = L’adresse depuis laquelle vos e-mails sont envoyés.
placeholder-email_address = name@example.com
field-password = Mot de passe
help-password = Le mot de passe de ce compte de messagerie. S’il est déjà enregistré, laissez ce champ vide pour le conserver.
help-password-app_password = { $provider } demande ici un mot de passe d’application, et non votre mot de passe habituel.
help-password-two_steps = Si la validation en deux étapes est activée, { $provider } demande ici un mot de passe d’application, et non votre mot de passe habituel.
help-password-not_for_long = { $provider } est en train de désactiver la connexion par mot de passe pour les logiciels de messagerie. Si le test est refusé, demandez à votre administrateur de l’autoriser (« SMTP authentifié »).
help-password-key = { $provider } demande ici une clé, à créer sur son site web.
help-password-no_password = { $provider } ne permet plus aux programmes de se connecter avec un mot de passe. Utilisez un autre compte de messagerie pour l’envoi.
field-sender_name = Nom de l’expéditeur
help-sender_name = Le nom que voient vos destinataires, en général celui de votre entreprise.
field-send_copy = Envoyer une copie de chaque e-mail à cette adresse
help-send_copy = Pour vos archives. Vos destinataires ne la voient pas.
field-copy_to = Adresse pour les copies
help-copy_to = Séparez plusieurs adresses par des virgules.
placeholder-copy_to = archive@example.com
field-different_reply_to = Recevoir les réponses à une autre adresse que celle d’envoi
help-different_reply_to = Les réponses arrivent alors à l’adresse ci-dessous.
field-reply_to = Adresse de réponse
help-reply_to = Séparez plusieurs adresses par des virgules.
placeholder-reply_to = office@example.com
field-allow_untrusted_certificate = Faire confiance au certificat propre à ce serveur
help-allow_untrusted_certificate = Uniquement pour un serveur qui vous appartient et dont le certificat est auto-signé. Lancez le test, comparez l’empreinte affichée, puis acceptez-la.
field-trusted_certificate = Empreinte du certificat
help-trusted_certificate = SHA-256. Ce champ se remplit quand vous acceptez le certificat affiché par le test ; ensuite, seul ce certificat est accepté.
button-test = Tester les paramètres de messagerie
button-update = Mettre à jour
button-sign_in = Se connecter
button-sign_out = Se déconnecter
button-email = E-mail
page-signed_in-title = Connexion réussie
page-signed_in = Vous pouvez fermer cette page et revenir à { $program }.
page-not_signed_in-title = Connexion non effectuée
page-not_signed_in = Revenez à { $program } : la raison y est indiquée.

why_not-fields = Certains champs sont encore à compléter ou à corriger.

## Providers: what to do there, step by step

proposal-provider = Utilisez le serveur { $host } de { $provider } sur le port { $port }.
proposal-autoconfig = { $domain } publie ces paramètres : { $host } sur le port { $port }.
proposal-srv = { $domain } désigne { $host } comme son serveur d’envoi d’e-mails.
proposal-mx = Les e-mails de { $domain } sont hébergés par { $provider }, dont voici les paramètres.
proposal-probe = { $host } répond sur le port { $port } avec chiffrement.

steps-required-1 = Connectez-vous sur le site de { $provider } et cherchez les mots de passe d’application dans les paramètres de sécurité.
steps-required-2 = Créez-en un nouveau et donnez-lui le nom { $program }.
steps-required-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-with_two_steps-1 = Si la validation en deux étapes est activée chez { $provider }, créez-y un mot de passe d’application dans les paramètres de sécurité, avec le nom { $program }.
steps-with_two_steps-2 = Copiez-le ici dans le champ du mot de passe. Sans validation en deux étapes, saisissez votre mot de passe habituel.
steps-not_for_long-1 = Demandez à l’administrateur de votre compte { $provider } d’autoriser les programmes à se connecter avec un mot de passe.
steps-not_for_long-2 = Saisissez ici le mot de passe de la boîte aux lettres.
steps-no_password-1 = Utilisez un autre compte de messagerie pour l’envoi : { $provider } ne permet pas aux programmes de se connecter avec un mot de passe.
steps-key-1 = Connectez-vous sur le site de { $provider } et créez une clé ou un identifiant pour SMTP.
steps-key-2 = Copiez le nom d’utilisateur et la clé dans les champs ici.
steps-none-1 = Saisissez le mot de passe avec lequel vous vous connectez à { $provider }.
steps-unknown-1 = Vérifiez dans les paramètres de { $provider } si d’autres programmes sont autorisés à envoyer par votre boîte aux lettres.
steps-unknown-2 = Saisissez le mot de passe avec lequel vous vous connectez. Si { $provider } a des mots de passe d’application, créez-en un pour { $program } et saisissez celui-là.

steps-gmail-1 = Ouvrez la page Sécurité de votre compte Google et activez la validation en deux étapes, si elle ne l’est pas encore.
steps-gmail-2 = Ouvrez Mots de passe des applications, saisissez { $program } comme nom et choisissez Créer.
steps-gmail-3 = Copiez les 16 lettres affichées par Google ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-google-workspace-1 = Ouvrez la page Sécurité de votre compte Google et activez la validation en deux étapes, si elle ne l’est pas encore.
steps-google-workspace-2 = Ouvrez Mots de passe des applications, saisissez { $program } comme nom et choisissez Créer.
steps-google-workspace-3 = Copiez les 16 lettres affichées par Google ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-google-workspace-4 = S’il n’y a pas de page pour les mots de passe d’application, demandez à votre administrateur Google Workspace de les autoriser.
steps-outlook-personal-1 = Utilisez un autre compte de messagerie pour l’envoi : { $provider } ne permet plus aux programmes de se connecter avec un mot de passe.
steps-outlook-personal-2 = Pour recevoir tout de même les réponses à votre adresse { $provider }, saisissez-la comme adresse de réponse.
steps-microsoft365-1 = Ouvrez le centre d’administration Microsoft 365 et choisissez Utilisateurs, Utilisateurs actifs, puis la boîte aux lettres depuis laquelle { $program } envoie. Si vous n’êtes pas l’administrateur, demandez-le au vôtre.
steps-microsoft365-2 = Dans l’onglet Courrier, choisissez Gérer les applications de messagerie, cochez SMTP authentifié et enregistrez les modifications.
steps-microsoft365-3 = Saisissez ici l’adresse et le mot de passe de la boîte aux lettres, et testez les paramètres.
steps-yahoo-1 = Connectez-vous et ouvrez la page Sécurité du compte.
steps-yahoo-2 = Choisissez Créer un mot de passe d’application (ou Générer un mot de passe d’application), saisissez { $program } comme nom de l’application et générez le mot de passe.
steps-yahoo-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-att-1 = Connectez-vous à votre compte AT&T et créez une clé de messagerie sécurisée (secure mail key) pour votre adresse.
steps-att-2 = Copiez la clé ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-icloud-1 = Activez l’identification à deux facteurs pour votre compte Apple, si elle ne l’est pas encore.
steps-icloud-2 = Connectez-vous sur account.apple.com, ouvrez Connexion et sécurité, choisissez Mots de passe pour applications et créez-en un avec le nom { $program }.
steps-icloud-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-gmx-1 = Connectez-vous sur le site de { $provider } et autorisez l’accès par POP3 et IMAP dans les paramètres de messagerie : il est nécessaire aussi pour l’envoi.
steps-gmx-2 = Si l’authentification à deux facteurs est activée, créez un mot de passe d’application dans la partie Sécurité de votre compte.
steps-gmx-3 = Saisissez ici ce mot de passe. Sans authentification à deux facteurs, saisissez le mot de passe habituel.
steps-tonline-1 = Connectez-vous à l’espace client de Telekom et définissez un mot de passe pour les logiciels de messagerie.
steps-tonline-2 = Saisissez ici ce mot de passe : ce n’est pas celui avec lequel vous vous connectez.
steps-fastmail-1 = Connectez-vous à Fastmail, ouvrez Settings, Privacy & Security, puis Integrations (ou Connected apps).
steps-fastmail-2 = Choisissez New app password, saisissez { $program } comme nom et laissez l’accès au courrier activé.
steps-fastmail-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe.
steps-zoho-1 = Connectez-vous à votre compte Zoho et ouvrez Security, puis App Passwords.
steps-zoho-2 = Choisissez Generate New Password et saisissez { $program } comme nom.
steps-zoho-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe. Sans authentification multifacteur, votre mot de passe habituel convient aussi.
steps-proton-1 = Vérifiez que vous avez une adresse avec votre propre domaine et un abonnement avec SMTP : l’envoi n’est pas possible avec d’autres.
steps-proton-2 = Ouvrez IMAP/SMTP dans les paramètres, choisissez Générer un jeton, saisissez { $program } comme nom et choisissez l’adresse.
steps-proton-3 = Saisissez cette adresse ici comme nom d’utilisateur et copiez le jeton dans le champ du mot de passe.
steps-yandex-1 = Ouvrez les paramètres de Yandex Mail, choisissez Email clients et autorisez l’accès avec des mots de passe d’application.
steps-yandex-2 = Ouvrez App passwords dans votre Yandex ID et créez-en un pour Mail avec le nom { $program }.
steps-yandex-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-mailru-1 = Connectez-vous à votre compte Mail.ru et ouvrez les paramètres de sécurité, puis les mots de passe pour applications externes.
steps-mailru-2 = Ajoutez-en un avec le nom { $program } et donnez-lui accès au courrier par IMAP, POP et SMTP.
steps-mailru-3 = Copiez le mot de passe affiché ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-qq-1 = Connectez-vous à QQ Mail, ouvrez les paramètres, puis le compte, et activez le service POP3/IMAP/SMTP.
steps-qq-2 = Faites générer un code d’autorisation et confirmez-le avec votre téléphone.
steps-qq-3 = Copiez le code ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-netease-1 = Connectez-vous à votre boîte aux lettres, ouvrez les paramètres, puis POP3/SMTP/IMAP, et activez SMTP.
steps-netease-2 = Créez un code d’autorisation et confirmez-le avec votre téléphone.
steps-netease-3 = Copiez le code ici dans le champ du mot de passe, à la place de votre mot de passe habituel.
steps-no_programs-1 = Utilisez un autre compte de messagerie pour l’envoi : { $provider } ne s’utilise que dans ses propres applications.
steps-no_programs-2 = Pour recevoir tout de même les réponses à votre adresse { $provider }, saisissez-la comme adresse de réponse.
steps-sendgrid-1 = Connectez-vous à SendGrid et créez une clé API avec le nom { $program } et l’autorisation d’envoyer des e-mails.
steps-sendgrid-2 = Saisissez ici le mot apikey comme nom d’utilisateur.
steps-sendgrid-3 = Copiez la clé dans le champ du mot de passe.
steps-mailgun-1 = Connectez-vous à Mailgun, ouvrez Sending, puis Domain settings, choisissez votre domaine et ouvrez SMTP credentials.
steps-mailgun-2 = Saisissez ici l’identifiant affiché, en entier, comme nom d’utilisateur.
steps-mailgun-3 = Réinitialisez là-bas son mot de passe et copiez le nouveau dans le champ du mot de passe.
steps-postmark-1 = Connectez-vous à Postmark, ouvrez votre serveur, puis API Tokens, et copiez le jeton API du serveur.
steps-postmark-2 = Saisissez le jeton deux fois ici : comme nom d’utilisateur et comme mot de passe.
steps-ses-1 = Ouvrez la console SES dans la région depuis laquelle vous envoyez, puis SMTP settings, et choisissez Create SMTP credentials.
steps-ses-2 = Copiez le nom d’utilisateur SMTP et le mot de passe SMTP dans les champs ici. Ce ne sont pas vos clés d’accès AWS.
steps-ses-3 = Vérifiez que le serveur indiqué ici est celui de cette région.
steps-brevo-1 = Connectez-vous à Brevo et ouvrez SMTP et API, puis l’onglet SMTP.
steps-brevo-2 = Saisissez ici l’identifiant affiché là-bas comme nom d’utilisateur.
steps-brevo-3 = Générez une clé SMTP avec le nom { $program } et copiez-la dans le champ du mot de passe. Une clé API ne fonctionne pas ici.
steps-resend-1 = Connectez-vous à Resend et créez une clé API avec le nom { $program } et le droit d’envoi.
steps-resend-2 = Saisissez ici le mot resend comme nom d’utilisateur.
steps-resend-3 = Copiez la clé dans le champ du mot de passe.
steps-mailjet-1 = Connectez-vous à Mailjet et ouvrez la page de vos clés API.
steps-mailjet-2 = Saisissez ici la clé API comme nom d’utilisateur et la clé secrète comme mot de passe.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Ce serveur sert à recevoir des e-mails. Pour en envoyer, utilisez le serveur { $host } de { $provider }.
warning-port_25 = Le port 25 est destiné aux échanges entre serveurs, et de nombreux fournisseurs d’accès à Internet le bloquent. Utilisez 587 ou 465 si votre fournisseur les propose.
warning-no_encryption = Vos e-mails, et les documents joints, circulent en clair : toute personne placée sur le trajet peut les lire.
warning-own_certificate = Seul le certificat qui porte cette empreinte est accepté. Quand le serveur en reçoit un nouveau, relancez le test et acceptez-le.

fault-required = Cette information est nécessaire.
fault-required-http_server = Saisissez l’adresse du service web.
fault-required-smtp_host = Saisissez le nom du serveur SMTP de votre fournisseur.
fault-required-smtp_port = Saisissez le port : 587 ou 465 chez la plupart des fournisseurs.
fault-required-username = Saisissez l’adresse e-mail du compte qui se connecte.
fault-required-email_address = Saisissez l’adresse e-mail depuis laquelle vous envoyez.
fault-required-password = Saisissez le mot de passe de ce compte.
fault-required-copy_to = Saisissez l’adresse qui reçoit les copies, ou décochez la case qui la demande.
fault-required-reply_to = Saisissez l’adresse à laquelle les réponses doivent arriver.
fault-required-trusted_certificate = Lancez le test et acceptez le certificat affiché, ou décochez la case qui le demande.
fault-password_again = Le mot de passe enregistré va avec un autre serveur, port, chiffrement ou nom d’utilisateur. Saisissez de nouveau le mot de passe.
fault-password_without_username = Saisissez le nom d’utilisateur qui va avec le mot de passe, ou effacez le mot de passe.
fault-token_in_clear = Sans chiffrement, la connexion circulerait en clair. Choisissez un autre chiffrement.
fault-not_signed_in = Connectez-vous d’abord : il n’y a pas encore de connexion pour ce compte.
fault-sign_in_settings_changed = Les paramètres ont été modifiés entre-temps : cette connexion n’a pas été enregistrée. Connectez-vous de nouveau.
fault-no_sign_in_here = Aucune connexion chez le fournisseur n’est connue pour ce serveur. Utilisez le nom d’utilisateur et le mot de passe.
fault-no_client = { $program } ne peut pas encore se connecter chez { $provider } : son éditeur doit d’abord l’y enregistrer.
fault-choice_unknown = { $value } ne fait pas partie des choix possibles : { $choices }.
fault-host_has_scheme = Retirez « { $scheme } » : seul le nom du serveur se met ici, par exemple smtp.example.com.
fault-host_has_port = Retirez « :{ $port } » ici : le port a son propre champ.
fault-host_has_path = Retirez tout à partir du « / » : seul le nom du serveur se met ici.
fault-host_has_space = Un nom de serveur ne contient pas d’espace.
fault-host_is_address = Ceci est une adresse e-mail. Il faut ici le nom du serveur, par exemple smtp.example.com.
fault-host_invalid = Ceci n’est pas un nom de serveur. Il ressemble à smtp.example.com.
fault-port_invalid = Le port est un nombre entier de 1 à 65535 ; 587 et 465 sont les plus courants.
fault-url_invalid = Ceci n’est pas une adresse web. Elle ressemble à https://email.example.com/.
fault-url_not_web = Seules les adresses https:// fonctionnent ici.
fault-url_not_secure = Le document circulerait sans chiffrement : utilisez https:// au lieu de http://.
fault-url_has_login = Retirez le nom et le mot de passe de l’adresse : un jeton a son propre champ.
fault-username_control = Le nom d’utilisateur contient un saut de ligne ou un autre caractère invisible. Saisissez-le de nouveau au clavier plutôt que de le coller.
fault-secret_control = Le texte contient un saut de ligne ou un autre caractère invisible. Saisissez-le de nouveau au clavier plutôt que de le coller.
fault-fingerprint_invalid = Une empreinte SHA-256 comporte 64 chiffres ou lettres, de 0 à 9 et de A à F.
fault-insecure_login = Sans chiffrement, le mot de passe circulerait en clair. Choisissez un autre chiffrement, ou cochez cette case si c’est bien ce que vous voulez.
fault-established_provider = Décochez cette case : { $provider } possède un certificat reconnu, et s’il est refusé, c’est qu’un intermédiaire sur le trajet recevrait votre mot de passe.
fault-too_long_text = Ce texte est trop long : { $limit } caractères au maximum.

fault-too_long = { $bytes } octets, c’est trop : { $limit } au maximum sont acceptés.
fault-bad_json = Ceci n’est pas du JSON : l’erreur se trouve à la ligne { $line }, colonne { $column }.
fault-wrong_type = Type attendu : { $expected } ; type reçu : { $found }.
type-an_object = un objet
type-text = du texte
type-true_or_false = true ou false
type-true_or_false_or_an_object = true, false ou un objet
type-a_number = un nombre
type-a_list = une liste
type-text_or_a_list_of_texts = du texte ou une liste de textes
type-a_number_or_text = un nombre ou du texte
type-a_host_name = un nom de serveur
type-a_link_or_null = un lien ou null
type-null = null
fault-out_of_range = La valeur doit être comprise entre { $least } et { $most }.
fault-unknown_key = Cette clé n’existe pas.
fault-unknown_key_near = Cette clé n’existe pas. S’agit-il de la clé { $nearest } ?

call-faults = { $place } : { $message }
call-null_argument = { $argument ->
    [pdf] pdf est NULL, et email_json n’a pas de document.path : donnez les octets du PDF, ou le chemin de son fichier.
   *[other] { $argument } est NULL.
}
call-bad_utf8 = { $argument } n’est pas en UTF-8 : le premier octet incorrect est à la position { $position }.
call-null_with_length = { $argument } est NULL, mais sa longueur est de { $length } octets.
call-bad_length = { $argument } compte { $bytes } octets, plus que cette machine ne peut en copier en mémoire.
fault-key_needs_store = Ceci est sans effet sans store.
fault-one_key_only = Une seule des options key, passphrase et keychain peut être donnée.
fault-wrong_type_expected = Type attendu : { $expected }.

fault-control_character = Ce texte contient un caractère qui ne peut pas être envoyé ({ $character }), par exemple un saut de ligne. Saisissez-le de nouveau au clavier plutôt que de le coller.
fault-bidi_character = Ce texte contient un caractère invisible qui change le sens d’écriture ({ $character }). Saisissez-le de nouveau au clavier plutôt que de le coller.

fault-address_empty = Il manque une adresse ici.
fault-address_no_at = { $address } n’est pas une adresse e-mail : il manque le « @ ».
fault-address_several_at = { $address } n’est pas une adresse e-mail : elle contient plusieurs « @ ».
fault-address_missing_separator = { $address } : mettez une virgule entre deux adresses.
fault-address_no_local = { $address } n’est pas une adresse e-mail : il manque la partie avant le « @ ».
fault-address_no_domain = { $address } n’est pas une adresse e-mail : il manque la partie après le « @ ».
fault-address_space = { $address } n’est pas une adresse e-mail : elle contient une espace.
fault-address_invisible_character = L’adresse contient un caractère invisible ({ $character }). Saisissez-la de nouveau au clavier plutôt que de la coller.
fault-address_local_too_long = La partie avant le « @ » est trop longue : elle compte { $bytes } octets, et { $limit } au maximum sont autorisés.
fault-address_too_long = L’adresse est trop longue : elle compte { $bytes } octets, et { $limit } au maximum sont autorisés.
fault-address_bad_domain = { $domain } n’est pas le domaine d’une adresse e-mail.
fault-address_bad_local = { $local } ne peut pas figurer avant le « @ » d’une adresse e-mail.
fault-mailbox_quote = { $text } : il manque un guillemet.
fault-mailbox_bracket = { $text } : l’adresse doit être placée entre « < » et « > ».
fault-mailbox_text_after_address = { $text } : rien ne doit suivre le « > ».
fault-mailbox_missing_separator = { $text } : mettez une virgule entre deux adresses.
fault-too_many_recipients = { $number } destinataires, c’est trop pour un seul e-mail : { $limit } au maximum sont autorisés.
fault-one_address_only = Saisissez une seule adresse.
fault-no_recipients = Saisissez au moins un destinataire.
fault-header_too_long = Ce texte est trop long pour un e-mail : il compte { $bytes } octets, et { $limit } au maximum sont autorisés.
fault-file_name_empty = Le fichier doit avoir un nom.
fault-file_name_dots = « { $name } » n’est pas un nom de fichier.
fault-file_name_separator = Un nom de fichier ne peut pas contenir « { $character } ».
fault-file_name_encoded_word = Un nom de fichier ne peut pas contenir « =? » : certains logiciels de messagerie afficheraient un autre nom.
fault-file_name_too_long = Le nom du fichier est trop long : il compte { $bytes } octets, et { $limit } au maximum sont autorisés.
fault-file_missing = Le fichier { $path } est introuvable.
fault-file_is_folder = { $path } est un dossier, pas un fichier.
fault-file_not_regular = { $path } n’est pas un fichier ordinaire.
fault-file_changed = Le fichier { $path } a changé pendant sa lecture. Réessayez quand il sera complet.
fault-file_unreadable = Le fichier { $path } ne peut pas être lu : { $error }.
fault-files_too_large = Le document et les pièces jointes sont trop volumineux ensemble : { $limit } octets au maximum sont acceptés.
fault-files_no_memory = Il n’y a pas assez de mémoire pour { $bytes } octets.
fault-pdf_empty = Le PDF est vide : il ne contient aucun octet.
fault-pdf_not_a_pdf = Ceci n’est pas un PDF : « %PDF- » ne figure pas dans ses 1 024 premiers octets.
fault-document_twice = Donnez soit les octets du PDF, soit le chemin de son fichier, mais pas les deux.
fault-attachment_twice = Donnez soit path, soit base64, mais pas les deux.
fault-attachment_missing = Il faut donner soit path, soit base64.
fault-file_name_missing = Une pièce jointe donnée en base64 doit avoir un file_name.
fault-base64_bad = Ceci n’est pas du base64.
fault-type_bad = { $type } n’est pas un type de média comme application/pdf.
fault-type_composite = { $type } ne peut pas servir de type à une pièce jointe ; utilisez application/octet-stream.
fault-body_twice = Donnez soit body, soit body_html accompagné de body_text.
fault-body_text_missing = body_html doit être accompagné de body_text, pour les lecteurs qui n’affichent pas le HTML.
fault-body_html_missing = body_text accompagne body_html ; utilisez body pour du texte seul.
fault-idempotency_key_bad = La clé se compose de 1 à { $limit } caractères ASCII visibles.
fault-access_token_bad = Un jeton d’accès se compose de 1 à { $limit } caractères ASCII visibles.
fault-access_token_unused = Ces paramètres n’utilisent pas de jeton d’accès : auth n’est pas oauth2.
fault-sign_in_unused = Ces paramètres n’ont pas de connexion chez le fournisseur : auth n’est pas oauth2.
fault-flow_unknown = La valeur est browser, redirect, device ou client_credentials.
fault-redirect_uri_bad = Pour redirect, il faut une adresse https:// à vous, et pas pour les autres valeurs.
fault-sign_in_unknown = Il n’y a pas de telle connexion : elle est déjà terminée, ou a été commencée avec un autre objet de compte ou par un autre processus.
fault-callback_bad = Ce n’est pas l’adresse à laquelle le fournisseur a renvoyé le navigateur pour cette connexion.
fault-no_randomness = Le système n’a pas fourni les nombres aléatoires dont chaque e-mail a besoin. Réessayez.

fault-key_invalid = La clé ne correspond pas à 32 octets en base64.
fault-passphrase_empty = La phrase secrète est vide.
fault-ca_file_unreadable = Le fichier de certificats ne peut pas être lu : { $detail }.
fault-ca_file_invalid = Un certificat de ce fichier ne peut pas être utilisé : { $detail }.
fault-ca_file_empty = Ce fichier ne contient aucun certificat. Il doit être au format PEM.
fault-store_empty = Le chemin du fichier de paramètres est vide.
fault-program_name_empty = Le nom du programme est vide.
fault-key_missing = Cet élément est obligatoire.
fault-host_name_invalid = Ceci n’est pas le nom d’un serveur ou d’un domaine.
fault-link_invalid = Ceci n’est pas l’adresse d’une page web qui commence par https:// et ne contient pas d’identifiants.
fault-provider_twice = Une autre ligne a déjà l’id { $id }.
fault-locale_invalid = Ce n’est pas un code de langue comme en, ro ou pt-BR.
fault-text_syntax = Le texte { $id } n’est pas écrit en Fluent, à la ligne { $line } : { $detail }.
fault-text_unknown = Il n’y a pas de texte dont l’identifiant est { $id } (ligne { $line }).
fault-text_twice = Le texte { $id } figure deux fois (ligne { $line }).
fault-text_word = Le texte { $id } (ligne { $line }) utilise { $word }, qui n’existe pas pour lui.
fault-hello_name_invalid = Ceci n’est pas un nom d’hôte qui peut être envoyé avec EHLO.
fault-proxy_invalid = { $variable ->
    [none] Ceci n’est pas l’adresse d’un proxy. Elle ressemble à socks5://proxy.example.com:1080 ou à http://user:password@proxy.example.com:3128, ou bien c’est le mot environment.
   *[other] La variable d’environnement { $variable } n’est pas l’adresse d’un proxy. Elle ressemble à socks5://proxy.example.com:1080 ou à http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Les proxys en { $scheme }:// ne peuvent pas être utilisés ici : donnez-en un en socks5:// ou http://.
   *[other] La variable d’environnement { $variable } désigne un proxy en { $scheme }://, qui ne peut pas être utilisé ici : donnez-en un en socks5:// ou http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] Le nom d’utilisateur ou le mot de passe du proxy ne peut pas être utilisé : chacun compte au maximum 255 octets, sans saut de ligne, et les caractères spéciaux des adresses web s’écrivent comme dans celles-ci, par exemple %40 pour @.
   *[other] Le nom d’utilisateur ou le mot de passe du proxy dans la variable d’environnement { $variable } ne peut pas être utilisé : chacun compte au maximum 255 octets, sans saut de ligne, et les caractères spéciaux des adresses web s’écrivent comme dans celles-ci, par exemple %40 pour @.
}

fault-nameserver_invalid = Ceci n’est pas l’adresse d’un serveur de noms. Elle ressemble à 192.0.2.53 ou à 127.0.0.1:5353.

discovery-nothing = Aucun paramètre n’a été trouvé pour { $domain } : ils figurent dans les pages d’aide de votre fournisseur.
discovery-canceled = La recherche des paramètres a été annulée.

settings-faults = { $count ->
    [one] { $label } : { $message }
   *[other] { $count } champs sont à compléter ou à corriger. Le premier est { $label } : { $message }
}
email-faults = L’e-mail ne peut pas être envoyé tel quel. { $message }
not_configured = L’envoi d’e-mails n’est pas encore configuré. Remplissez d’abord les paramètres de messagerie.

## The store

protection-memory = Les paramètres sont gardés en mémoire uniquement et disparaissent quand { $program } se ferme.
protection-given_key = Le mot de passe est chiffré dans le fichier de paramètres, avec une clé que garde le programme { $program }.
protection-passphrase = Le mot de passe est chiffré dans le fichier de paramètres, avec une clé tirée d’une phrase secrète.
protection-keychain = Le mot de passe est chiffré dans le fichier de paramètres, avec une clé du trousseau du système.
protection-key_file = Le mot de passe est chiffré dans le fichier de paramètres. La clé se trouve à côté, dans un fichier que seul cet utilisateur peut lire : qui peut lire les deux fichiers peut lire le mot de passe.

store-damaged = Le fichier de paramètres { $path } est endommagé ({ $detail }). Il a été laissé tel quel. Effacez les paramètres et saisissez-les de nouveau, ou restaurez le fichier depuis une sauvegarde.
store-tampered = Le fichier de paramètres { $path } a été modifié autrement que par { $program }. Par sécurité, il n’est pas utilisé et a été laissé tel quel. Effacez les paramètres et saisissez-les de nouveau, ou restaurez le fichier depuis une sauvegarde.
store-wrong_key = Le fichier de paramètres { $path } ne peut pas être ouvert avec cette clé ({ $detail }). Il a été laissé tel quel.
store-newer = Le fichier de paramètres { $path } a été écrit par une version plus récente du programme { $program }. Il a été laissé tel quel. Mettez { $program } à jour.
store-no_folder = Le dossier { $path } du fichier de paramètres ne peut pas être utilisé : { $detail }.
store-unreadable = Le fichier de paramètres { $path } ne peut pas être lu : { $detail }.
store-unwritable = Les paramètres n’ont pas pu être enregistrés dans { $path } : { $detail }. Les paramètres précédents restent en vigueur.
store-busy = Un autre programme est en train d’enregistrer les paramètres dans { $path }. Réessayez.
store-key_file_exposed = Le fichier de clé { $path } peut être lu par d’autres utilisateurs de cet ordinateur : il ne protège donc rien. Rendez-le lisible par son seul propriétaire.
store-key_missing = Le fichier de clé { $path } qui ouvre les paramètres est introuvable. Restaurez-le depuis une sauvegarde, ou effacez les paramètres et saisissez-les de nouveau.
store-no_keychain = Le trousseau du système ne peut pas être utilisé : { $detail }.

## The Email button

kind-invoice = Facture
kind-quote = Devis
kind-order = Commande
kind-credit_note = Avoir
kind-delivery_note = Bon de livraison
kind-receipt = Reçu
kind-reminder = Rappel de paiement
kind-statement = Relevé de compte
kind-payslip = Bulletin de paie
kind-report = Rapport
kind-document = Document
button-subject = { $document }
button-subject_from = { $document } – { $sender }
button-body =
    Bonjour { $name },

    Veuillez trouver ci-joint : { $document }.
button-body_no_name =
    Bonjour,

    Veuillez trouver ci-joint : { $document }.
button-closing =
    Cordialement,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } n’est sans doute pas la bonne adresse. S’agit-il de { $meant } ?
check-recipient_twice = { $address } figure deux fois parmi les destinataires.
check-no_subject = L’e-mail n’a pas d’objet.
check-no_body = L’e-mail n’a pas de texte.
check-placeholder = { $placeholder } ressemble à un champ qui n’a pas été rempli.
check-other_provider = { $sender } est une adresse de { $provider }, mais l’e-mail passe par { $other } : beaucoup de serveurs prennent de tels e-mails pour des faux. Envoyez par { $provider }, ou depuis une autre adresse.
check-over_size_limit = L’e-mail fait { $size }, et { $provider } accepte { $limit } au maximum. Réduisez la taille des pièces jointes, ou envoyez plutôt un lien.
check-over_recipient_limit = L’e-mail a { $number } destinataires, et { $provider } en accepte { $limit } au maximum. Envoyez-le à quelques-uns d’entre eux à la fois.
check-no_reply_to = Les réponses à cet e-mail arrivent à { $sender }, où personne ne les lit probablement. Saisissez une adresse de réponse.

## The test mail

test_subject = E-mail de test envoyé par { $program }
test_body =
    Ceci est un e-mail de test envoyé par { $program }.

    Si vous pouvez le lire, vos paramètres de messagerie fonctionnent.

## Progress

step-turn = Attente de l’envoi des e-mails précédents
step-sign_in = Renouvellement de la connexion
step-name = Recherche du serveur
step-connect = Connexion
step-proxy = Connexion par le proxy
step-tls = Chiffrement de la connexion
step-greeting = Prise de contact avec le serveur
step-login = Identification
step-sender = Annonce de l’expéditeur
step-recipient = Annonce des destinataires
step-content = Envoi
step-verdict = Attente de la réponse du serveur

## What happened

problem-accepted = Le serveur a accepté l’e-mail.
problem-accepted_partly = Le serveur a accepté l’e-mail pour une partie des destinataires et a refusé les autres.
test-accepted = Les paramètres fonctionnent : le serveur a accepté un e-mail de test pour { $recipient }.
problem-name_not_found = Le serveur { $host } est introuvable. L’e-mail n’a pas été envoyé.
problem-name_lookup_failed = Le nom { $host } n’a pas pu être recherché : il semble qu’il n’y ait pas de connexion à Internet. L’e-mail n’a pas été envoyé.
problem-no_route = Aucun chemin ne mène de cet ordinateur à { $host } : le réseau est en panne ou n’est pas connecté. L’e-mail n’a pas été envoyé.
problem-connection_refused = { $host } a refusé la connexion sur le port { $port }. L’e-mail n’a pas été envoyé.
step-repair = Essai d’autres ports
problem-connection_failed = La connexion à { $host } sur le port { $port } n’a pas pu être établie. L’e-mail n’a pas été envoyé.
problem-timed_out = { $step ->
    [name] Le nom { $host } n’a pas pu être trouvé à temps. L’e-mail n’a pas été envoyé.
    [connect] { $host } ne répond pas sur le port { $port }. L’e-mail n’a pas été envoyé.
    [content] { $host } a cessé de recevoir l’e-mail avant qu’il soit complet. Il n’a pas été envoyé.
   *[other] { $host } a cessé de répondre. L’e-mail n’a pas été envoyé.
}
problem-out_of_time = L’envoi a pris plus de temps que permis. L’e-mail n’a pas été envoyé.
problem-disconnected = { $step ->
    [content] { $host } a fermé la connexion avant que l’e-mail soit complet. Il n’a pas été envoyé.
   *[other] { $host } a fermé la connexion. L’e-mail n’a pas été envoyé.
}
problem-name_not_found-proxy = Le proxy { $proxy } est introuvable. L’e-mail n’a pas été envoyé.
problem-name_lookup_failed-proxy = Le nom du proxy { $proxy } n’a pas pu être recherché : il semble qu’il n’y ait pas de connexion au réseau. L’e-mail n’a pas été envoyé.
problem-no_route-proxy = Aucun chemin ne mène de cet ordinateur au proxy { $proxy } : le réseau est en panne ou n’est pas connecté. L’e-mail n’a pas été envoyé.
problem-connection_refused-proxy = Le proxy { $proxy } a refusé la connexion. L’e-mail n’a pas été envoyé.
problem-connection_failed-proxy = La connexion au proxy { $proxy } n’a pas pu être établie. L’e-mail n’a pas été envoyé.
problem-timed_out-proxy = { $step ->
    [name] Le nom du proxy { $proxy } n’a pas pu être trouvé à temps. L’e-mail n’a pas été envoyé.
    [connect] Le proxy { $proxy } ne répond pas. L’e-mail n’a pas été envoyé.
   *[other] Le proxy { $proxy } ne s’est pas connecté à { $host } à temps. L’e-mail n’a pas été envoyé.
}
problem-disconnected-proxy = Le proxy { $proxy } a fermé la connexion au lieu de se connecter à { $host }. L’e-mail n’a pas été envoyé.
problem-bad_reply-proxy = La réponse reçue depuis { $proxy } n’est pas celle d’un proxy du type configuré. L’e-mail n’a pas été envoyé.
problem-proxy_login_refused = Le proxy { $proxy } demande un nom d’utilisateur et un mot de passe, ou d’autres que ceux qui sont configurés. L’e-mail n’a pas été envoyé.
problem-proxy_failed = Le proxy { $proxy } ne s’est pas connecté à { $host } sur le port { $port }. L’e-mail n’a pas été envoyé.
problem-bad_reply = La réponse reçue depuis { $host } sur le port { $port } n’est pas celle qui était attendue. L’e-mail n’a pas été envoyé.

problem-tls_failed = La connexion chiffrée à { $host } n’a pas pu être établie. Ni mot de passe ni e-mail n’a été envoyé.
problem-tls_not_spoken = { $host } n’utilise pas TLS dès le début sur le port { $port }. Ni mot de passe ni e-mail n’a été envoyé.
problem-tls_too_old = { $host } ne connaît que des chiffrements trop anciens pour être sûrs. Ni mot de passe ni e-mail n’a été envoyé.
problem-tls_not_offered = { $host } ne propose pas de chiffrement sur le port { $port }. Ni mot de passe ni e-mail n’a été envoyé.
problem-tls_refused = { $host } a refusé de démarrer le chiffrement. Ni mot de passe ni e-mail n’a été envoyé.
problem-bytes_before_tls = Un intermédiaire sur le trajet jusqu’à { $host } a perturbé le démarrage du chiffrement. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_untrusted = Le certificat présenté par { $host } ne vient pas d’une autorité que cet ordinateur reconnaît. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_expired = Le certificat présenté par { $host } a expiré ({ $expires }). Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_not_yet_valid = Le certificat présenté par { $host } n’est valable qu’à partir du { $begins }. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_wrong_name = { $names_known ->
    [yes] Le certificat présenté par { $host } est établi pour un autre nom ({ $names }). Ni mot de passe ni e-mail n’a été envoyé.
   *[other] Le certificat présenté par { $host } n’est pas établi pour ce nom. Ni mot de passe ni e-mail n’a été envoyé.
}
problem-certificate_invalid = Le certificat présenté par { $host } ne peut pas être accepté. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_changed = { $host } présente un autre certificat que celui que vous avez accepté. Ni mot de passe ni e-mail n’a été envoyé.
problem-login_in_clear = La connexion à { $host } n’est pas chiffrée ; le mot de passe n’a donc pas été envoyé, et l’e-mail non plus.
problem-token_in_clear = La connexion à { $host } n’est pas chiffrée, l’authentification n’a donc pas été transmise. L’e-mail n’a pas été envoyé.
problem-login_server_unproven = { $host } n’a pas prouvé qu’il connaît votre mot de passe ; quelqu’un s’est peut-être placé entre vous et le serveur. Ni le mot de passe ni l’e-mail n’a été envoyé.

problem-encryption_required = { $host } exige une connexion chiffrée. L’e-mail n’a pas été envoyé.
problem-login_refused = { $host } n’a pas accepté le nom d’utilisateur et le mot de passe. L’e-mail n’a pas été envoyé.
problem-login_not_offered = { $host } ne propose pas d’identification sur le port { $port }, mais un nom d’utilisateur est configuré. L’e-mail n’a pas été envoyé.
problem-login_unsupported = { $host } ne propose aucune méthode d’identification par mot de passe connue du programme { $program }. L’e-mail n’a pas été envoyé.
problem-login_required = { $host } exige une identification avant d’accepter des e-mails. L’e-mail n’a pas été envoyé.
problem-token_refused = { $provider } n’a pas autorisé la connexion de { $username }.
problem-http_unauthorized = Le service web a refusé l’accès. L’e-mail n’a pas été envoyé.

problem-server_busy = { $host } n’accepte pas d’e-mails de cet ordinateur pour le moment. L’e-mail n’a pas été envoyé.
problem-login_deferred = { $host } n’a pas pu vérifier l’identification pour le moment. L’e-mail n’a pas été envoyé.
problem-sender_deferred = { $host } n’accepte pas d’e-mails envoyés depuis { $sender } pour le moment. L’e-mail n’a pas été envoyé.
problem-recipient_deferred = { $host } n’accepte pas d’e-mails pour { $recipient } pour le moment. L’e-mail n’a été envoyé à personne.
problem-recipient_deferred-copy = { $host } n’accepte pas d’e-mails pour le moment pour { $recipient }, votre adresse pour les copies. L’e-mail n’a été envoyé à personne.
problem-content_deferred = { $host } n’a pas pris l’e-mail pour le moment. Il n’a pas été envoyé.
problem-http_busy = Le service web est trop occupé pour le moment. L’e-mail n’a pas été envoyé.

problem-server_refused = { $host } a refusé de communiquer avec cet ordinateur. L’e-mail n’a pas été envoyé.
problem-sender_refused = { $host } n’accepte pas d’e-mails envoyés depuis { $sender }. L’e-mail n’a pas été envoyé.
problem-recipient_refused = { $host } a refusé le destinataire { $recipient }. L’e-mail n’a été envoyé à personne.
problem-recipient_refused-copy = { $host } a refusé { $recipient }, votre adresse pour les copies. L’e-mail n’a été envoyé à personne.
problem-content_refused = { $host } a refusé l’e-mail. Il n’a pas été envoyé.
size-kilobytes = { $number } ko
size-megabytes = { $whole },{ $tenth } Mo
problem-too_large = { $limit_known ->
    [yes] L’e-mail est trop volumineux : il fait { $size }, et { $host } accepte { $limit } au maximum. Il n’a pas été envoyé.
   *[other] L’e-mail est trop volumineux pour { $host }. Il n’a pas été envoyé.
}
problem-address_not_supported = { $host } ne sait pas traiter une adresse dont la partie avant le @ contient des lettres autres que A à Z. L’e-mail n’a pas été envoyé.
problem-http_refused = Le service web a signalé une erreur.
problem-http_not_found = Il n’y a pas de service d’envoi d’e-mails à cette adresse web. L’e-mail n’a pas été envoyé.
problem-http_redirected = Le service web veut faire suivre le document vers une autre adresse, ce qui n’est pas fait par sécurité. L’e-mail n’a pas été envoyé.

problem-file_changed = Le fichier du document a été modifié, remplacé ou supprimé avant que l’e-mail soit complet. Il n’a pas été envoyé.
problem-file_unreadable = Le fichier du document n’a pas pu être lu. L’e-mail n’a pas été envoyé.

problem-no_verdict = L’e-mail a été transmis en entier à { $host }, mais on ne sait pas s’il a été accepté. Il a peut-être été remis, peut-être pas ; il n’est pas renvoyé automatiquement.
problem-canceled = L’envoi a été annulé. Rien n’a été envoyé.
problem-internal = Un problème est survenu à l’intérieur de mailbutton. C’est un bug de mailbutton.

# Connecting
problem-no_network = { $host } ne peut pas être joint, bien que son nom soit exact : cet ordinateur ne semble pas connecté à Internet. L’e-mail n’a pas été envoyé.
problem-blocked_on_this_computer = Cet ordinateur ne permet pas à { $program } de se connecter à { $host }. L’e-mail n’a pas été envoyé.
problem-port_25_blocked = { $host } ne peut pas être joint sur le port 25, que la plupart des fournisseurs d’accès à Internet bloquent. L’e-mail n’a pas été envoyé.
problem-imap_port = Le port { $port } du serveur { $host } sert à recevoir des e-mails (IMAP), pas à en envoyer. L’e-mail n’a pas été envoyé.
problem-pop3_port = Le port { $port } du serveur { $host } sert à recevoir des e-mails (POP3), pas à en envoyer. L’e-mail n’a pas été envoyé.
problem-web_port = Le port { $port } du serveur { $host } sert aux pages web, pas à envoyer des e-mails. L’e-mail n’a pas été envoyé.
problem-not_a_mail_server = Ce qui répond sur le port { $port } du serveur { $host } n’est pas un serveur de messagerie. L’e-mail n’a pas été envoyé.
problem-tls_from_the_start = { $host } attend un chiffrement dès le début sur le port { $port }, alors que les paramètres commencent sans. Ni mot de passe ni e-mail n’a été envoyé.
problem-clear_at_the_start = { $host } commence sans chiffrement sur le port { $port } et l’active ensuite (STARTTLS), alors que les paramètres chiffrent dès le début. Ni mot de passe ni e-mail n’a été envoyé.
problem-port_closed = { $host } a refusé la connexion sur le port { $port }, ce qui est inhabituel chez { $provider } : quelque chose sur le trajet la bloque peut-être. L’e-mail n’a pas été envoyé.
problem-port_silent = { $host } ne répond pas sur le port { $port } : c’est peut-être un autre port, ou bien quelque chose sur le trajet le bloque. L’e-mail n’a pas été envoyé.
problem-greeting_missing = { $host } a pris la connexion sur le port { $port }, puis n’a plus rien dit. L’e-mail n’a pas été envoyé.
problem-cut_off = La connexion à { $host } sur le port { $port } a été coupée dès le début. L’e-mail n’a pas été envoyé.
problem-queue_too_long = Cet e-mail a attendu trop longtemps derrière les précédents. Il n’a pas été envoyé.

# Encryption
problem-starttls_hidden = Quelque chose sur le trajet jusqu’à { $host } cache le chiffrement que le serveur propose. Ni mot de passe ni e-mail n’a été envoyé.
problem-tls_not_ready = { $host } ne peut pas chiffrer la connexion pour le moment. Ni mot de passe ni e-mail n’a été envoyé.
problem-starttls_broken = { $host } a accepté de chiffrer la connexion, mais ne l’a pas fait ensuite. Ni mot de passe ni e-mail n’a été envoyé.
problem-client_certificate_wanted = { $host } n’accepte que les programmes qui présentent leur propre certificat. Ni mot de passe ni e-mail n’a été envoyé.
problem-intercepted_by_antivirus = Un antivirus ({ $issuer }) a ouvert la connexion chiffrée à { $host } et y a mis son propre certificat. Ni mot de passe ni e-mail n’a été envoyé.
problem-intercepted_by_firewall = Le pare-feu de ce réseau ({ $issuer }) a ouvert la connexion chiffrée à { $host } et y a mis son propre certificat. Ni mot de passe ni e-mail n’a été envoyé.
problem-captive_portal = Un appareil de ce réseau a répondu à la place du serveur { $host } : le réseau demande sans doute de s’y connecter d’abord. Ni mot de passe ni e-mail n’a été envoyé.
problem-clock_wrong = Le certificat présenté par { $host } ne correspond pas à la date de cet ordinateur, qui est peut-être inexacte. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_not_the_providers = Le certificat reçu n’est pas celui du fournisseur { $provider } : quelque chose entre cet ordinateur et { $host } y a mis le sien. Ni mot de passe ni e-mail n’a été envoyé.
problem-certificate_self_signed = { $host } présente un certificat qu’il a signé lui-même ; personne ne s’en porte donc garant. Ni mot de passe ni e-mail n’a été envoyé.

# Login
problem-sign_in_blocked = { $host } demande que vous confirmiez d’abord la connexion dans un navigateur web. L’e-mail n’a pas été envoyé.
problem-smtp_auth_off_tenant = Votre organisation a désactivé l’envoi avec mot de passe (« SMTP authentifié ») dans Microsoft 365. L’e-mail n’a pas été envoyé.
problem-smtp_auth_off_mailbox = L’envoi avec mot de passe (« SMTP authentifié ») est désactivé pour cette boîte aux lettres dans Microsoft 365. L’e-mail n’a pas été envoyé.
problem-password_login_over = { $host } ne permet plus aux programmes de se connecter avec un mot de passe. L’e-mail n’a pas été envoyé.
problem-blocked_by_sign_in_rules = Une règle de sécurité de votre organisation n’autorise pas cette identification. L’e-mail n’a pas été envoyé.
problem-account_locked = { $host } indique que ce compte est verrouillé. L’e-mail n’a pas été envoyé.
problem-password_expired = { $host } indique que le mot de passe a expiré. L’e-mail n’a pas été envoyé.
problem-sign_in_scope = La connexion chez { $host } n’autorise pas { $program } à envoyer des e-mails. L’e-mail n’a pas été envoyé.
problem-sign_in_again = { $host } n’accepte plus la connexion de { $username }. L’e-mail n’a pas été envoyé.
problem-sign_in_refused = { $host } n’a pas accepté la connexion de { $username }. L’e-mail n’a pas été envoyé.
problem-sign_in_expired = La connexion de { $username } chez { $provider } a expiré.
problem-sign_in_denied = La connexion a été refusée sur la page de { $provider }.
problem-sign_in_busy = La connexion à { $provider } n’est pas disponible pour le moment.
problem-sign_in_needs_admin = Un administrateur doit d’abord autoriser { $program } chez { $provider }.
problem-sign_in_against_rules = Une règle de sécurité de votre organisation n’autorise pas cette connexion chez { $provider }.
problem-program_not_known = { $provider } ne connaît pas { $program } tel qu’il se présente.
problem-sign_in_abandoned = La connexion n’a pas été terminée à temps.
problem-sign_in_other_account = { $account } s’est connecté, alors que les réglages sont pour { $username }.
problem-sign_in_no_listener = { $program } ne peut pas recevoir la fin de la connexion sur cet ordinateur.
problem-sign_in_clock = { $provider } n’a pas autorisé la connexion, car la date ou l’heure de cet ordinateur diffère de la sienne.
problem-program_not_verified = { $provider } n’a pas encore vérifié { $program }, et ne laisse que quelques personnes s’y connecter.
problem-gmail_app_password = { $provider } n’a pas accepté l’identification : il faut ici un mot de passe d’application, et non le mot de passe de votre compte Google. L’e-mail n’a pas été envoyé.
problem-yahoo_app_password = { $provider } n’a pas accepté l’identification : il faut ici un mot de passe d’application, et non le mot de passe du site web. L’e-mail n’a pas été envoyé.
problem-icloud_app_password = { $provider } n’a pas accepté l’identification : il faut ici un mot de passe pour application, et non le mot de passe de votre compte Apple. L’e-mail n’a pas été envoyé.
problem-too_many_logins = { $host } n’accepte plus d’identification pendant un moment, car il y en a eu trop. L’e-mail n’a pas été envoyé.
problem-app_password_required = { $host } n’a pas accepté l’identification : il faut ici un mot de passe d’application, et non celui du site web. L’e-mail n’a pas été envoyé.
problem-access_for_programs_off = { $host } n’a pas accepté l’identification : l’accès des logiciels de messagerie est peut-être désactivé pour cette boîte aux lettres. L’e-mail n’a pas été envoyé.
problem-ip_not_allowed = { $host } n’autorise pas l’identification depuis l’adresse Internet de cet ordinateur. L’e-mail n’a pas été envoyé.
problem-key_username = { $provider } n’a pas accepté l’identification : le nom d’utilisateur y est le mot apikey, et le mot de passe est une clé. L’e-mail n’a pas été envoyé.
problem-key_refused = { $provider } n’a pas accepté le nom d’utilisateur et la clé. L’e-mail n’a pas été envoyé.
problem-password_login_ending = { $provider } n’a pas accepté l’identification : la connexion par mot de passe y est en cours de désactivation, et l’est peut-être déjà pour cette boîte aux lettres. L’e-mail n’a pas été envoyé.
problem-full_address_needed = { $host } n’a pas accepté l’identification : le nom d’utilisateur est en général l’adresse e-mail complète. L’e-mail n’a pas été envoyé.
problem-password_or_app_password = { $provider } n’a pas accepté le nom d’utilisateur et le mot de passe : avec la validation en deux étapes, il faut ici un mot de passe d’application. L’e-mail n’a pas été envoyé.
problem-port_25_without_login = { $host } ne propose pas d’identification sur le port 25, qui est destiné aux échanges entre serveurs. L’e-mail n’a pas été envoyé.
problem-login_needs_encryption = { $host } n’accepte pas d’identification sans chiffrement. L’e-mail n’a pas été envoyé.
problem-only_sign_in_offered = { $host } n’accepte pas de mot de passe venant des programmes, seulement une connexion dans le navigateur web. L’e-mail n’a pas été envoyé.
problem-sign_in_not_offered = { $host } n’accepte aucune connexion du type que { $program } connaît. L’e-mail n’a pas été envoyé.

# Limits
problem-too_many_connections = { $host } a trop de connexions simultanées venant de ce compte ou de cet ordinateur. L’e-mail n’a pas été envoyé.
problem-recipient_gets_too_many = { $recipient } reçoit en ce moment plus d’e-mails que son fournisseur n’en accepte. L’e-mail n’a pas été envoyé.
problem-daily_limit = { $host } limite le nombre d’e-mails de ce compte par jour ou par mois, et cette limite est atteinte. L’e-mail n’a pas été envoyé.
problem-rate_limited = { $host } n’accepte plus d’e-mails de ce compte pendant un moment, car il y en a eu beaucoup en peu de temps. L’e-mail n’a pas été envoyé.
problem-greylisted = { $host } fait patienter un premier e-mail pendant quelques minutes, pour écarter le spam. L’e-mail n’a pas encore été envoyé.

# The sender
problem-own_mailbox_full = Votre propre boîte aux lettres est pleine ; { $host } n’accepte donc plus vos e-mails. L’e-mail n’a pas été envoyé.
problem-account_blocked = { $host } a suspendu les envois de ce compte. L’e-mail n’a pas été envoyé.
problem-sender_not_verified = { $host } n’envoie que depuis les adresses qui y ont été confirmées, et { $sender } n’en fait pas partie. L’e-mail n’a pas été envoyé.
problem-test_mode = Le compte chez { $host } est encore en mode de test, dans lequel il n’envoie qu’à des adresses confirmées. L’e-mail n’a pas été envoyé.
problem-sender_not_allowed = { $host } ne permet pas à cet utilisateur d’envoyer depuis { $sender }. L’e-mail n’a pas été envoyé.
problem-sender_domain_unknown = { $host } ne connaît pas la partie après le @ dans { $sender }. L’e-mail n’a pas été envoyé.
problem-sender_domain_protected = Le domaine de l’adresse { $sender } n’autorise pas { $host } à envoyer en son nom (SPF, DKIM ou DMARC). L’e-mail n’a pas été envoyé.
problem-sent_from_home = { $host } n’accepte pas d’e-mails venant directement d’une connexion Internet ordinaire. L’e-mail n’a pas été envoyé.
problem-blocklisted = L’adresse Internet d’où vient cet e-mail figure sur une liste d’expéditeurs de spam. L’e-mail n’a pas été envoyé.
problem-hello_refused = { $host } n’a pas accepté le nom sous lequel cet ordinateur s’est présenté. L’e-mail n’a pas été envoyé.
problem-login_needed_to_send = { $host } n’accepte cet e-mail qu’après une identification, et aucun nom d’utilisateur n’est configuré. L’e-mail n’a pas été envoyé.
problem-relay_denied = { $host } ne transmet pas à d’autres fournisseurs les e-mails envoyés depuis { $sender }. L’e-mail n’a pas été envoyé.

# The recipients
problem-too_many_recipients = { $host } n’accepte pas d’e-mail avec autant de destinataires. L’e-mail n’a été envoyé à personne.
problem-mailbox_full = La boîte aux lettres { $recipient } est pleine. L’e-mail n’a été envoyé à personne.
problem-recipient_disabled = La boîte aux lettres { $recipient } n’accepte pas d’e-mails en ce moment. L’e-mail n’a été envoyé à personne.
problem-recipient_domain_unknown = Aucun serveur de messagerie n’accepte d’e-mails pour { $recipient } : la partie après le @ n’existe pas, ou n’a pas de messagerie. L’e-mail n’a été envoyé à personne.
problem-recipient_malformed = { $host } n’accepte pas { $recipient } comme adresse e-mail. L’e-mail n’a été envoyé à personne.
problem-recipient_unknown = { $recipient } n’existe pas, selon { $host }. L’e-mail n’a été envoyé à personne.

# The content
problem-virus_found = { $host } estime que l’e-mail contient un virus. Il n’a pas été envoyé.
problem-attachment_blocked = { $host } n’accepte pas une pièce jointe de ce type. L’e-mail n’a pas été envoyé.
problem-spam_block = { $host } prend cet e-mail pour du spam. Il n’a pas été envoyé.
problem-policy_block = Une règle du serveur { $host } n’autorise pas cet e-mail. Il n’a pas été envoyé.

# The server
problem-server_full = { $host } n’a pas de place pour d’autres e-mails pour le moment. L’e-mail n’a pas été envoyé.
problem-server_trouble = { $host } rencontre lui-même un problème pour le moment. L’e-mail n’a pas été envoyé.

# The web service
problem-relay_forbidden = Le service web connaît ce jeton, mais ne l’autorise pas à envoyer. L’e-mail n’a pas été envoyé.
problem-relay_rate_limited = Le service web n’accepte plus d’e-mails pendant un moment, car il y en a eu beaucoup en peu de temps. L’e-mail n’a pas été envoyé.
problem-relay_gateway = Le service web ne peut pas être joint derrière son adresse. L’e-mail n’a pas été envoyé.
problem-not_a_relay = Ce qui répond à cette adresse web n’est pas un service d’envoi d’e-mails. L’e-mail n’a pas été envoyé.
problem-network_wants_sign_in = Ce réseau demande de s’y connecter avant de laisser passer quoi que ce soit. L’e-mail n’a pas été envoyé.
problem-relay_account = Le service web demande que son compte soit d’abord mis en ordre, par exemple par un paiement. L’e-mail n’a pas été envoyé.
problem-relay_rejects_email = Le service web n’accepte pas l’e-mail tel quel. Il n’a pas été envoyé.
problem-relay_broken = Le service web rencontre lui-même un problème. L’e-mail n’a pas été envoyé.
problem-gateway_lost_answer = L’e-mail a été transmis en entier à { $host }, mais le service web qui se trouve derrière n’a pas répondu. Il a peut-être été remis, peut-être pas ; il n’est pas renvoyé automatiquement.

## What to do: each begins with what to do

advice-check_host = Vérifiez l’orthographe du nom du serveur, ou cherchez-le dans les pages d’aide de votre fournisseur.
advice-check_host_and_port = Vérifiez le nom du serveur et le port dans les pages d’aide de votre fournisseur ; 587 et 465 sont les ports les plus courants.
advice-check_internet = Vérifiez que cet ordinateur est connecté à Internet, par exemple en ouvrant une page web.
advice-check_proxy = Vérifiez le proxy { $proxy } dans les paramètres du programme { $program }, ou demandez à la personne qui l’a configuré.
advice-check_proxy_login = Vérifiez le nom d’utilisateur et le mot de passe du proxy { $proxy } dans les paramètres du programme { $program }.
advice-ask_proxy = Demandez à la personne qui gère le proxy { $proxy } d’autoriser les connexions à { $host } sur le port { $port }, et montrez-lui ce message.
advice-firewall = Vérifiez si un pare-feu ou un antivirus bloque { $program }, en l’y autorisant ou en suspendant la protection des e-mails le temps d’un test.
advice-other_program = Essayez les mêmes paramètres dans Thunderbird : s’ils échouent là aussi, la cause est dans les paramètres ou chez le fournisseur ; s’ils y fonctionnent, quelque chose bloque { $program }.
advice-other_network = Essayez un autre réseau, par exemple le partage de connexion de votre téléphone.
advice-try_again = Réessayez dans une minute.
advice-fewer_at_once = Envoyez moins d’e-mails à la fois, ou attendez que les autres soient envoyés.
advice-try_later = Réessayez plus tard ; le message du serveur indique peut-être quand.
advice-check_limits = Vérifiez combien d’e-mails votre fournisseur autorise par heure et par jour.
advice-port_25_blocked = Utilisez le port 587 au lieu du 25, que la plupart des fournisseurs d’accès à Internet bloquent.
advice-mode_of_465 = Réglez le chiffrement sur Automatique : le port 465 utilise TLS dès le début.
advice-try_auto = Réglez le chiffrement sur Automatique, puis réessayez.
advice-mode_of_587 = Réglez le chiffrement sur Automatique : le port { $port } commence sans chiffrement, puis passe au chiffrement avec STARTTLS.
advice-try_587 = Utilisez le port 587 avec le chiffrement Automatique.
advice-try_465 = Utilisez le port 465 avec le chiffrement Automatique.
advice-ask_provider = Demandez à votre fournisseur ou à votre administrateur, et montrez-lui ce message.
advice-server_must_update = Demandez à l’administrateur du serveur d’activer TLS 1.2 ou 1.3.
advice-other_server = Utilisez un autre serveur de messagerie, si votre fournisseur en a un.
advice-check_clock = Vérifiez la date et l’heure de cet ordinateur.
advice-renew_certificate = Demandez à l’administrateur du serveur de renouveler son certificat.
advice-accept_certificate = Acceptez ce certificat, mais seulement si le serveur vous appartient et si l’empreinte est celle que son administrateur vous donne.
advice-use_what_works = Utilisez le port { $port } avec le chiffrement Automatique : il vient d’être essayé, et { $host } y répond.
advice-use_what_works-auto = Réglez le chiffrement sur Automatique : il vient d’être essayé sur le port { $port }, et { $host } répond.
advice-use_what_works-tls = Réglez le chiffrement sur TLS dès le début : il vient d’être essayé sur le port { $port }, et { $host } répond.
advice-compare_certificate = Demandez à l’administrateur du serveur si le certificat a été renouvelé, et comparez l’empreinte avant de l’accepter.
advice-use_certificate_name = Utilisez le serveur { $certificate_name } et saisissez de nouveau le mot de passe, mais seulement si ce serveur est bien celui de votre fournisseur.
advice-intercepted = Désactivez l’analyse des e-mails de l’antivirus : il remplace le certificat présenté par { $provider } par le sien.
advice-use_tls = Réglez le chiffrement sur Automatique.
advice-allow_insecure_login = Autorisez le mot de passe sans chiffrement uniquement si le serveur est sur votre propre réseau et ne propose pas de chiffrement.

advice-app_password-gmail = Utilisez un mot de passe d’application : dans votre compte Google, activez la validation en deux étapes sous Sécurité, ouvrez ensuite Mots de passe des applications, créez-en un pour { $program }, et saisissez-le ici à la place de votre mot de passe habituel.
advice-app_password-yahoo = Utilisez un mot de passe d’application : ouvrez la page Sécurité du compte de Yahoo (login.yahoo.com/account/security), choisissez Générer un mot de passe d’application, choisissez Autre, tapez { $program }, cliquez sur Générer, et copiez-le dans le champ du mot de passe.
advice-app_password-icloud = Utilisez un mot de passe pour application : connectez-vous sur account.apple.com, ouvrez Connexion et sécurité, choisissez Mots de passe pour applications, créez-en un pour { $program }, et saisissez-le ici à la place de votre mot de passe habituel.
advice-app_password = Utilisez un mot de passe d’application, car { $provider } n’accepte pas ici votre mot de passe habituel : ses pages d’aide expliquent comment en créer un.
advice-app_password-two_steps = Utilisez un mot de passe d’application si la validation en deux étapes est activée chez { $provider } : ses pages d’aide expliquent comment en créer un.
advice-app_password-any = Utilisez un mot de passe d’application si votre fournisseur pratique la validation en deux étapes : il n’accepte alors pas ici votre mot de passe habituel.
advice-password_login_off = Demandez à votre administrateur d’autoriser la connexion par mot de passe pour cette boîte aux lettres (« SMTP authentifié ») : { $provider } est en train de la désactiver, et sans elle aucun mot de passe ne fonctionne ici.
advice-other_account = Utilisez un autre compte de messagerie pour l’envoi : { $provider } ne permet plus aux programmes de se connecter avec un mot de passe.
advice-full_address = Utilisez votre adresse e-mail complète comme nom d’utilisateur : la plupart des fournisseurs la demandent.
advice-check_key = Vérifiez le nom d’utilisateur et la clé : { $provider } demande une clé créée sur son site web, et non le mot de passe avec lequel vous vous y connectez.
advice-check_login = Vérifiez le nom d’utilisateur et le mot de passe en vous connectant sur le site web de votre fournisseur.
advice-login_off = Effacez le nom d’utilisateur si ce serveur ne demande pas d’identification.
advice-enter_login = Saisissez le nom d’utilisateur et le mot de passe de votre compte de messagerie.
advice-check_token = Vérifiez le jeton d’accès que l’exploitant du service web vous a donné.
advice-check_sender = Envoyez depuis l’adresse rattachée à ce compte, ou faites autoriser { $sender } comme alias par le fournisseur.
advice-check_recipient = Vérifiez l’orthographe de l’adresse du destinataire.
advice-check_relay = Saisissez le nom d’utilisateur et le mot de passe de votre compte de messagerie : sans identification, la plupart des serveurs n’acceptent d’e-mails que pour leurs propres utilisateurs.
advice-check_content = Vérifiez dans l’e-mail ce que le serveur signale dans son message.
advice-make_smaller = Réduisez la taille des pièces jointes, ou envoyez-les en plusieurs e-mails.
advice-send_link = Envoyez plutôt un lien vers le document.
advice-plain_address = Demandez au destinataire une adresse ne comportant que les lettres A à Z, ou utilisez un fournisseur qui prend en charge ce type d’adresse.
advice-check_url = Vérifiez l’adresse du service web auprès de son exploitant.
advice-ask_relay = Demandez à l’exploitant du service web, et montrez-lui ce message.
advice-complete_file = Envoyez de nouveau l’e-mail quand le fichier du document sera complet et que plus rien n’y écrira.
advice-check_file = Vérifiez que le fichier du document peut être ouvert, puis envoyez de nouveau l’e-mail.
advice-ask_recipient = Demandez au destinataire si l’e-mail est arrivé avant de l’envoyer de nouveau.
advice-look_in_sent = Regardez dans le dossier des messages envoyés de votre boîte aux lettres : de nombreux fournisseurs y placent une copie de ce qui a été envoyé.
advice-report_bug = Signalez ce problème à l’éditeur du programme { $program }.

advice-use_sending_port = Utilisez le serveur d’envoi avec le port 587 et le chiffrement Automatique ; son nom commence souvent par smtp.
advice-use_sending_server = Utilisez le serveur d’envoi de { $provider }, { $sending_host }, sur le port { $sending_port }.
advice-try_tls = Réglez le chiffrement sur TLS dès le début.
advice-intercepted-host = Désactivez l’analyse des e-mails de l’antivirus, ou faites-lui ignorer { $host } : il remplace le certificat du serveur par le sien.
advice-ask_network = Demandez à la personne qui gère ce réseau de laisser passer sans les ouvrir les connexions à { $host }.
advice-sign_in_network = Ouvrez une page web quelconque dans un navigateur, connectez-vous à ce réseau, puis relancez le test.
advice-sign_in_browser = Connectez-vous à votre boîte aux lettres dans un navigateur web, confirmez que la tentative venait de vous, puis relancez le test.
advice-sign_in_again = Connectez-vous de nouveau.
advice-sign_in_consent = Connectez-vous de nouveau et autorisez { $program } à envoyer des e-mails lorsque la question vous est posée.
advice-check_sign_in = Vérifiez que le compte connecté a le droit d’envoyer en tant que { $username }.
advice-use_password = Choisissez la connexion avec nom d’utilisateur et mot de passe.
advice-allow_program = Demandez à votre administrateur d’autoriser { $program } à envoyer des e-mails, et montrez-lui ce message.
advice-register_program = Demandez à l’éditeur de { $program } de vérifier comment il est enregistré chez { $provider }, et montrez-lui ce message.
advice-sign_in_as = Connectez-vous de nouveau et choisissez le compte { $username } sur la page de { $provider }.
advice-use_signed_in_account = Envoyez plutôt en tant que { $account }.
advice-restart_and_sign_in = Connectez-vous de nouveau après avoir redémarré l’ordinateur.
advice-verify_program = Demandez à l’éditeur de { $program } de le faire vérifier par { $provider }.
advice-verify_program-weekly = Demandez à l’éditeur de { $program } de le faire vérifier par { $provider } si vous devez vous reconnecter chaque semaine.
advice-verify_program-blocked = Demandez à l’éditeur de { $program } de le faire vérifier par { $provider } si la page l’a dit bloqué ou non vérifié.
advice-sign_in_instead = Connectez-vous avec { $provider } au lieu d’utiliser un mot de passe.
advice-sign_in_instead-unregistered = Demandez à l’éditeur de { $program } de l’enregistrer chez { $provider }, pour pouvoir vous connecter sans mot de passe.
advice-allow_smtp_auth-tenant = Demandez à votre administrateur d’activer « SMTP authentifié » dans Microsoft 365, pour votre organisation ou pour cette seule boîte aux lettres.
advice-allow_smtp_auth-mailbox = Demandez à votre administrateur d’activer « SMTP authentifié » pour cette boîte aux lettres : dans le Centre d’administration Microsoft 365, sous Utilisateurs actifs, l’utilisateur, Courrier, Gérer les applications de messagerie.
advice-other_account-any = Utilisez pour l’envoi un autre compte de messagerie, qui permet aux programmes de se connecter avec un mot de passe.
advice-ask_administrator = Demandez à votre administrateur un serveur par lequel les programmes peuvent envoyer, et montrez-lui ce message.
advice-allow_in_rules = Demandez à votre administrateur d’exempter cette boîte aux lettres de la règle qui bloque la connexion par mot de passe (paramètres de sécurité par défaut ou accès conditionnel).
advice-unlock_account = Connectez-vous sur le site web de votre fournisseur pour déverrouiller le compte.
advice-renew_password = Changez le mot de passe sur le site web de votre fournisseur, et saisissez le nouveau ici.
advice-switch_access_on = Activez l’accès des logiciels de messagerie (POP3, IMAP, SMTP) dans les paramètres de votre boîte aux lettres, sur le site web de votre fournisseur.
advice-allow_ip = Ajoutez l’adresse Internet de cet ordinateur aux adresses autorisées de votre compte, sur le site web du fournisseur.
advice-use_username_apikey = Utilisez le mot apikey comme nom d’utilisateur, et une clé créée chez { $provider } comme mot de passe.
advice-use_login_port = Utilisez le port 587 avec le chiffrement Automatique, ainsi que le nom d’utilisateur et le mot de passe de votre compte de messagerie.
advice-wait-seconds = { $count ->
    [one] Réessayez dans { $count } seconde.
   *[other] Réessayez dans { $count } secondes.
}
advice-wait-minutes = { $count ->
    [one] Réessayez dans { $count } minute.
   *[other] Réessayez dans { $count } minutes.
}
advice-wait-hours = { $count ->
    [one] Réessayez dans { $count } heure.
   *[other] Réessayez dans { $count } heures.
}
advice-try_tomorrow = Réessayez demain, ou demandez à votre fournisseur une limite plus élevée.
advice-open_link = Ouvrez la page que le serveur indique : elle explique la raison et ce qui peut être fait.
advice-other_programs = Fermez les autres programmes et appareils qui envoient par le même compte, ou attendez qu’ils aient fini.
advice-ask_recipient_other_address = Demandez une autre adresse au destinataire, par exemple par téléphone.
advice-free_space = Supprimez d’anciens e-mails de votre propre boîte aux lettres, y compris ceux qui ont été envoyés, ou demandez plus d’espace à votre fournisseur.
advice-verify_sender = Confirmez { $sender } comme expéditeur sur le site web de votre fournisseur, ou envoyez depuis une adresse qui y est confirmée.
advice-leave_test_mode = Demandez au fournisseur de mettre fin au mode de test de votre compte, ou envoyez uniquement à des adresses qui y sont confirmées.
advice-check_sender_domain = Vérifiez l’orthographe de la partie après le @ dans { $sender }.
advice-ask_domain = Demandez à la personne qui gère le domaine de l’adresse { $sender } d’autoriser { $host } à envoyer en son nom, ou envoyez par le serveur de ce domaine.
advice-ask_program = Demandez à l’éditeur du programme { $program } d’attribuer un nom correct à cet ordinateur.
advice-check_copy = Vérifiez l’adresse pour les copies dans les paramètres.
advice-fewer_recipients = Envoyez l’e-mail à moins de destinataires à la fois.
advice-tell_recipient_full = Prévenez le destinataire par un autre moyen que sa boîte aux lettres est pleine, et envoyez de nouveau l’e-mail plus tard.
advice-check_domain = Vérifiez l’orthographe de la partie après le @ dans { $recipient }.
advice-scan_files = Vérifiez les pièces jointes avec un antivirus avant de les envoyer à qui que ce soit.
advice-remove_attachment = Retirez la pièce jointe qui n’est pas un document, par exemple un programme ou une archive.
advice-change_words = Rédigez autrement l’objet et le texte, sans liens, puis envoyez de nouveau l’e-mail.

## The words of a user interface around the form and the email

word-settings_title = Paramètres de messagerie
word-loading = Chargement…
word-saved = Les paramètres sont enregistrés.
word-try_again = Réessayer
word-no_answer = { $program } ne répond pas. Rien n’a été modifié.
word-connection_lost = La connexion avec { $program } a été perdue. Réessayez pour voir la suite.
word-end_unknown = { $program } ne sait pas comment cela s’est terminé. Demandez au destinataire si l’e-mail est arrivé avant de l’envoyer de nouveau.
word-other_version = Une partie de ce formulaire est plus récente que cette page et ne peut pas être affichée en entier.
word-required = obligatoire
word-show_password = Afficher
word-hide_password = Masquer
word-use_proposal = Utiliser ces paramètres
word-provider_steps = Comment configurer { $provider }
word-open_page = Ouvrir la page
word-testing = Test en cours…
word-cancel = Annuler
word-canceling = Annulation…
word-close = Fermer
word-step_ok = réussi
word-step_failed = échec
word-step_skipped = non atteint
word-what_to_do = Que faire
word-apply = Appliquer
word-apply_and_test = Appliquer et tester à nouveau
word-server_said = Le serveur a répondu
word-details = Détails
word-certificate = Certificat
word-certificate_subject = Délivré à
word-certificate_issuer = Délivré par
word-certificate_valid = Valable
word-certificate_names = Noms
word-certificate_fingerprint = Empreinte SHA-256
word-accept_certificate = Accepter et tester à nouveau
word-signed_in_as = Connecté en tant que { $account }
word-sign_in_waiting = En attente de la connexion dans le navigateur…
word-sign_in_open = Ouvrir la page de connexion
word-sign_in_code = Saisissez-y ce code
word-email_title = Envoyer par e-mail
word-to = À
word-cc = Cc
word-bcc = Cci
word-show_cc_bcc = Cc et Cci
word-addresses_help = Plusieurs adresses sont séparées par des virgules.
word-subject = Objet
word-message = Message
word-write = Rédiger
word-preview = Aperçu
word-markdown_help = **Gras**, *italique*, listes et [liens](https://example.com) sont possibles.
word-document = Document
word-attachments = Pièces jointes
word-add_attachment = Ajouter un fichier
word-remove_attachment = Retirer { $file }
word-send = Envoyer
word-sending = Envoi…
word-before_sending = Avant d’envoyer
word-send_anyway = Envoyer quand même
word-recipient = Destinataire
word-outcome = Résultat
word-outcome_accepted = accepté
word-outcome_refused = refusé
word-outcome_deferred = pas maintenant
word-outcome_not_sent = non envoyé
word-outcome_uncertain = incertain
word-discard_question = Fermer sans envoyer ? Ce que vous avez écrit sera perdu.
word-discard = Fermer sans envoyer
word-keep_editing = Continuer
