### Every text that reaches a person, in Spanish. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Envío
field-protocol = Enviar mediante
choice-protocol-smtp = Mi proveedor de correo (SMTP)
choice-protocol-http = Un servicio web (retransmisión HTTP)
help-protocol = La mayoría de las personas elige su proveedor de correo.
field-http_server = Dirección del servicio web
help-http_server = La dirección que le dio el operador del servicio web.
placeholder-http_server = https://email.example.com/
field-http_token = Token de acceso
help-http_token = Solo si el operador del servicio web le dio uno.
field-smtp_host = Servidor SMTP
help-smtp_host = El nombre del servidor de correo saliente de su proveedor; por ejemplo, smtp.gmail.com, smtp.mail.yahoo.com o smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Puerto
help-smtp_port = Los habituales son 465 y 587. Las páginas de ayuda de su proveedor indican cuál usar.
placeholder-smtp_port = 587
field-smtp_security = Cifrado
help-smtp_security = Automático sirve para casi todos los servidores: TLS en el puerto 465 y STARTTLS en todos los demás. Una conexión que no se puede cifrar no se usa.
choice-smtp_security-auto = Automático (recomendado)
choice-smtp_security-tls = TLS desde el principio (habitual en el puerto 465)
choice-smtp_security-starttls = STARTTLS (habitual en el puerto 587)
choice-smtp_security-none = Ninguno: todo viaja de forma legible
field-allow_insecure_login = Enviar mi contraseña sin cifrar
help-allow_insecure_login = Cualquiera que esté en el camino hasta el servidor puede entonces leer la contraseña. Solo para un servidor de su propia red.
field-auth = Iniciar sesión con
choice-auth-password = Nombre de usuario y contraseña
choice-auth-oauth2 = Inicio de sesión con el proveedor (OAuth 2.0)
help-auth = Algunos proveedores, como Microsoft 365, solo permiten que los programas envíen después de iniciar sesión en su propia página.
field-username = Nombre de usuario
help-username = A menudo, su dirección de correo completa. Déjelo vacío si el servidor no pide inicio de sesión.
placeholder-username = name@example.com
field-mailbox = Otro buzón
help-mailbox = Solo si envía desde otro buzón que no es el suyo, por ejemplo uno compartido. La sesión se sigue iniciando con su propia cuenta.
placeholder-mailbox = oficina@example.com
field-email_address = Dirección de correo
help-email_address = La dirección desde la que se envían sus correos.
placeholder-email_address = name@example.com
field-password = Contraseña
help-password = La contraseña de esta cuenta de correo. Si ya hay una guardada, deje este campo vacío para conservarla.
help-password-app_password = { $provider } pide aquí una contraseña de aplicación, no la contraseña normal.
help-password-two_steps = Si la verificación en dos pasos está activada, { $provider } pide aquí una contraseña de aplicación, no la contraseña normal.
help-password-not_for_long = { $provider } está desactivando el inicio de sesión con contraseña para los programas de correo. Si la prueba se rechaza, pida a su administrador que lo permita (“SMTP autenticado”).
help-password-key = { $provider } pide aquí una clave, que se crea en su sitio web.
help-password-no_password = { $provider } ya no permite que los programas inicien sesión con una contraseña. Use otra cuenta de correo para enviar.
field-sender_name = Nombre del remitente
help-sender_name = El nombre que ven las personas a las que escribe; normalmente, el de su empresa.
field-send_copy = Enviar una copia de cada correo a esta dirección
help-send_copy = Para su propio archivo. Las personas a las que escribe no la ven.
field-copy_to = Dirección para las copias
help-copy_to = Si son varias direcciones, sepárelas con comas.
placeholder-copy_to = archive@example.com
field-different_reply_to = Recibir las respuestas en una dirección distinta de la de envío
help-different_reply_to = Las respuestas llegan entonces a la dirección de abajo.
field-reply_to = Dirección de respuesta
help-reply_to = Si son varias direcciones, sepárelas con comas.
placeholder-reply_to = office@example.com
field-allow_untrusted_certificate = Confiar en el certificado propio de este servidor
help-allow_untrusted_certificate = Solo para un servidor propio con un certificado autofirmado. Ejecute la prueba, compare la huella digital que se muestra y acéptela.
field-trusted_certificate = Huella digital del certificado
help-trusted_certificate = SHA-256. Se rellena cuando usted acepta el certificado que muestra la prueba; a partir de entonces solo se acepta ese certificado.
button-test = Probar la configuración de correo
button-update = Actualizar
button-sign_in = Iniciar sesión
button-sign_out = Cerrar sesión
button-email = Correo
page-signed_in-title = Sesión iniciada
page-signed_in = Puede cerrar esta página y volver a { $program }.
page-not_signed_in-title = Sesión no iniciada
page-not_signed_in = Vuelva a { $program }: allí se indica el motivo.

why_not-fields = Algunos campos todavía necesitan su atención.

## Providers: what to do there, step by step

proposal-provider = Use el servidor { $host } de { $provider } en el puerto { $port }.
proposal-autoconfig = { $domain } publica estos ajustes: { $host } en el puerto { $port }.
proposal-srv = { $domain } indica { $host } como su servidor para enviar correos.
proposal-mx = Los correos de { $domain } están alojados en { $provider }, y estos son sus ajustes.
proposal-probe = { $host } responde en el puerto { $port } con cifrado.

steps-required-1 = Inicie sesión en el sitio web de { $provider } y busque las contraseñas de aplicación en los ajustes de seguridad.
steps-required-2 = Cree una nueva y póngale el nombre { $program }.
steps-required-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-with_two_steps-1 = Si la verificación en dos pasos está activada en { $provider }, cree allí, en los ajustes de seguridad, una contraseña de aplicación con el nombre { $program }.
steps-with_two_steps-2 = Cópiela aquí en el campo de la contraseña. Sin verificación en dos pasos, escriba su contraseña normal.
steps-not_for_long-1 = Pida al administrador de su cuenta de { $provider } que permita a los programas iniciar sesión con una contraseña.
steps-not_for_long-2 = Escriba aquí la contraseña del buzón.
steps-no_password-1 = Use otra cuenta de correo para enviar: { $provider } no permite que los programas inicien sesión con una contraseña.
steps-key-1 = Inicie sesión en el sitio web de { $provider } y cree una clave o unas credenciales para SMTP.
steps-key-2 = Copie el nombre de usuario y la clave en los campos de aquí.
steps-none-1 = Escriba la contraseña con la que inicia sesión en { $provider }.
steps-unknown-1 = Compruebe en los ajustes de { $provider } si otros programas pueden enviar a través de su buzón.
steps-unknown-2 = Escriba la contraseña con la que inicia sesión. Si { $provider } tiene contraseñas de aplicación, cree una para { $program } y escriba esa.

steps-gmail-1 = Abra la página de seguridad de su cuenta de Google y active la verificación en dos pasos, si aún no lo está.
steps-gmail-2 = Abra Contraseñas de aplicaciones, escriba { $program } como nombre y elija Crear.
steps-gmail-3 = Copie las 16 letras que muestra Google aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-google-workspace-1 = Abra la página de seguridad de su cuenta de Google y active la verificación en dos pasos, si aún no lo está.
steps-google-workspace-2 = Abra Contraseñas de aplicaciones, escriba { $program } como nombre y elija Crear.
steps-google-workspace-3 = Copie las 16 letras que muestra Google aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-google-workspace-4 = Si no hay una página de contraseñas de aplicaciones, pida a su administrador de Google Workspace que las permita.
steps-outlook-personal-1 = Use otra cuenta de correo para enviar: { $provider } ya no permite que los programas inicien sesión con una contraseña.
steps-outlook-personal-2 = Para recibir de todos modos las respuestas en su dirección de { $provider }, escríbala como dirección de respuesta.
steps-microsoft365-1 = Abra el centro de administración de Microsoft 365 y elija Usuarios, Usuarios activos y el buzón desde el que envía { $program }. Si usted no es el administrador, pídaselo al suyo.
steps-microsoft365-2 = En la pestaña Correo elija Administrar aplicaciones de correo electrónico, marque SMTP autenticado y guarde los cambios.
steps-microsoft365-3 = Escriba aquí la dirección y la contraseña del buzón y pruebe la configuración.
steps-yahoo-1 = Inicie sesión y abra la página Seguridad de la cuenta.
steps-yahoo-2 = Elija Crear contraseña de aplicación (o Generar contraseña de aplicación), escriba { $program } como nombre de la aplicación y genere la contraseña.
steps-yahoo-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-att-1 = Inicie sesión en su cuenta de AT&T y cree una clave de correo segura (secure mail key) para su dirección.
steps-att-2 = Copie la clave aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-icloud-1 = Active la autenticación de doble factor para su cuenta de Apple, si aún no lo está.
steps-icloud-2 = Inicie sesión en account.apple.com, abra Inicio de sesión y seguridad, elija Contraseñas específicas de apps y cree una con el nombre { $program }.
steps-icloud-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-gmx-1 = Inicie sesión en el sitio web de { $provider } y permita el acceso por POP3 e IMAP en los ajustes del correo: también hace falta para enviar.
steps-gmx-2 = Si la autenticación de dos factores está activada, cree en la parte de seguridad de su cuenta una contraseña específica de aplicación.
steps-gmx-3 = Escriba aquí esa contraseña. Sin autenticación de dos factores, escriba la normal.
steps-tonline-1 = Inicie sesión en el centro de clientes de Telekom y establezca una contraseña para programas de correo.
steps-tonline-2 = Escriba aquí esa contraseña: no es la que usa para iniciar sesión.
steps-fastmail-1 = Inicie sesión en Fastmail y abra Settings, Privacy & Security y luego Integrations (o Connected apps).
steps-fastmail-2 = Elija New app password, escriba { $program } como nombre y deje activado el acceso al correo.
steps-fastmail-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña.
steps-zoho-1 = Inicie sesión en su cuenta de Zoho y abra Security y luego App Passwords.
steps-zoho-2 = Elija Generate New Password y escriba { $program } como nombre.
steps-zoho-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña. Sin autenticación multifactor, también sirve la normal.
steps-proton-1 = Compruebe que tiene una dirección con dominio propio y un plan con SMTP: con otros no es posible enviar.
steps-proton-2 = Abra IMAP/SMTP en los ajustes, elija Generar token, escriba { $program } como nombre y seleccione la dirección.
steps-proton-3 = Escriba aquí esa dirección como nombre de usuario y copie el token en el campo de la contraseña.
steps-yandex-1 = Abra los ajustes de Yandex Mail, elija Email clients y permita el acceso con contraseñas de aplicación.
steps-yandex-2 = Abra App passwords en su Yandex ID y cree una para Mail con el nombre { $program }.
steps-yandex-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-mailru-1 = Inicie sesión en su cuenta de Mail.ru y abra los ajustes de seguridad y luego las contraseñas para aplicaciones externas.
steps-mailru-2 = Añada una con el nombre { $program } y dele acceso al correo por IMAP, POP y SMTP.
steps-mailru-3 = Copie la contraseña que se muestra aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-qq-1 = Inicie sesión en QQ Mail, abra los ajustes y luego la cuenta, y active el servicio POP3/IMAP/SMTP.
steps-qq-2 = Genere un código de autorización y confírmelo con su teléfono.
steps-qq-3 = Copie el código aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-netease-1 = Inicie sesión en su buzón, abra los ajustes y luego POP3/SMTP/IMAP, y active SMTP.
steps-netease-2 = Cree un código de autorización y confírmelo con su teléfono.
steps-netease-3 = Copie el código aquí en el campo de la contraseña, en lugar de su contraseña normal.
steps-no_programs-1 = Use otra cuenta de correo para enviar: { $provider } solo se puede usar en sus propias aplicaciones.
steps-no_programs-2 = Para recibir de todos modos las respuestas en su dirección de { $provider }, escríbala como dirección de respuesta.
steps-sendgrid-1 = Inicie sesión en SendGrid y cree una clave de API con el nombre { $program } y con permiso para enviar correo.
steps-sendgrid-2 = Escriba aquí la palabra apikey como nombre de usuario.
steps-sendgrid-3 = Copie la clave en el campo de la contraseña.
steps-mailgun-1 = Inicie sesión en Mailgun, abra Sending y luego Domain settings, elija su dominio y abra SMTP credentials.
steps-mailgun-2 = Escriba aquí completo, como nombre de usuario, el login que se muestra.
steps-mailgun-3 = Restablezca allí su contraseña y copie la nueva en el campo de la contraseña.
steps-postmark-1 = Inicie sesión en Postmark, abra su servidor y luego API Tokens, y copie el token de API del servidor.
steps-postmark-2 = Escriba el token aquí dos veces: como nombre de usuario y como contraseña.
steps-ses-1 = Abra la consola de SES en la región desde la que envía, luego SMTP settings, y elija Create SMTP credentials.
steps-ses-2 = Copie el nombre de usuario de SMTP y la contraseña de SMTP en los campos de aquí. No son sus claves de acceso de AWS.
steps-ses-3 = Compruebe que el servidor de aquí es el de esa región.
steps-brevo-1 = Inicie sesión en Brevo y abra SMTP y API, y luego la pestaña SMTP.
steps-brevo-2 = Escriba aquí como nombre de usuario el login que se muestra allí.
steps-brevo-3 = Genere una clave SMTP con el nombre { $program } y cópiela en el campo de la contraseña. Una clave de API no funciona aquí.
steps-resend-1 = Inicie sesión en Resend y cree una clave de API con el nombre { $program } y con acceso de envío.
steps-resend-2 = Escriba aquí la palabra resend como nombre de usuario.
steps-resend-3 = Copie la clave en el campo de la contraseña.
steps-mailjet-1 = Inicie sesión en Mailjet y abra la página de sus claves de API.
steps-mailjet-2 = Escriba aquí la clave de API como nombre de usuario y la clave secreta como contraseña.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Este servidor es para recibir correos. Para enviarlos, use el servidor { $host } de { $provider }.
warning-port_25 = El puerto 25 es para el correo entre servidores, y muchos proveedores de Internet lo bloquean. Use 587 o 465 si su proveedor los ofrece.
warning-no_encryption = Sus correos, y los documentos que contienen, viajan de forma legible para cualquiera que esté en el camino.
warning-own_certificate = Solo se confía en el certificado que tiene esta huella digital. Cuando el servidor reciba uno nuevo, ejecute la prueba otra vez y acéptelo.

fault-required = Este dato es necesario.
fault-required-http_server = Escriba la dirección del servicio web.
fault-required-smtp_host = Escriba el nombre del servidor SMTP de su proveedor.
fault-required-smtp_port = Escriba el puerto: 587 o 465 con la mayoría de los proveedores.
fault-required-username = Escriba la dirección de correo de la cuenta que inicia sesión.
fault-required-email_address = Escriba la dirección de correo desde la que envía.
fault-required-password = Escriba la contraseña de esta cuenta.
fault-required-copy_to = Escriba la dirección que recibe las copias o desmarque la casilla que la pide.
fault-required-reply_to = Escriba la dirección a la que deben llegar las respuestas.
fault-required-trusted_certificate = Ejecute la prueba y acepte el certificado que se muestra, o desmarque la casilla que lo pide.
fault-password_again = La contraseña guardada corresponde a otro servidor, puerto, cifrado o nombre de usuario. Escriba la contraseña otra vez.
fault-password_without_username = Escriba el nombre de usuario que corresponde a la contraseña o borre la contraseña.
fault-token_in_clear = Sin cifrado, el inicio de sesión viajaría de forma legible. Elija otro cifrado.
fault-not_signed_in = Inicie sesión primero: esta cuenta aún no tiene ninguna sesión.
fault-sign_in_settings_changed = Los ajustes se cambiaron entretanto, por lo que este inicio de sesión no se guardó. Inicie sesión de nuevo.
fault-no_sign_in_here = No se conoce ningún inicio de sesión del proveedor para este servidor. Use el nombre de usuario y la contraseña.
fault-no_client = { $program } todavía no puede iniciar sesión en { $provider }: su fabricante tiene que registrarlo allí primero.
fault-choice_unknown = { $value } no es una de las opciones: { $choices }.
fault-host_has_scheme = Quite “{ $scheme }”: aquí solo va el nombre del servidor; por ejemplo, smtp.example.com.
fault-host_has_port = Quite “:{ $port }” de aquí: el puerto tiene su propio campo.
fault-host_has_path = Quite todo a partir de “/”: aquí solo va el nombre del servidor.
fault-host_has_space = El nombre de un servidor no contiene espacios.
fault-host_is_address = Esto es una dirección de correo. Aquí se necesita el nombre del servidor; por ejemplo, smtp.example.com.
fault-host_invalid = Esto no es el nombre de un servidor. Su forma es como la de smtp.example.com.
fault-port_invalid = El puerto es un número entero del 1 al 65535; los habituales son 587 y 465.
fault-url_invalid = Esto no es una dirección web. Su forma es como la de https://email.example.com/.
fault-url_not_web = Aquí solo funcionan direcciones https://.
fault-url_not_secure = El documento viajaría sin cifrar: use https:// en lugar de http://.
fault-url_has_login = Quite el nombre y la contraseña de la dirección: el token tiene su propio campo.
fault-username_control = El nombre de usuario contiene un salto de línea u otro carácter invisible. Escríbalo de nuevo en lugar de pegarlo.
fault-secret_control = El texto contiene un salto de línea u otro carácter invisible. Escríbalo de nuevo en lugar de pegarlo.
fault-fingerprint_invalid = Una huella digital SHA-256 tiene 64 dígitos, del 0 al 9 y de la A a la F.
fault-insecure_login = Sin cifrado, la contraseña viajaría de forma legible. Elija otro cifrado o marque esta casilla si es lo que desea.
fault-established_provider = Desmarque esta casilla: { $provider } tiene un certificado reconocido y, si se rechaza, es que algo en el camino recibiría su contraseña.
fault-too_long_text = Este texto es demasiado largo: caben como máximo { $limit } caracteres.

fault-too_long = { $bytes } bytes son demasiados: se admiten como máximo { $limit }.
fault-bad_json = Esto no es JSON: el error está en la línea { $line }, columna { $column }.
fault-wrong_type = Tipo esperado: { $expected }; tipo recibido: { $found }.
type-an_object = un objeto
type-text = texto
type-true_or_false = true o false
type-true_or_false_or_an_object = true, false o un objeto
type-a_number = un número
type-a_list = una lista
type-text_or_a_list_of_texts = texto o una lista de textos
type-a_number_or_text = un número o texto
type-a_host_name = un nombre de servidor
type-a_link_or_null = un enlace o null
type-null = null
fault-out_of_range = El valor debe estar entre { $least } y { $most }.
fault-unknown_key = Esta clave no existe.
fault-unknown_key_near = Esta clave no existe. ¿Se refiere a { $nearest }?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf es NULL y email_json no tiene document.path: indique los bytes del PDF o la ruta de su archivo.
   *[other] { $argument } es NULL.
}
call-bad_utf8 = { $argument } no está en UTF-8: el primer byte incorrecto está en la posición { $position }.
call-null_with_length = { $argument } es NULL, pero su longitud es de { $length } bytes.
call-bad_length = { $argument } tiene { $bytes } bytes, más de los que este equipo puede copiar en memoria.
fault-key_needs_store = Esto no tiene efecto sin store.
fault-one_key_only = Solo se puede indicar una de las opciones key, passphrase y keychain.
fault-wrong_type_expected = Tipo esperado: { $expected }.

fault-control_character = Este texto contiene un carácter que no se puede enviar ({ $character }); por ejemplo, un salto de línea. Escríbalo de nuevo en lugar de pegarlo.
fault-bidi_character = Este texto contiene un carácter invisible que cambia la dirección de la escritura ({ $character }). Escríbalo de nuevo en lugar de pegarlo.

fault-address_empty = Aquí falta una dirección.
fault-address_no_at = { $address } no es una dirección de correo: falta la “@”.
fault-address_several_at = { $address } no es una dirección de correo: tiene más de una “@”.
fault-address_missing_separator = { $address }: ponga una coma entre dos direcciones.
fault-address_no_local = { $address } no es una dirección de correo: falta la parte anterior a la “@”.
fault-address_no_domain = { $address } no es una dirección de correo: falta la parte posterior a la “@”.
fault-address_space = { $address } no es una dirección de correo: contiene un espacio.
fault-address_invisible_character = La dirección contiene un carácter invisible ({ $character }). Escríbala de nuevo en lugar de pegarla.
fault-address_local_too_long = La parte anterior a la “@” es demasiado larga: tiene { $bytes } bytes y se admiten como máximo { $limit }.
fault-address_too_long = La dirección es demasiado larga: tiene { $bytes } bytes y se admiten como máximo { $limit }.
fault-address_bad_domain = { $domain } no es el dominio de una dirección de correo.
fault-address_bad_local = { $local } no puede ir antes de la “@” de una dirección de correo.
fault-mailbox_quote = { $text }: falta una comilla.
fault-mailbox_bracket = { $text }: la dirección debe ir entre “<” y “>”.
fault-mailbox_text_after_address = { $text }: después de “>” no puede ir nada.
fault-mailbox_missing_separator = { $text }: ponga una coma entre dos direcciones.
fault-too_many_recipients = { $number } destinatarios son demasiados para un solo correo: se admiten como máximo { $limit }.
fault-one_address_only = Escriba una sola dirección.
fault-no_recipients = Escriba al menos un destinatario.
fault-header_too_long = Este texto es demasiado largo para un correo: tiene { $bytes } bytes y se admiten como máximo { $limit }.
fault-file_name_empty = El archivo necesita un nombre.
fault-file_name_dots = “{ $name }” no es un nombre de archivo.
fault-file_name_separator = Un nombre de archivo no puede contener “{ $character }”.
fault-file_name_encoded_word = Un nombre de archivo no puede contener “=?”: algunos programas de correo mostrarían otro nombre.
fault-file_name_too_long = El nombre del archivo es demasiado largo: tiene { $bytes } bytes y se admiten como máximo { $limit }.
fault-file_missing = No se encuentra el archivo { $path }.
fault-file_is_folder = { $path } es una carpeta, no un archivo.
fault-file_not_regular = { $path } no es un archivo normal.
fault-file_changed = El archivo { $path } cambió mientras se leía. Inténtelo de nuevo cuando esté completo.
fault-file_unreadable = No se puede leer el archivo { $path }: { $error }.
fault-files_too_large = El documento y los archivos adjuntos son demasiado grandes en conjunto: se admiten como máximo { $limit } bytes.
fault-files_no_memory = No hay memoria suficiente para { $bytes } bytes.
fault-pdf_empty = El PDF está vacío: no tiene ningún byte.
fault-pdf_not_a_pdf = Esto no es un PDF: no aparece “%PDF-” en sus primeros 1024 bytes.
fault-document_twice = Indique los bytes del PDF o la ruta de su archivo, pero no ambas cosas.
fault-attachment_twice = Indique path o base64, pero no ambos.
fault-attachment_missing = Es necesario indicar path o base64.
fault-file_name_missing = Un archivo adjunto indicado como base64 necesita un file_name.
fault-base64_bad = Esto no es base64.
fault-type_bad = { $type } no es un tipo de medio como application/pdf.
fault-type_composite = { $type } no se puede enviar como tipo de un archivo adjunto; use application/octet-stream.
fault-body_twice = Indique body, o bien body_html junto con body_text.
fault-body_text_missing = body_html necesita ir acompañado de body_text, para los lectores que no muestran HTML.
fault-body_html_missing = body_text va junto con body_html; use body si solo hay texto.
fault-idempotency_key_bad = La clave consta de 1 a { $limit } caracteres ASCII visibles.
fault-access_token_bad = Un token de acceso consta de 1 a { $limit } caracteres ASCII visibles.
fault-access_token_unused = Estos ajustes no usan ningún token de acceso: auth no es oauth2.
fault-sign_in_unused = Estos ajustes no tienen inicio de sesión del proveedor: auth no es oauth2.
fault-flow_unknown = El valor es browser, redirect, device o client_credentials.
fault-redirect_uri_bad = Para redirect hace falta una dirección https:// propia; para los demás valores, no.
fault-sign_in_unknown = No existe ese inicio de sesión: ya se terminó, o se empezó con otro objeto de cuenta o en otro proceso.
fault-callback_bad = Esta no es la dirección a la que el proveedor envió el navegador para este inicio de sesión.
fault-no_randomness = El sistema no dio los números aleatorios que necesita cada correo. Inténtelo de nuevo.

fault-key_invalid = La clave no son 32 bytes en base64.
fault-passphrase_empty = La frase de contraseña está vacía.
fault-ca_file_unreadable = No se puede leer el archivo de certificados: { $detail }.
fault-ca_file_invalid = No se puede usar un certificado de este archivo: { $detail }.
fault-ca_file_empty = No hay ningún certificado en este archivo. Debe estar en formato PEM.
fault-store_empty = La ruta del archivo de configuración está vacía.
fault-program_name_empty = El nombre del programa está vacío.
fault-key_missing = Este elemento es obligatorio.
fault-host_name_invalid = Esto no es el nombre de un servidor ni de un dominio.
fault-link_invalid = Esto no es la dirección de una página web que empiece por https:// y no contenga datos de inicio de sesión.
fault-provider_twice = Ya hay otra fila con el id { $id }.
fault-locale_invalid = Esto no es un código de idioma como en, ro o pt-BR.
fault-text_syntax = El texto { $id } no está escrito en Fluent, en la línea { $line }: { $detail }.
fault-text_unknown = No hay ningún texto con el identificador { $id } (línea { $line }).
fault-text_twice = El texto { $id } aparece dos veces (línea { $line }).
fault-text_word = El texto { $id } (línea { $line }) usa { $word }, que no existe para él.
fault-hello_name_invalid = Esto no es un nombre de host que se pueda enviar con EHLO.
fault-proxy_invalid = { $variable ->
    [none] Esto no es la dirección de un proxy. Su forma es como la de socks5://proxy.example.com:1080 o http://user:password@proxy.example.com:3128, o bien es la palabra environment.
   *[other] La variable de entorno { $variable } no es la dirección de un proxy. Su forma es como la de socks5://proxy.example.com:1080 o http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Los proxies con { $scheme }:// no se pueden usar aquí: indique uno con socks5:// o http://.
   *[other] La variable de entorno { $variable } indica un proxy con { $scheme }://, que no se puede usar aquí: indique uno con socks5:// o http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] El nombre de usuario o la contraseña del proxy no se pueden usar: cada uno tiene como máximo 255 bytes y ningún salto de línea, y los caracteres especiales de las direcciones web se escriben como en ellas; por ejemplo, %40 en lugar de @.
   *[other] El nombre de usuario o la contraseña del proxy en la variable de entorno { $variable } no se pueden usar: cada uno tiene como máximo 255 bytes y ningún salto de línea, y los caracteres especiales de las direcciones web se escriben como en ellas; por ejemplo, %40 en lugar de @.
}

fault-nameserver_invalid = Esto no es la dirección de un servidor de nombres. Tiene la forma 192.0.2.53 o 127.0.0.1:5353.

discovery-nothing = No se encontraron ajustes para { $domain }: están en las páginas de ayuda de su proveedor.
discovery-canceled = Se canceló la búsqueda de ajustes.

settings-faults = { $count ->
    [one] { $label }: { $message }
   *[other] { $count } campos necesitan su atención. El primero es { $label }: { $message }
}
email-faults = El correo no se puede enviar así. { $message }
not_configured = El correo todavía no está configurado. Complete primero la configuración de correo.

## The store

protection-memory = La configuración se guarda solo en memoria y desaparece cuando se cierra { $program }.
protection-given_key = La contraseña está cifrada en el archivo de configuración con una clave que guarda { $program }.
protection-passphrase = La contraseña está cifrada en el archivo de configuración con una clave creada a partir de una frase de contraseña.
protection-keychain = La contraseña está cifrada en el archivo de configuración con una clave del llavero del sistema.
protection-key_file = La contraseña está cifrada en el archivo de configuración. La clave está al lado, en un archivo que solo puede leer este usuario: quien pueda leer los dos archivos puede leer la contraseña.

store-damaged = El archivo de configuración { $path } está dañado ({ $detail }). Se dejó como está. Borre la configuración y vuelva a escribirla, o restaure el archivo desde una copia de seguridad.
store-tampered = El archivo de configuración { $path } fue modificado por algo distinto de { $program }. Por seguridad no se usa, y se dejó como está. Borre la configuración y vuelva a escribirla, o restaure el archivo desde una copia de seguridad.
store-wrong_key = El archivo de configuración { $path } no se puede abrir con esta clave ({ $detail }). Se dejó como está.
store-newer = El archivo de configuración { $path } fue escrito por una versión más reciente de { $program }. Se dejó como está. Actualice { $program }.
store-no_folder = No se puede usar la carpeta { $path } del archivo de configuración: { $detail }.
store-unreadable = No se puede leer el archivo de configuración { $path }: { $detail }.
store-unwritable = No se pudo guardar la configuración en { $path }: { $detail }. La configuración anterior sigue vigente.
store-busy = Otro programa está guardando la configuración en { $path } en este momento. Inténtelo de nuevo.
store-key_file_exposed = El archivo de clave { $path } puede ser leído por otros usuarios de este equipo, de modo que no protege nada. Haga que solo pueda leerlo su propietario.
store-key_missing = Falta el archivo de clave { $path } que abre la configuración. Restáurelo desde una copia de seguridad, o borre la configuración y vuelva a escribirla.
store-no_keychain = No se puede usar el llavero del sistema: { $detail }.

## The Email button

kind-invoice = Factura
kind-quote = Presupuesto
kind-order = Pedido
kind-credit_note = Nota de crédito
kind-delivery_note = Nota de entrega
kind-receipt = Recibo
kind-reminder = Recordatorio de pago
kind-statement = Estado de cuenta
kind-payslip = Recibo de nómina
kind-report = Informe
kind-document = Documento
button-subject = { $document }
button-subject_from = { $document } de { $sender }
button-body =
    Hola, { $name }:

    Le enviamos adjunto lo siguiente: { $document }.
button-body_no_name =
    Hola:

    Le enviamos adjunto lo siguiente: { $document }.
button-closing =
    Saludos cordiales,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } no parece la dirección correcta. ¿Se trata de { $meant }?
check-recipient_twice = { $address } está dos veces entre los destinatarios.
check-no_subject = El correo no tiene asunto.
check-no_body = El correo no tiene texto.
check-placeholder = { $placeholder } parece un campo que quedó sin rellenar.
check-other_provider = { $sender } es una dirección de { $provider }, pero el correo sale a través de { $other }: muchos servidores toman esos correos por falsos. Envíe a través de { $provider } o desde otra dirección.
check-over_size_limit = El correo ocupa { $size }, y el máximo de { $provider } es { $limit }. Reduzca el tamaño de los archivos adjuntos o envíe en su lugar un enlace.
check-over_recipient_limit = El correo tiene { $number } destinatarios, y el máximo de { $provider } es { $limit }. Envíelo por partes, a unos cuantos cada vez.
check-no_reply_to = Las respuestas a este correo llegan a { $sender }, donde probablemente nadie las lee. Escriba una dirección de respuesta.

## The test mail

test_subject = Correo de prueba de { $program }
test_body =
    Este es un correo de prueba de { $program }.

    Si puede leerlo, su configuración de correo funciona.

## Progress

step-turn = Esperando a que se envíen antes otros correos
step-sign_in = Renovando el inicio de sesión
step-name = Buscando el servidor
step-connect = Conectando
step-proxy = Conectando a través del proxy
step-tls = Cifrando la conexión
step-greeting = Saludando al servidor
step-login = Iniciando sesión
step-sender = Indicando el remitente
step-recipient = Indicando los destinatarios
step-content = Enviando
step-verdict = Esperando la respuesta del servidor

## What happened

problem-accepted = El servidor aceptó el correo.
problem-accepted_partly = El servidor aceptó el correo para algunos de los destinatarios y rechazó los demás.
test-accepted = La configuración funciona: el servidor aceptó un correo de prueba para { $recipient }.
problem-name_not_found = No se encontró el servidor { $host }. El correo no se envió.
problem-name_lookup_failed = No se pudo buscar el nombre { $host }: parece que no hay conexión a Internet. El correo no se envió.
problem-no_route = No hay ningún camino desde este equipo hasta { $host }: la red no funciona o no está conectada. El correo no se envió.
problem-connection_refused = { $host } rechazó la conexión en el puerto { $port }. El correo no se envió.
step-repair = Probando otros puertos
problem-connection_failed = No se pudo establecer la conexión con { $host } en el puerto { $port }. El correo no se envió.
problem-timed_out = { $step ->
    [name] No se pudo encontrar el nombre { $host } a tiempo. El correo no se envió.
    [connect] { $host } no responde en el puerto { $port }. El correo no se envió.
    [content] { $host } dejó de recibir el correo antes de que estuviera completo. No se envió.
   *[other] { $host } dejó de responder. El correo no se envió.
}
problem-out_of_time = El envío tardó más de lo permitido. El correo no se envió.
problem-disconnected = { $step ->
    [content] { $host } cerró la conexión antes de que el correo estuviera completo. No se envió.
   *[other] { $host } cerró la conexión. El correo no se envió.
}
problem-name_not_found-proxy = No se encontró el proxy { $proxy }. El correo no se envió.
problem-name_lookup_failed-proxy = No se pudo buscar el nombre del proxy { $proxy }: parece que no hay conexión de red. El correo no se envió.
problem-no_route-proxy = No hay ningún camino desde este equipo hasta el proxy { $proxy }: la red no funciona o no está conectada. El correo no se envió.
problem-connection_refused-proxy = El proxy { $proxy } rechazó la conexión. El correo no se envió.
problem-connection_failed-proxy = No se pudo establecer la conexión con el proxy { $proxy }. El correo no se envió.
problem-timed_out-proxy = { $step ->
    [name] No se pudo encontrar el nombre del proxy { $proxy } a tiempo. El correo no se envió.
    [connect] El proxy { $proxy } no responde. El correo no se envió.
   *[other] El proxy { $proxy } no se conectó a tiempo con { $host }. El correo no se envió.
}
problem-disconnected-proxy = El proxy { $proxy } cerró la conexión en lugar de conectarse con { $host }. El correo no se envió.
problem-bad_reply-proxy = La respuesta recibida de { $proxy } no es la que daría un proxy del tipo configurado. El correo no se envió.
problem-proxy_login_refused = El proxy { $proxy } pide un nombre de usuario y una contraseña, u otros distintos de los configurados. El correo no se envió.
problem-proxy_failed = El proxy { $proxy } no se conectó con { $host } en el puerto { $port }. El correo no se envió.
problem-bad_reply = La respuesta recibida de { $host } en el puerto { $port } no es la que se esperaba. El correo no se envió.

problem-tls_failed = No se pudo establecer una conexión cifrada con { $host }. No se envió ninguna contraseña ni el correo.
problem-tls_not_spoken = { $host } no usa TLS desde el principio en el puerto { $port }. No se envió ninguna contraseña ni el correo.
problem-tls_too_old = { $host } solo conoce un cifrado demasiado antiguo para ser seguro. No se envió ninguna contraseña ni el correo.
problem-tls_not_offered = { $host } no ofrece cifrado en el puerto { $port }. No se envió ninguna contraseña ni el correo.
problem-tls_refused = { $host } rechazó iniciar el cifrado. No se envió ninguna contraseña ni el correo.
problem-bytes_before_tls = Algo en el camino hasta { $host } interfirió en el inicio del cifrado. No se envió ninguna contraseña ni el correo.
problem-certificate_untrusted = El certificado de { $host } no procede de una autoridad en la que confía este equipo. No se envió ninguna contraseña ni el correo.
problem-certificate_expired = El certificado de { $host } ha caducado ({ $expires }). No se envió ninguna contraseña ni el correo.
problem-certificate_not_yet_valid = El certificado de { $host } solo es válido a partir de esta fecha: { $begins }. No se envió ninguna contraseña ni el correo.
problem-certificate_wrong_name = { $names_known ->
    [yes] El certificado que muestra { $host } pertenece a otro nombre ({ $names }). No se envió ninguna contraseña ni el correo.
   *[other] El certificado que muestra { $host } no es para este nombre. No se envió ninguna contraseña ni el correo.
}
problem-certificate_invalid = No se puede aceptar el certificado de { $host }. No se envió ninguna contraseña ni el correo.
problem-certificate_changed = { $host } muestra un certificado distinto del que usted aceptó. No se envió ninguna contraseña ni el correo.
problem-login_in_clear = La conexión con { $host } no está cifrada, por lo que no se envió la contraseña. Tampoco se envió el correo.
problem-token_in_clear = La conexión con { $host } no está cifrada, así que el inicio de sesión no se transmitió. El correo no se envió.
problem-login_server_unproven = { $host } no demostró que conoce su contraseña, por lo que es posible que alguien se haya interpuesto. No se envió la contraseña ni el correo.

problem-encryption_required = { $host } exige una conexión cifrada. El correo no se envió.
problem-login_refused = { $host } no aceptó el nombre de usuario y la contraseña. El correo no se envió.
problem-login_not_offered = { $host } no admite inicio de sesión en el puerto { $port }, pero hay un nombre de usuario configurado. El correo no se envió.
problem-login_unsupported = { $host } no ofrece ninguna forma de iniciar sesión con contraseña que conozca { $program }. El correo no se envió.
problem-login_required = { $host } exige iniciar sesión antes de aceptar correos. El correo no se envió.
problem-token_refused = { $provider } no permitió el inicio de sesión de { $username }.
problem-http_unauthorized = El servicio web denegó el acceso. El correo no se envió.

problem-server_busy = { $host } no acepta correos de este equipo en este momento. El correo no se envió.
problem-login_deferred = { $host } no pudo comprobar el inicio de sesión en este momento. El correo no se envió.
problem-sender_deferred = { $host } no acepta correos de { $sender } en este momento. El correo no se envió.
problem-recipient_deferred = { $host } no acepta correos para { $recipient } en este momento. El correo no se envió a nadie.
problem-recipient_deferred-copy = { $host } no acepta en este momento correos para { $recipient }, que es su dirección para las copias. El correo no se envió a nadie.
problem-content_deferred = { $host } no aceptó el correo en este momento. No se envió.
problem-http_busy = El servicio web está demasiado ocupado en este momento. El correo no se envió.

problem-server_refused = { $host } rechazó comunicarse con este equipo. El correo no se envió.
problem-sender_refused = { $host } no acepta correos de { $sender }. El correo no se envió.
problem-recipient_refused = { $host } rechazó al destinatario { $recipient }. El correo no se envió a nadie.
problem-recipient_refused-copy = { $host } rechazó { $recipient }, que es su dirección para las copias. El correo no se envió a nadie.
problem-content_refused = { $host } rechazó el correo. No se envió.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] El correo es demasiado grande: ocupa { $size }, y el máximo de { $host } es { $limit }. No se envió.
   *[other] El correo es demasiado grande para { $host }. No se envió.
}
problem-address_not_supported = { $host } no puede tratar una dirección que tenga antes de la @ letras distintas de la A a la Z. El correo no se envió.
problem-http_refused = El servicio web informó de un error.
problem-http_not_found = No hay ningún servicio de correo en esta dirección web. El correo no se envió.
problem-http_redirected = El servicio web quiere enviar el documento a otra dirección, lo que no se hace por seguridad. El correo no se envió.

problem-file_changed = El archivo del documento fue modificado, sustituido o eliminado antes de que el correo estuviera completo. No se envió.
problem-file_unreadable = No se pudo leer el archivo del documento. El correo no se envió.

problem-no_verdict = El correo se transmitió completo a { $host }, pero no se sabe si fue aceptado. Puede que se haya entregado o puede que no, y no se vuelve a enviar automáticamente.
problem-canceled = Se canceló el envío. No se envió nada.
problem-internal = Algo falló dentro de mailbutton. Es un error de mailbutton.

# Connecting
problem-no_network = No se puede acceder a { $host }, aunque el nombre es correcto: parece que este equipo no tiene conexión a Internet. El correo no se envió.
problem-blocked_on_this_computer = Este equipo no permite que { $program } se conecte con { $host }. El correo no se envió.
problem-port_25_blocked = No se puede acceder a { $host } en el puerto 25, que la mayoría de los proveedores de Internet bloquean. El correo no se envió.
problem-imap_port = El puerto { $port } de { $host } es para recibir correos (IMAP), no para enviarlos. El correo no se envió.
problem-pop3_port = El puerto { $port } de { $host } es para recibir correos (POP3), no para enviarlos. El correo no se envió.
problem-web_port = El puerto { $port } de { $host } es para páginas web, no para enviar correos. El correo no se envió.
problem-not_a_mail_server = Lo que responde en el puerto { $port } de { $host } no es un servidor de correo. El correo no se envió.
problem-tls_from_the_start = { $host } espera el cifrado desde el principio en el puerto { $port }, y la configuración empieza sin él. No se envió ninguna contraseña ni el correo.
problem-clear_at_the_start = { $host } empieza sin cifrado en el puerto { $port } y cambia después (STARTTLS), y la configuración cifra desde el principio. No se envió ninguna contraseña ni el correo.
problem-port_closed = { $host } rechazó la conexión en el puerto { $port }, lo que no es habitual en { $provider }: es posible que algo en el camino la bloquee. El correo no se envió.
problem-port_silent = { $host } no responde en el puerto { $port }: puede que el puerto sea otro o que algo en el camino lo bloquee. El correo no se envió.
problem-greeting_missing = { $host } aceptó la conexión en el puerto { $port } y después no dijo nada. El correo no se envió.
problem-cut_off = La conexión con { $host } en el puerto { $port } se cortó justo al principio. El correo no se envió.
problem-queue_too_long = Este correo esperó demasiado tiempo a que se enviaran los anteriores. No se envió.

# Encryption
problem-starttls_hidden = Algo en el camino hasta { $host } oculta el cifrado que ofrece el servidor. No se envió ninguna contraseña ni el correo.
problem-tls_not_ready = { $host } no puede cifrar la conexión en este momento. No se envió ninguna contraseña ni el correo.
problem-starttls_broken = { $host } aceptó cifrar la conexión, pero después no lo hizo. No se envió ninguna contraseña ni el correo.
problem-client_certificate_wanted = { $host } solo admite programas que muestran un certificado propio. No se envió ninguna contraseña ni el correo.
problem-intercepted_by_antivirus = Un antivirus ({ $issuer }) abrió la conexión cifrada con { $host } y puso en ella su propio certificado. No se envió ninguna contraseña ni el correo.
problem-intercepted_by_firewall = El firewall de esta red ({ $issuer }) abrió la conexión cifrada con { $host } y puso en ella su propio certificado. No se envió ninguna contraseña ni el correo.
problem-captive_portal = En lugar de { $host } respondió un dispositivo de esta red: probablemente la red pide que usted inicie sesión primero. No se envió ninguna contraseña ni el correo.
problem-clock_wrong = El certificado de { $host } no concuerda con la fecha de este equipo, que puede no ser correcta. No se envió ninguna contraseña ni el correo.
problem-certificate_not_the_providers = El certificado recibido no es el de { $provider }: algo entre este equipo y el servidor { $host } puso el suyo. No se envió ninguna contraseña ni el correo.
problem-certificate_self_signed = { $host } muestra un certificado firmado por él mismo, de modo que nadie lo avala. No se envió ninguna contraseña ni el correo.

# Login
problem-sign_in_blocked = { $host } pide que usted confirme primero el inicio de sesión en un navegador web. El correo no se envió.
problem-smtp_auth_off_tenant = Su organización desactivó el envío con contraseña (“SMTP autenticado”) en Microsoft 365. El correo no se envió.
problem-smtp_auth_off_mailbox = El envío con contraseña (“SMTP autenticado”) está desactivado para este buzón en Microsoft 365. El correo no se envió.
problem-password_login_over = { $host } ya no permite que los programas inicien sesión con una contraseña. El correo no se envió.
problem-blocked_by_sign_in_rules = Una regla de seguridad de su organización no permite este inicio de sesión. El correo no se envió.
problem-account_locked = { $host } indica que esta cuenta está bloqueada. El correo no se envió.
problem-password_expired = { $host } indica que la contraseña ha caducado. El correo no se envió.
problem-sign_in_scope = El inicio de sesión en { $host } no permite que { $program } envíe correos. El correo no se envió.
problem-sign_in_again = { $host } ya no acepta el inicio de sesión de { $username }. El correo no se envió.
problem-sign_in_refused = { $host } no aceptó el inicio de sesión de { $username }. El correo no se envió.
problem-sign_in_expired = El inicio de sesión de { $username } en { $provider } ha caducado.
problem-sign_in_denied = El inicio de sesión se rechazó en la página de { $provider }.
problem-sign_in_busy = El inicio de sesión de { $provider } no está disponible en este momento.
problem-sign_in_needs_admin = Un administrador tiene que permitir antes { $program } en { $provider }.
problem-sign_in_against_rules = Una regla de seguridad de su organización no permite este inicio de sesión en { $provider }.
problem-program_not_known = { $provider } no conoce { $program } tal como se presenta.
problem-sign_in_abandoned = El inicio de sesión no se terminó a tiempo.
problem-sign_in_other_account = Inició sesión { $account }, y la configuración es de { $username }.
problem-sign_in_no_listener = { $program } no puede recibir el final del inicio de sesión en este equipo.
problem-sign_in_clock = { $provider } no permitió el inicio de sesión porque la fecha o la hora de este equipo difiere de la suya.
problem-program_not_verified = { $provider } aún no ha verificado { $program } y solo permite que unas pocas personas inicien sesión con él.
problem-gmail_app_password = { $provider } no aceptó el inicio de sesión: aquí pide una contraseña de aplicación, no la contraseña de su cuenta de Google. El correo no se envió.
problem-yahoo_app_password = { $provider } no aceptó el inicio de sesión: aquí pide una contraseña de aplicación, no la contraseña de su sitio web. El correo no se envió.
problem-icloud_app_password = { $provider } no aceptó el inicio de sesión: aquí pide una contraseña específica de app, no la contraseña de su cuenta de Apple. El correo no se envió.
problem-too_many_logins = { $host } no admite más inicios de sesión durante un tiempo, porque hubo demasiados. El correo no se envió.
problem-app_password_required = { $host } no aceptó el inicio de sesión: aquí pide una contraseña de aplicación, no la del sitio web. El correo no se envió.
problem-access_for_programs_off = { $host } no aceptó el inicio de sesión: puede que el acceso de los programas de correo esté desactivado para este buzón. El correo no se envió.
problem-ip_not_allowed = { $host } no permite iniciar sesión desde la dirección de Internet de este equipo. El correo no se envió.
problem-key_username = { $provider } no aceptó el inicio de sesión: allí el nombre de usuario es la palabra apikey y la contraseña es una clave. El correo no se envió.
problem-key_refused = { $provider } no aceptó el nombre de usuario y la clave. El correo no se envió.
problem-password_login_ending = { $provider } no aceptó el inicio de sesión: está desactivando el inicio de sesión con contraseña y es posible que ya lo haya hecho para este buzón. El correo no se envió.
problem-full_address_needed = { $host } no aceptó el inicio de sesión: el nombre de usuario suele ser la dirección de correo completa. El correo no se envió.
problem-password_or_app_password = { $provider } no aceptó el nombre de usuario y la contraseña: con la verificación en dos pasos pide aquí una contraseña de aplicación. El correo no se envió.
problem-port_25_without_login = { $host } no admite inicio de sesión en el puerto 25, que es para el correo entre servidores. El correo no se envió.
problem-login_needs_encryption = { $host } no admite inicio de sesión sin cifrado. El correo no se envió.
problem-only_sign_in_offered = { $host } no acepta contraseñas de los programas, solo un inicio de sesión en el navegador web. El correo no se envió.
problem-sign_in_not_offered = { $host } no acepta ningún inicio de sesión del tipo que { $program } conoce. El correo no se envió.

# Limits
problem-too_many_connections = { $host } tiene demasiadas conexiones simultáneas de esta cuenta o de este equipo. El correo no se envió.
problem-recipient_gets_too_many = { $recipient } está recibiendo en este momento más correos de los que acepta su proveedor. El correo no se envió.
problem-daily_limit = Se ha agotado el número de correos que { $host } acepta de esta cuenta por día o por mes. El correo no se envió.
problem-rate_limited = { $host } no acepta más correos de esta cuenta durante un tiempo, porque hubo muchos en poco tiempo. El correo no se envió.
problem-greylisted = { $host } hace esperar unos minutos al primer correo para evitar el spam. El correo todavía no se envió.

# The sender
problem-own_mailbox_full = Su propio buzón está lleno, por lo que { $host } no acepta correos suyos. El correo no se envió.
problem-account_blocked = { $host } suspendió los envíos de esta cuenta. El correo no se envió.
problem-sender_not_verified = { $host } solo envía desde direcciones que se hayan confirmado allí; { $sender } no es una de ellas. El correo no se envió.
problem-test_mode = La cuenta en { $host } está todavía en modo de prueba, en el que solo envía a direcciones confirmadas. El correo no se envió.
problem-sender_not_allowed = { $host } no permite que este usuario envíe desde { $sender }. El correo no se envió.
problem-sender_domain_unknown = { $host } no conoce la parte de { $sender } posterior a la @. El correo no se envió.
problem-sender_domain_protected = El dominio de { $sender } no permite que { $host } envíe en su nombre (SPF, DKIM o DMARC). El correo no se envió.
problem-sent_from_home = { $host } no acepta correos enviados directamente desde una conexión a Internet común. El correo no se envió.
problem-blocklisted = La dirección de Internet de la que procede este correo está en una lista de remitentes de spam. El correo no se envió.
problem-hello_refused = { $host } no aceptó el nombre con el que se presentó este equipo. El correo no se envió.
problem-login_needed_to_send = { $host } solo acepta este correo después de un inicio de sesión, y no hay ningún nombre de usuario configurado. El correo no se envió.
problem-relay_denied = { $host } no transmite a otros proveedores los correos de { $sender }. El correo no se envió.

# The recipients
problem-too_many_recipients = { $host } no acepta un correo con tantos destinatarios. El correo no se envió a nadie.
problem-mailbox_full = El buzón de { $recipient } está lleno. El correo no se envió a nadie.
problem-recipient_disabled = El buzón de { $recipient } no acepta correos en este momento. El correo no se envió a nadie.
problem-recipient_domain_unknown = Ningún servidor de correo acepta correos para { $recipient }: la parte posterior a la @ no existe o no tiene correo. El correo no se envió a nadie.
problem-recipient_malformed = { $host } no acepta { $recipient } como dirección de correo. El correo no se envió a nadie.
problem-recipient_unknown = { $recipient } no existe, según { $host }. El correo no se envió a nadie.

# The content
problem-virus_found = { $host } considera que hay un virus en el correo. No se envió.
problem-attachment_blocked = { $host } no acepta un archivo adjunto de este tipo. El correo no se envió.
problem-spam_block = { $host } considera que este correo es spam. No se envió.
problem-policy_block = Una regla de { $host } no permite este correo. No se envió.

# The server
problem-server_full = { $host } no tiene espacio para más correos en este momento. El correo no se envió.
problem-server_trouble = { $host } tiene un problema propio en este momento. El correo no se envió.

# The web service
problem-relay_forbidden = El servicio web conoce este token y no le permite enviar. El correo no se envió.
problem-relay_rate_limited = El servicio web no acepta más correos durante un tiempo, porque hubo muchos en poco tiempo. El correo no se envió.
problem-relay_gateway = No se puede acceder al servicio web que está detrás de su dirección. El correo no se envió.
problem-not_a_relay = Lo que responde en esta dirección web no es un servicio de correo. El correo no se envió.
problem-network_wants_sign_in = Esta red pide que usted inicie sesión antes de dejar pasar nada. El correo no se envió.
problem-relay_account = El servicio web pide que primero se ponga en orden su cuenta; por ejemplo, con un pago. El correo no se envió.
problem-relay_rejects_email = El servicio web no acepta el correo tal como está. No se envió.
problem-relay_broken = El servicio web tiene un problema propio. El correo no se envió.
problem-gateway_lost_answer = El correo se transmitió completo a { $host }, pero el servicio web que está detrás no respondió. Puede que se haya entregado o puede que no, y no se vuelve a enviar automáticamente.

## What to do: each begins with what to do

advice-check_host = Compruebe que el nombre del servidor esté bien escrito o búsquelo en las páginas de ayuda de su proveedor.
advice-check_host_and_port = Compruebe el nombre del servidor y el puerto en las páginas de ayuda de su proveedor; los puertos habituales son 587 y 465.
advice-check_internet = Compruebe que este equipo esté conectado a Internet; por ejemplo, abriendo una página web.
advice-check_proxy = Compruebe el proxy { $proxy } en la configuración de { $program } o pregunte a quien lo haya configurado.
advice-check_proxy_login = Compruebe el nombre de usuario y la contraseña del proxy { $proxy } en la configuración de { $program }.
advice-ask_proxy = Pida a quien administre el proxy { $proxy } que permita las conexiones con { $host } en el puerto { $port }, y muéstrele este mensaje.
advice-firewall = Compruebe si un firewall o un antivirus bloquea { $program }, permitiéndolo ahí o pausando la protección del correo durante una prueba.
advice-other_program = Pruebe la misma configuración en Thunderbird: si allí también falla, la causa está en la configuración o en el proveedor; si allí funciona, algo bloquea { $program }.
advice-other_network = Pruebe otra red; por ejemplo, la conexión compartida de su teléfono.
advice-try_again = Inténtelo de nuevo dentro de un minuto.
advice-fewer_at_once = Envíe menos correos a la vez o espere a que se envíen los demás.
advice-try_later = Inténtelo de nuevo más tarde; es posible que el mensaje del servidor indique cuándo.
advice-check_limits = Compruebe cuántos correos permite su proveedor por hora y por día.
advice-port_25_blocked = Use el puerto 587 en lugar del 25, que la mayoría de los proveedores de Internet bloquean.
advice-mode_of_465 = Configure el cifrado como Automático: el puerto 465 usa TLS desde el principio.
advice-try_auto = Configure el cifrado como Automático e inténtelo de nuevo.
advice-mode_of_587 = Configure el cifrado como Automático: el puerto { $port } empieza sin cifrar y cambia con STARTTLS.
advice-try_587 = Use el puerto 587 con el cifrado Automático.
advice-try_465 = Use el puerto 465 con el cifrado Automático.
advice-ask_provider = Pregunte a su proveedor o administrador y muéstrele este mensaje.
advice-server_must_update = Pida al administrador del servidor que active TLS 1.2 o 1.3.
advice-other_server = Use otro servidor de correo, si su proveedor tiene uno.
advice-check_clock = Compruebe la fecha y la hora de este equipo.
advice-renew_certificate = Pida al administrador del servidor que renueve su certificado.
advice-accept_certificate = Acepte este certificado, pero solo si el servidor es suyo y la huella digital es la que le da su administrador.
advice-use_what_works = Use el puerto { $port } con el cifrado Automático: se acaba de probar y { $host } responde allí.
advice-use_what_works-auto = Configure el cifrado como Automático: se acaba de probar en el puerto { $port } y { $host } responde.
advice-use_what_works-tls = Configure el cifrado como TLS desde el principio: se acaba de probar en el puerto { $port } y { $host } responde.
advice-compare_certificate = Pregunte al administrador del servidor si el certificado se renovó y compare la huella digital antes de aceptarlo.
advice-use_certificate_name = Use el servidor { $certificate_name } y vuelva a escribir la contraseña, pero solo si ese servidor es de su proveedor.
advice-intercepted = Desactive el análisis del correo del antivirus: pone su propio certificado en lugar del de { $provider }.
advice-use_tls = Configure el cifrado como Automático.
advice-allow_insecure_login = Permita la contraseña sin cifrar solo si el servidor está en su propia red y no ofrece cifrado.

advice-app_password-gmail = Use una contraseña de aplicación: en su cuenta de Google active la verificación en dos pasos en Seguridad, abra después Contraseñas de aplicaciones, cree una para { $program } y escríbala aquí en lugar de su contraseña normal.
advice-app_password-yahoo = Use una contraseña de aplicación: abra la página Seguridad de la cuenta de Yahoo (login.yahoo.com/account/security), elija Generar contraseña de aplicación, elija Otra, escriba { $program }, pulse Generar y cópiela en el campo de la contraseña.
advice-app_password-icloud = Use una contraseña específica de app: inicie sesión en account.apple.com, abra Inicio de sesión y seguridad, elija Contraseñas específicas de apps, cree una para { $program } y escríbala aquí en lugar de su contraseña normal.
advice-app_password = Use una contraseña de aplicación, ya que { $provider } no acepta aquí su contraseña normal: sus páginas de ayuda explican cómo crear una.
advice-app_password-two_steps = Use una contraseña de aplicación si la verificación en dos pasos está activada en { $provider }: sus páginas de ayuda explican cómo crear una.
advice-app_password-any = Use una contraseña de aplicación si su proveedor tiene verificación en dos pasos: en ese caso no acepta aquí su contraseña normal.
advice-password_login_off = Pida a su administrador que permita el inicio de sesión con contraseña para este buzón (“SMTP autenticado”): { $provider } lo está desactivando y, sin él, aquí no funciona ninguna contraseña.
advice-other_account = Use otra cuenta de correo para enviar: { $provider } ya no permite que los programas inicien sesión con una contraseña.
advice-full_address = Use su dirección de correo completa como nombre de usuario: la mayoría de los proveedores la piden.
advice-check_key = Compruebe el nombre de usuario y la clave: { $provider } pide una clave creada en su sitio web, no la contraseña con la que usted inicia sesión allí.
advice-check_login = Compruebe el nombre de usuario y la contraseña iniciando sesión en el sitio web de su proveedor.
advice-login_off = Borre el nombre de usuario si este servidor no necesita inicio de sesión.
advice-enter_login = Escriba el nombre de usuario y la contraseña de su cuenta de correo.
advice-check_token = Compruebe el token de acceso que le dio el operador del servicio web.
advice-check_sender = Envíe desde la dirección que corresponde a esta cuenta o haga que el proveedor permita { $sender } como alias.
advice-check_recipient = Compruebe que la dirección del destinatario esté bien escrita.
advice-check_relay = Escriba el nombre de usuario y la contraseña de su cuenta de correo: sin inicio de sesión, la mayoría de los servidores solo aceptan correos para sus propios usuarios.
advice-check_content = Compruebe en el correo lo que el servidor señala en su mensaje.
advice-make_smaller = Reduzca el tamaño de los archivos adjuntos o envíelos en varios correos.
advice-send_link = Envíe en su lugar un enlace al documento.
advice-plain_address = Pida al destinatario una dirección que solo tenga letras de la A a la Z o use un proveedor que admita este tipo de direcciones.
advice-check_url = Compruebe la dirección del servicio web con su operador.
advice-ask_relay = Pregunte al operador del servicio web y muéstrele este mensaje.
advice-complete_file = Envíe el correo de nuevo cuando el archivo del documento esté completo y ya nada escriba en él.
advice-check_file = Compruebe que el archivo del documento se pueda abrir y envíe el correo de nuevo.
advice-ask_recipient = Pregunte al destinatario si el correo llegó antes de enviarlo de nuevo.
advice-look_in_sent = Mire en la carpeta Enviados de su buzón: muchos proveedores ponen allí una copia de lo que se envió.
advice-report_bug = Informe de este problema al fabricante de { $program }.

advice-use_sending_port = Use el servidor de envío con el puerto 587 y el cifrado Automático; a menudo su nombre empieza por smtp.
advice-use_sending_server = Use el servidor de envío de { $provider }, { $sending_host }, en el puerto { $sending_port }.
advice-try_tls = Configure el cifrado como TLS desde el principio.
advice-intercepted-host = Desactive el análisis del correo del antivirus o haga que no intervenga en { $host }: pone su propio certificado en lugar del certificado del servidor.
advice-ask_network = Pida a quien administre esta red que deje pasar sin abrirlas las conexiones con { $host }.
advice-sign_in_network = Abra cualquier página web en un navegador, inicie sesión en esta red y repita la prueba.
advice-sign_in_browser = Inicie sesión en su buzón en un navegador web, confirme que el intento fue suyo y repita la prueba.
advice-sign_in_again = Inicie sesión de nuevo.
advice-sign_in_consent = Inicie sesión de nuevo y permita que { $program } envíe correos cuando se le pregunte.
advice-check_sign_in = Compruebe que la cuenta que inició sesión puede enviar como { $username }.
advice-use_password = Elija iniciar sesión con nombre de usuario y contraseña.
advice-allow_program = Pida a su administrador que permita que { $program } envíe correos y muéstrele este mensaje.
advice-register_program = Pida al fabricante de { $program } que compruebe cómo está registrado en { $provider } y muéstrele este mensaje.
advice-sign_in_as = Inicie sesión de nuevo y elija la cuenta { $username } en la página de { $provider }.
advice-use_signed_in_account = Envíe como { $account } en su lugar.
advice-restart_and_sign_in = Inicie sesión de nuevo después de reiniciar el equipo.
advice-verify_program = Pida al fabricante de { $program } que { $provider } lo verifique.
advice-verify_program-weekly = Pida al fabricante de { $program } que { $provider } lo verifique si tiene que iniciar sesión de nuevo cada semana.
advice-verify_program-blocked = Pida al fabricante de { $program } que { $provider } lo verifique si la página dijo que está bloqueado o sin verificar.
advice-sign_in_instead = Inicie sesión con { $provider } en lugar de usar una contraseña.
advice-sign_in_instead-unregistered = Pida al fabricante de { $program } que lo registre en { $provider } para poder iniciar sesión sin contraseña.
advice-allow_smtp_auth-tenant = Pida a su administrador que active “SMTP autenticado” en Microsoft 365 para su organización o solo para este buzón.
advice-allow_smtp_auth-mailbox = Pida a su administrador que active “SMTP autenticado” para este buzón: en el centro de administración de Microsoft 365, en Usuarios activos, el usuario, Correo, Administrar aplicaciones de correo electrónico.
advice-other_account-any = Use para enviar otra cuenta de correo que permita a los programas iniciar sesión con una contraseña.
advice-ask_administrator = Pida a su administrador un servidor por el que puedan enviar los programas y muéstrele este mensaje.
advice-allow_in_rules = Pida a su administrador que exima este buzón de la regla que bloquea el inicio de sesión con contraseña (valores predeterminados de seguridad o acceso condicional).
advice-unlock_account = Inicie sesión en el sitio web de su proveedor para desbloquear la cuenta.
advice-renew_password = Cambie la contraseña en el sitio web de su proveedor y escriba la nueva aquí.
advice-switch_access_on = Active el acceso de los programas de correo (POP3, IMAP, SMTP) en la configuración de su buzón, en el sitio web de su proveedor.
advice-allow_ip = Agregue la dirección de Internet de este equipo a las permitidas en su cuenta, en el sitio web del proveedor.
advice-use_username_apikey = Use la palabra apikey como nombre de usuario y una clave creada en { $provider } como contraseña.
advice-use_login_port = Use el puerto 587 con el cifrado Automático y el nombre de usuario y la contraseña de su cuenta de correo.
advice-wait-seconds = { $count ->
    [one] Inténtelo de nuevo dentro de { $count } segundo.
   *[other] Inténtelo de nuevo dentro de { $count } segundos.
}
advice-wait-minutes = { $count ->
    [one] Inténtelo de nuevo dentro de { $count } minuto.
   *[other] Inténtelo de nuevo dentro de { $count } minutos.
}
advice-wait-hours = { $count ->
    [one] Inténtelo de nuevo dentro de { $count } hora.
   *[other] Inténtelo de nuevo dentro de { $count } horas.
}
advice-try_tomorrow = Inténtelo de nuevo mañana o pida a su proveedor un límite más alto.
advice-open_link = Abra la página que indica el servidor: explica el motivo y lo que se puede hacer.
advice-other_programs = Cierre otros programas y dispositivos que envíen con la misma cuenta o espere a que terminen.
advice-ask_recipient_other_address = Pida al destinatario otra dirección; por ejemplo, por teléfono.
advice-free_space = Elimine correos antiguos de su propio buzón, también los enviados, o pida más espacio a su proveedor.
advice-verify_sender = Confirme { $sender } como remitente en el sitio web de su proveedor o envíe desde una dirección que esté confirmada allí.
advice-leave_test_mode = Pida al proveedor que ponga fin al modo de prueba de su cuenta o envíe solo a direcciones que estén confirmadas allí.
advice-check_sender_domain = Compruebe que la parte posterior a la @ en { $sender } esté bien escrita.
advice-ask_domain = Pida a quien administre el dominio de { $sender } que permita a { $host } enviar en su nombre o envíe a través del servidor de ese dominio.
advice-ask_program = Pida al fabricante de { $program } que asigne un nombre adecuado a este equipo.
advice-check_copy = Compruebe la dirección para las copias en la configuración.
advice-fewer_recipients = Envíe el correo a menos destinatarios a la vez.
advice-tell_recipient_full = Avise al destinatario por otro medio de que su buzón está lleno y envíe el correo de nuevo más tarde.
advice-check_domain = Compruebe que la parte posterior a la @ en { $recipient } esté bien escrita.
advice-scan_files = Compruebe los archivos adjuntos con un antivirus antes de enviarlos a nadie.
advice-remove_attachment = Quite el archivo adjunto que no sea un documento, como un programa o un archivo comprimido.
advice-change_words = Escriba el asunto y el texto con otras palabras, sin enlaces, y envíe el correo de nuevo.

## The words of a user interface around the form and the email

word-settings_title = Ajustes de correo
word-loading = Cargando…
word-saved = Los ajustes están guardados.
word-try_again = Intentar de nuevo
word-no_answer = { $program } no responde. No se cambió nada.
word-connection_lost = Se perdió la conexión con { $program }. Inténtelo de nuevo para ver cómo siguió.
word-end_unknown = { $program } no sabe cómo terminó. Pregunte al destinatario si el correo llegó antes de enviarlo de nuevo.
word-other_version = Parte de este formulario es más reciente que esta página y no puede mostrarse completa.
word-required = obligatorio
word-show_password = Mostrar
word-hide_password = Ocultar
word-use_proposal = Usar estos ajustes
word-provider_steps = Cómo configurar { $provider }
word-open_page = Abrir la página
word-testing = Probando…
word-cancel = Cancelar
word-canceling = Cancelando…
word-close = Cerrar
word-step_ok = hecho
word-step_failed = falló
word-step_skipped = no alcanzado
word-what_to_do = Qué hacer
word-apply = Aplicar
word-apply_and_test = Aplicar y probar de nuevo
word-server_said = El servidor respondió
word-details = Detalles
word-certificate = Certificado
word-certificate_subject = Emitido para
word-certificate_issuer = Emitido por
word-certificate_valid = Válido
word-certificate_names = Nombres
word-certificate_fingerprint = Huella SHA-256
word-accept_certificate = Aceptar y probar de nuevo
word-signed_in_as = Sesión iniciada como { $account }
word-sign_in_waiting = Esperando el inicio de sesión en el navegador…
word-sign_in_open = Abrir la página de inicio de sesión
word-sign_in_code = Introduzca allí este código
word-email_title = Enviar por correo
word-to = Para
word-cc = Cc
word-bcc = Cco
word-show_cc_bcc = Cc y Cco
word-addresses_help = Varias direcciones se separan con comas.
word-subject = Asunto
word-message = Mensaje
word-write = Escribir
word-preview = Vista previa
word-markdown_help = Se puede usar **negrita**, *cursiva*, listas y [enlaces](https://example.com).
word-document = Documento
word-attachments = Archivos adjuntos
word-add_attachment = Añadir un archivo
word-remove_attachment = Quitar { $file }
word-send = Enviar
word-sending = Enviando…
word-before_sending = Antes de enviar
word-send_anyway = Enviar de todos modos
word-recipient = Destinatario
word-outcome = Resultado
word-outcome_accepted = aceptado
word-outcome_refused = rechazado
word-outcome_deferred = ahora no
word-outcome_not_sent = no enviado
word-outcome_uncertain = incierto
word-discard_question = ¿Cerrar sin enviar? Se perderá lo escrito.
word-discard = Cerrar sin enviar
word-keep_editing = Seguir editando
