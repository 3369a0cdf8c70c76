### Every text that reaches a person, in Portuguese. { $program } is the host program's name and may stand in any of them.

## The form

group-server = Envio
field-protocol = Enviar por
choice-protocol-smtp = O meu provedor de e-mail (SMTP)
choice-protocol-http = Um serviço web (retransmissão HTTP)
help-protocol = A maioria das pessoas escolhe o seu provedor de e-mail.
field-http_server = Endereço do serviço web
help-http_server = O endereço dado pelo operador do serviço web.
placeholder-http_server = https://email.example.com/
field-http_token = Token de acesso
help-http_token = Apenas se o operador do serviço web lhe deu um.
field-smtp_host = Servidor SMTP
help-smtp_host = O nome do servidor de saída de e-mail do seu provedor, por exemplo smtp.gmail.com, smtp.mail.yahoo.com ou smtp.office365.com.
placeholder-smtp_host = smtp.example.com
field-smtp_port = Porta
help-smtp_port = As habituais são 465 e 587. As páginas de ajuda do seu provedor indicam qual usar.
placeholder-smtp_port = 587
field-smtp_security = Criptografia
help-smtp_security = Automática serve para quase todos os servidores: TLS na porta 465, STARTTLS em todas as outras. Uma conexão que não pode ser criptografada não é usada.
choice-smtp_security-auto = Automática (recomendado)
choice-smtp_security-tls = TLS desde o início (habitual na porta 465)
choice-smtp_security-starttls = STARTTLS (habitual na porta 587)
choice-smtp_security-none = Nenhuma: tudo circula de forma legível
field-allow_insecure_login = Enviar a minha senha sem criptografia
help-allow_insecure_login = Qualquer pessoa no caminho para o servidor pode então ler a senha. Apenas para um servidor na sua própria rede.
field-auth = Iniciar sessão com
choice-auth-password = Nome de login e senha
choice-auth-oauth2 = Início de sessão no provedor (OAuth 2.0)
help-auth = Alguns provedores, como o Microsoft 365, só deixam os programas enviar depois de um início de sessão na página deles.
field-username = Nome de login
help-username = Muitas vezes é o seu endereço de e-mail completo. Deixe vazio se o servidor não pedir autenticação.
placeholder-username = name@example.com
field-mailbox = Outra caixa de correio
help-mailbox = Só se enviar de outra caixa de correio que não a sua, por exemplo uma compartilhada. Quem inicia sessão continua sendo a sua própria conta.
placeholder-mailbox = escritorio@example.com
field-email_address = Endereço de e-mail
help-email_address = O endereço a partir do qual os seus e-mails são enviados.
placeholder-email_address = name@example.com
field-password = Senha
help-password = A senha desta conta de e-mail. Se já houver uma guardada, deixe este campo vazio para mantê-la.
help-password-app_password = { $provider } pede aqui uma senha de app, não a sua senha normal.
help-password-two_steps = Se a verificação em duas etapas estiver ativada, { $provider } pede aqui uma senha de app, não a sua senha normal.
help-password-not_for_long = { $provider } vai deixar de aceitar a autenticação por senha em programas de e-mail. Se o teste for recusado, peça ao seu administrador que a permita (“SMTP autenticado”).
help-password-key = { $provider } pede aqui uma chave, criada no seu site.
help-password-no_password = { $provider } já não permite a autenticação de programas com uma senha. Use outra conta de e-mail para enviar.
field-sender_name = Nome do remetente
help-sender_name = O nome que os seus destinatários veem, normalmente o da sua empresa.
field-send_copy = Enviar uma cópia de cada e-mail para este endereço
help-send_copy = Para o seu próprio arquivo. Os seus destinatários não a veem.
field-copy_to = Endereço para cópias
help-copy_to = Separe vários endereços com vírgulas.
placeholder-copy_to = archive@example.com
field-different_reply_to = Receber as respostas num endereço diferente do de envio
help-different_reply_to = As respostas vão então para o endereço abaixo.
field-reply_to = Endereço de resposta
help-reply_to = Separe vários endereços com vírgulas.
placeholder-reply_to = office@example.com
field-allow_untrusted_certificate = Confiar no certificado próprio deste servidor
help-allow_untrusted_certificate = Apenas para um servidor seu com um certificado autoassinado. Execute o teste, compare a impressão digital que ele mostra e aceite-a.
field-trusted_certificate = Impressão digital do certificado
help-trusted_certificate = SHA-256. É preenchida quando aceitar o certificado que o teste mostra; a partir daí, só esse certificado vale.
button-test = Testar as configurações de e-mail
button-update = Atualizar
button-sign_in = Iniciar sessão
button-sign_out = Encerrar sessão
button-email = E-mail
page-signed_in-title = Sessão iniciada
page-signed_in = Pode fechar esta página e voltar ao { $program }.
page-not_signed_in-title = Sessão não iniciada
page-not_signed_in = Volte ao { $program }: lá está indicado o motivo.

why_not-fields = Alguns campos ainda precisam da sua atenção.

## Providers: what to do there, step by step

proposal-provider = Use o servidor { $host } de { $provider } na porta { $port }.
proposal-autoconfig = { $domain } publica estas configurações: { $host } na porta { $port }.
proposal-srv = { $domain } indica { $host } como seu servidor para enviar e-mails.
proposal-mx = Os e-mails de { $domain } ficam em { $provider }, e estas são as configurações dele.
proposal-probe = { $host } responde na porta { $port } com criptografia.

steps-required-1 = Inicie sessão no site de { $provider } e procure as senhas de app nas configurações de segurança.
steps-required-2 = Crie uma nova e dê-lhe o nome { $program }.
steps-required-3 = Copie a senha mostrada aqui para o campo da senha, no lugar da sua senha normal.
steps-with_two_steps-1 = Se a verificação em duas etapas estiver ativada em { $provider }, crie lá, nas configurações de segurança, uma senha de app com o nome { $program }.
steps-with_two_steps-2 = Copie-a aqui para o campo da senha. Sem verificação em duas etapas, insira a sua senha normal.
steps-not_for_long-1 = Peça ao administrador da sua conta { $provider } que permita a autenticação de programas com uma senha.
steps-not_for_long-2 = Insira aqui a senha da caixa de correio.
steps-no_password-1 = Use outra conta de e-mail para enviar: { $provider } não permite a autenticação de programas com uma senha.
steps-key-1 = Inicie sessão no site de { $provider } e crie uma chave ou credenciais para SMTP.
steps-key-2 = Copie o nome de login e a chave para os campos aqui.
steps-none-1 = Insira a senha com que inicia sessão em { $provider }.
steps-unknown-1 = Verifique nas configurações de { $provider } se outros programas podem enviar pela sua caixa de correio.
steps-unknown-2 = Insira a senha com que inicia sessão. Se { $provider } tiver senhas de app, crie uma para { $program } e insira essa.

steps-gmail-1 = Abra a página de segurança da sua Conta Google e ative a verificação em duas etapas, se ainda não estiver ativada.
steps-gmail-2 = Abra Senhas de app, insira { $program } como nome e escolha Criar.
steps-gmail-3 = Copie as 16 letras que o Google mostra aqui para o campo da senha, no lugar da sua senha normal.
steps-google-workspace-1 = Abra a página de segurança da sua Conta Google e ative a verificação em duas etapas, se ainda não estiver ativada.
steps-google-workspace-2 = Abra Senhas de app, insira { $program } como nome e escolha Criar.
steps-google-workspace-3 = Copie as 16 letras que o Google mostra aqui para o campo da senha, no lugar da sua senha normal.
steps-google-workspace-4 = Se não houver uma página de senhas de app, peça ao seu administrador do Google Workspace que as permita.
steps-outlook-personal-1 = Use outra conta de e-mail para enviar: { $provider } já não permite a autenticação de programas com uma senha.
steps-outlook-personal-2 = Para receber mesmo assim as respostas no seu endereço de { $provider }, insira-o como endereço de resposta.
steps-microsoft365-1 = Abra o centro de administração do Microsoft 365 e escolha Usuários, Usuários ativos e a caixa de correio da qual { $program } envia. Se não for o administrador, peça ao seu que o faça.
steps-microsoft365-2 = Na guia Email, escolha Gerenciar aplicativos de email, marque SMTP autenticado e salve as alterações.
steps-microsoft365-3 = Insira aqui o endereço e a senha da caixa de correio e teste as configurações.
steps-yahoo-1 = Inicie sessão e abra a página Segurança da conta.
steps-yahoo-2 = Escolha Criar senha de app (ou Gerar senha de app), insira { $program } como nome do app e gere a senha.
steps-yahoo-3 = Copie a senha mostrada aqui para o campo da senha, no lugar da sua senha normal.
steps-att-1 = Inicie sessão na sua conta AT&T e crie uma chave de e-mail segura (secure mail key) para o seu endereço.
steps-att-2 = Copie a chave aqui para o campo da senha, no lugar da sua senha normal.
steps-icloud-1 = Ative a autenticação de dois fatores da sua Conta Apple, se ainda não estiver ativada.
steps-icloud-2 = Inicie sessão em account.apple.com, abra Início de sessão e segurança, escolha Senhas específicas de apps e crie uma com o nome { $program }.
steps-icloud-3 = Copie a senha mostrada aqui para o campo da senha, no lugar da sua senha normal.
steps-gmx-1 = Inicie sessão no site de { $provider } e permita o acesso por POP3 e IMAP nas configurações de e-mail: ele também é necessário para enviar.
steps-gmx-2 = Se a autenticação de dois fatores estiver ativada, crie na parte de segurança da sua conta uma senha específica de aplicativo.
steps-gmx-3 = Insira aqui essa senha. Sem autenticação de dois fatores, insira a normal.
steps-tonline-1 = Inicie sessão na área de clientes da Telekom e defina uma senha para programas de e-mail.
steps-tonline-2 = Insira aqui essa senha: não é aquela com que inicia sessão.
steps-fastmail-1 = Inicie sessão no Fastmail e abra Settings, Privacy & Security e depois Integrations (ou Connected apps).
steps-fastmail-2 = Escolha New app password, insira { $program } como nome e deixe ativado o acesso ao e-mail.
steps-fastmail-3 = Copie a senha mostrada aqui para o campo da senha.
steps-zoho-1 = Inicie sessão na sua conta Zoho e abra Security e depois App Passwords.
steps-zoho-2 = Escolha Generate New Password e insira { $program } como nome.
steps-zoho-3 = Copie a senha mostrada aqui para o campo da senha. Sem autenticação multifator, a senha normal também serve.
steps-proton-1 = Verifique se tem um endereço com domínio próprio e um plano com SMTP: com outros não é possível enviar.
steps-proton-2 = Abra IMAP/SMTP nas configurações, escolha Gerar token, insira { $program } como nome e selecione o endereço.
steps-proton-3 = Insira aqui esse endereço como nome de login e copie o token para o campo da senha.
steps-yandex-1 = Abra as configurações do Yandex Mail, escolha Email clients e permita o acesso com senhas de app.
steps-yandex-2 = Abra App passwords no seu Yandex ID e crie uma para Mail com o nome { $program }.
steps-yandex-3 = Copie a senha mostrada aqui para o campo da senha, no lugar da sua senha normal.
steps-mailru-1 = Inicie sessão na sua conta Mail.ru e abra as configurações de segurança e depois as senhas para aplicativos externos.
steps-mailru-2 = Adicione uma com o nome { $program } e dê-lhe acesso ao e-mail por IMAP, POP e SMTP.
steps-mailru-3 = Copie a senha mostrada aqui para o campo da senha, no lugar da sua senha normal.
steps-qq-1 = Inicie sessão no QQ Mail, abra as configurações, depois a conta, e ative o serviço POP3/IMAP/SMTP.
steps-qq-2 = Gere um código de autorização e confirme-o com o seu telefone.
steps-qq-3 = Copie o código aqui para o campo da senha, no lugar da sua senha normal.
steps-netease-1 = Inicie sessão na sua caixa de correio, abra as configurações, depois POP3/SMTP/IMAP, e ative SMTP.
steps-netease-2 = Crie um código de autorização e confirme-o com o seu telefone.
steps-netease-3 = Copie o código aqui para o campo da senha, no lugar da sua senha normal.
steps-no_programs-1 = Use outra conta de e-mail para enviar: { $provider } só pode ser usado nos seus próprios aplicativos.
steps-no_programs-2 = Para receber mesmo assim as respostas no seu endereço de { $provider }, insira-o como endereço de resposta.
steps-sendgrid-1 = Inicie sessão no SendGrid e crie uma chave de API com o nome { $program } e com permissão para enviar e-mails.
steps-sendgrid-2 = Insira aqui a palavra apikey como nome de login.
steps-sendgrid-3 = Copie a chave para o campo da senha.
steps-mailgun-1 = Inicie sessão no Mailgun, abra Sending, depois Domain settings, escolha o seu domínio e abra SMTP credentials.
steps-mailgun-2 = Insira aqui por inteiro, como nome de login, o login mostrado.
steps-mailgun-3 = Redefina lá a senha dele e copie a nova para o campo da senha.
steps-postmark-1 = Inicie sessão no Postmark, abra o seu servidor, depois API Tokens, e copie o token de API do servidor.
steps-postmark-2 = Insira o token aqui duas vezes: como nome de login e como senha.
steps-ses-1 = Abra o console do SES na região da qual envia, depois SMTP settings, e escolha Create SMTP credentials.
steps-ses-2 = Copie o nome de usuário SMTP e a senha SMTP para os campos aqui. Não são as suas chaves de acesso da AWS.
steps-ses-3 = Verifique se o servidor indicado aqui é o dessa região.
steps-brevo-1 = Inicie sessão no Brevo e abra SMTP e API e depois a guia SMTP.
steps-brevo-2 = Insira aqui como nome de login o login mostrado lá.
steps-brevo-3 = Gere uma chave SMTP com o nome { $program } e copie-a para o campo da senha. Uma chave de API não funciona aqui.
steps-resend-1 = Inicie sessão no Resend e crie uma chave de API com o nome { $program } e com acesso de envio.
steps-resend-2 = Insira aqui a palavra resend como nome de login.
steps-resend-3 = Copie a chave para o campo da senha.
steps-mailjet-1 = Inicie sessão no Mailjet e abra a página das suas chaves de API.
steps-mailjet-2 = Insira aqui a chave de API como nome de login e a chave secreta como senha.

## What is wrong with a setting, and with anything else that was given

warning-host_incoming = Este servidor serve para receber e-mails. Para os enviar, use o servidor { $host } de { $provider }.
warning-port_25 = A porta 25 destina-se ao e-mail entre servidores e é bloqueada por muitos provedores de internet. Use 587 ou 465, se o seu provedor as oferecer.
warning-no_encryption = Os seus e-mails, e os documentos neles, circulam de forma legível para qualquer pessoa no caminho.
warning-own_certificate = Só o certificado com esta impressão digital é considerado confiável. Quando o servidor tiver um novo, execute o teste outra vez e aceite-o.

fault-required = Esta informação é necessária.
fault-required-http_server = Insira o endereço do serviço web.
fault-required-smtp_host = Insira o nome do servidor SMTP do seu provedor.
fault-required-smtp_port = Insira a porta: 587 ou 465 na maioria dos provedores.
fault-required-username = Insira o endereço de e-mail da conta que inicia sessão.
fault-required-email_address = Insira o endereço de e-mail a partir do qual envia.
fault-required-password = Insira a senha desta conta.
fault-required-copy_to = Insira o endereço que recebe as cópias ou desmarque a caixa que o pede.
fault-required-reply_to = Insira o endereço para o qual as respostas devem ir.
fault-required-trusted_certificate = Execute o teste e aceite o certificado que ele mostra, ou desmarque a caixa que o pede.
fault-password_again = A senha guardada pertence a outro servidor, porta, criptografia ou nome de login. Insira a senha novamente.
fault-password_without_username = Insira o nome de login que corresponde à senha ou apague a senha.
fault-token_in_clear = Sem criptografia, o início de sessão circularia de forma legível. Escolha outra criptografia.
fault-not_signed_in = Inicie sessão primeiro: esta conta ainda não tem nenhuma sessão.
fault-sign_in_settings_changed = As configurações foram alteradas entretanto, por isso este início de sessão não foi guardado. Inicie sessão novamente.
fault-no_sign_in_here = Não se conhece nenhum início de sessão no provedor para este servidor. Use o nome de login e a senha.
fault-no_client = { $program } ainda não pode iniciar sessão em { $provider }: o fabricante precisa primeiro registrá-lo lá.
fault-choice_unknown = { $value } não é uma das opções: { $choices }.
fault-host_has_scheme = Retire “{ $scheme }”: aqui entra apenas o nome do servidor, por exemplo smtp.example.com.
fault-host_has_port = Retire “:{ $port }” daqui: a porta tem um campo próprio.
fault-host_has_path = Retire tudo a partir de “/”: aqui entra apenas o nome do servidor.
fault-host_has_space = O nome de um servidor não contém espaços.
fault-host_is_address = Isto é um endereço de e-mail. Aqui é necessário o nome do servidor, por exemplo smtp.example.com.
fault-host_invalid = Isto não é o nome de um servidor. Um exemplo: smtp.example.com.
fault-port_invalid = A porta é um número inteiro de 1 a 65535; as habituais são 587 e 465.
fault-url_invalid = Isto não é um endereço web. Um exemplo: https://email.example.com/.
fault-url_not_web = Aqui só funcionam endereços https://.
fault-url_not_secure = O documento circularia sem criptografia: use https:// em vez de http://.
fault-url_has_login = Retire o nome e a senha do endereço: o token tem um campo próprio.
fault-username_control = O nome de login contém uma quebra de linha ou outro caractere invisível. Escreva-o de novo em vez de colá-lo.
fault-secret_control = O texto contém uma quebra de linha ou outro caractere invisível. Escreva-o de novo em vez de colá-lo.
fault-fingerprint_invalid = Uma impressão digital SHA-256 tem 64 dígitos, de 0 a 9 e de A a F.
fault-insecure_login = Sem criptografia, a senha circularia de forma legível. Escolha outra criptografia ou marque esta caixa se for isso que deseja.
fault-established_provider = Desmarque esta caixa: { $provider } tem um certificado reconhecido e, se ele for recusado, algo no caminho receberia a sua senha.
fault-too_long_text = Este texto é longo demais: cabem no máximo { $limit } caracteres.

fault-too_long = { $bytes } bytes é demais: o máximo é { $limit }.
fault-bad_json = Isto não é JSON: o erro está na linha { $line }, coluna { $column }.
fault-wrong_type = Tipo esperado: { $expected }; tipo recebido: { $found }.
type-an_object = um objeto
type-text = texto
type-true_or_false = true ou false
type-true_or_false_or_an_object = true, false ou um objeto
type-a_number = um número
type-a_list = uma lista
type-text_or_a_list_of_texts = texto ou uma lista de textos
type-a_number_or_text = um número ou texto
type-a_host_name = um nome de servidor
type-a_link_or_null = um link ou null
type-null = null
fault-out_of_range = O valor deve estar entre { $least } e { $most }.
fault-unknown_key = Esta chave não existe.
fault-unknown_key_near = Esta chave não existe. Seria { $nearest }?

call-faults = { $place }: { $message }
call-null_argument = { $argument ->
    [pdf] pdf é NULL e email_json não tem document.path: indique os bytes do PDF ou o caminho do seu arquivo.
   *[other] { $argument } é NULL.
}
call-bad_utf8 = { $argument } não está em UTF-8: o primeiro byte incorreto está na posição { $position }.
call-null_with_length = { $argument } é NULL, mas o seu comprimento é de { $length } bytes.
call-bad_length = { $argument } tem { $bytes } bytes, mais do que este computador consegue copiar na memória.
fault-key_needs_store = Isto não tem efeito sem store.
fault-one_key_only = Só pode ser indicada uma das opções key, passphrase e keychain.
fault-wrong_type_expected = Tipo esperado: { $expected }.

fault-control_character = Este texto contém um caractere que não pode ser enviado ({ $character }), por exemplo uma quebra de linha. Escreva-o de novo em vez de colá-lo.
fault-bidi_character = Este texto contém um caractere invisível que muda a direção da escrita ({ $character }). Escreva-o de novo em vez de colá-lo.

fault-address_empty = Falta aqui um endereço.
fault-address_no_at = { $address } não é um endereço de e-mail: falta o “@”.
fault-address_several_at = { $address } não é um endereço de e-mail: tem mais de um “@”.
fault-address_missing_separator = { $address }: coloque uma vírgula entre dois endereços.
fault-address_no_local = { $address } não é um endereço de e-mail: falta a parte antes do “@”.
fault-address_no_domain = { $address } não é um endereço de e-mail: falta a parte depois do “@”.
fault-address_space = { $address } não é um endereço de e-mail: contém um espaço.
fault-address_invisible_character = O endereço contém um caractere invisível ({ $character }). Escreva-o de novo em vez de colá-lo.
fault-address_local_too_long = A parte antes do “@” é longa demais: tem { $bytes } bytes, e são permitidos no máximo { $limit }.
fault-address_too_long = O endereço é longo demais: tem { $bytes } bytes, e são permitidos no máximo { $limit }.
fault-address_bad_domain = { $domain } não é o domínio de um endereço de e-mail.
fault-address_bad_local = { $local } não pode estar antes do “@” de um endereço de e-mail.
fault-mailbox_quote = { $text }: falta uma das aspas.
fault-mailbox_bracket = { $text }: o endereço deve estar entre “<” e “>”.
fault-mailbox_text_after_address = { $text }: nada pode vir depois de “>”.
fault-mailbox_missing_separator = { $text }: coloque uma vírgula entre dois endereços.
fault-too_many_recipients = { $number } destinatários é demais para um só e-mail: são permitidos no máximo { $limit }.
fault-one_address_only = Insira apenas um endereço.
fault-no_recipients = Insira pelo menos um destinatário.
fault-header_too_long = Este texto é longo demais para um e-mail: tem { $bytes } bytes, e são permitidos no máximo { $limit }.
fault-file_name_empty = O arquivo precisa de um nome.
fault-file_name_dots = “{ $name }” não é um nome de arquivo.
fault-file_name_separator = Um nome de arquivo não pode conter “{ $character }”.
fault-file_name_encoded_word = Um nome de arquivo não pode conter “=?”: alguns programas de e-mail mostrariam outro nome.
fault-file_name_too_long = O nome do arquivo é longo demais: tem { $bytes } bytes, e são permitidos no máximo { $limit }.
fault-file_missing = O arquivo { $path } não foi encontrado.
fault-file_is_folder = { $path } é uma pasta, não um arquivo.
fault-file_not_regular = { $path } não é um arquivo comum.
fault-file_changed = O arquivo { $path } mudou durante a leitura. Tente novamente quando ele estiver completo.
fault-file_unreadable = O arquivo { $path } não pode ser lido: { $error }.
fault-files_too_large = O documento e os anexos são grandes demais em conjunto: o máximo é { $limit } bytes.
fault-files_no_memory = Não há memória suficiente para { $bytes } bytes.
fault-pdf_empty = O PDF está vazio: não tem nenhum byte.
fault-pdf_not_a_pdf = Isto não é um PDF: não há “%PDF-” nos seus primeiros 1024 bytes.
fault-document_twice = Indique os bytes do PDF ou o caminho do seu arquivo, mas não ambos.
fault-attachment_twice = Indique path ou base64, mas não ambos.
fault-attachment_missing = É necessário indicar path ou base64.
fault-file_name_missing = Um anexo indicado como base64 precisa de um file_name.
fault-base64_bad = Isto não é base64.
fault-type_bad = { $type } não é um tipo MIME como application/pdf.
fault-type_composite = { $type } não pode ser enviado como tipo de um anexo; use application/octet-stream.
fault-body_twice = Indique body, ou então body_html junto com body_text.
fault-body_text_missing = body_html precisa de body_text ao lado, para leitores que não mostram HTML.
fault-body_html_missing = body_text acompanha body_html; use body para texto apenas.
fault-idempotency_key_bad = A chave é formada por 1 a { $limit } caracteres ASCII visíveis.
fault-access_token_bad = Um token de acesso é formado por 1 a { $limit } caracteres ASCII visíveis.
fault-access_token_unused = Estas configurações não usam token de acesso: auth não é oauth2.
fault-sign_in_unused = Estas configurações não têm início de sessão no provedor: auth não é oauth2.
fault-flow_unknown = O valor é browser, redirect, device ou client_credentials.
fault-redirect_uri_bad = Para redirect é preciso um endereço https:// próprio; para os outros valores, não.
fault-sign_in_unknown = Não existe esse início de sessão: ele já foi concluído, ou foi começado com outro objeto de conta ou por outro processo.
fault-callback_bad = Este não é o endereço para o qual o provedor enviou o navegador neste início de sessão.
fault-no_randomness = O sistema não forneceu os números aleatórios de que cada e-mail precisa. Tente novamente.

fault-key_invalid = A chave não corresponde a 32 bytes em base64.
fault-passphrase_empty = A frase secreta está vazia.
fault-ca_file_unreadable = O arquivo de certificados não pode ser lido: { $detail }.
fault-ca_file_invalid = Um certificado deste arquivo não pode ser usado: { $detail }.
fault-ca_file_empty = Não há nenhum certificado neste arquivo. Ele deve estar no formato PEM.
fault-store_empty = O caminho do arquivo de configurações está vazio.
fault-program_name_empty = O nome do programa está vazio.
fault-key_missing = Este elemento é obrigatório.
fault-host_name_invalid = Isto não é o nome de um servidor nem de um domínio.
fault-link_invalid = Isto não é o endereço de uma página web que comece por https:// e não contenha dados de início de sessão.
fault-provider_twice = Já existe outra linha com o id { $id }.
fault-locale_invalid = Isto não é um código de idioma como en, ro ou pt-BR.
fault-text_syntax = O texto { $id } não está escrito em Fluent, na linha { $line }: { $detail }.
fault-text_unknown = Não há nenhum texto com o identificador { $id } (linha { $line }).
fault-text_twice = O texto { $id } aparece duas vezes (linha { $line }).
fault-text_word = O texto { $id } (linha { $line }) usa { $word }, que não existe para ele.
fault-hello_name_invalid = Isto não é um nome de host que possa ser enviado com EHLO.
fault-proxy_invalid = { $variable ->
    [none] Isto não é o endereço de um proxy. Exemplos: socks5://proxy.example.com:1080 ou http://user:password@proxy.example.com:3128, ou ainda a palavra environment.
   *[other] A variável de ambiente { $variable } não é o endereço de um proxy. Exemplos: socks5://proxy.example.com:1080 ou http://user:password@proxy.example.com:3128.
}
fault-proxy_unsupported = { $variable ->
    [none] Proxies com { $scheme }:// não podem ser usados aqui: indique um com socks5:// ou http://.
   *[other] A variável de ambiente { $variable } indica um proxy com { $scheme }://, que não pode ser usado aqui: indique um com socks5:// ou http://.
}
fault-proxy_login_invalid = { $variable ->
    [none] O nome de login ou a senha do proxy não pode ser usado: cada um tem no máximo 255 bytes e nenhuma quebra de linha, e os caracteres especiais dos endereços web são escritos como neles, por exemplo %40 em vez de @.
   *[other] O nome de login ou a senha do proxy na variável de ambiente { $variable } não pode ser usado: cada um tem no máximo 255 bytes e nenhuma quebra de linha, e os caracteres especiais dos endereços web são escritos como neles, por exemplo %40 em vez de @.
}

fault-nameserver_invalid = Isto não é o endereço de um servidor de nomes. Ele se parece com 192.0.2.53 ou 127.0.0.1:5353.

discovery-nothing = Nenhuma configuração foi encontrada para { $domain }: ela está nas páginas de ajuda do seu provedor.
discovery-canceled = A busca de configurações foi cancelada.

settings-faults = { $count ->
    [one] { $label }: { $message }
   *[other] { $count } campos precisam da sua atenção. O primeiro é { $label }: { $message }
}
email-faults = O e-mail não pode ser enviado assim. { $message }
not_configured = O e-mail ainda não está configurado. Preencha primeiro as configurações de e-mail.

## The store

protection-memory = As configurações são mantidas apenas na memória e desaparecem quando { $program } é fechado.
protection-given_key = A senha está criptografada no arquivo de configurações com uma chave guardada por { $program }.
protection-passphrase = A senha está criptografada no arquivo de configurações com uma chave criada a partir de uma frase secreta.
protection-keychain = A senha está criptografada no arquivo de configurações com uma chave do cofre de senhas do sistema.
protection-key_file = A senha está criptografada no arquivo de configurações. A chave está ao lado, num arquivo que só esta pessoa pode ler neste computador: quem puder ler os dois arquivos pode ler a senha.

store-damaged = O arquivo de configurações { $path } está danificado ({ $detail }). Foi deixado como está. Apague as configurações e insira-as novamente, ou restaure o arquivo a partir de uma cópia de segurança.
store-tampered = O arquivo de configurações { $path } foi alterado por algo que não é { $program }. Por segurança, não é usado e foi deixado como está. Apague as configurações e insira-as novamente, ou restaure o arquivo a partir de uma cópia de segurança.
store-wrong_key = O arquivo de configurações { $path } não pode ser aberto com esta chave ({ $detail }). Foi deixado como está.
store-newer = O arquivo de configurações { $path } foi escrito por uma versão mais recente de { $program }. Foi deixado como está. Atualize { $program }.
store-no_folder = A pasta { $path } do arquivo de configurações não pode ser usada: { $detail }.
store-unreadable = O arquivo de configurações { $path } não pode ser lido: { $detail }.
store-unwritable = Não foi possível gravar as configurações em { $path }: { $detail }. As configurações anteriores continuam válidas.
store-busy = Neste momento, outro programa grava as configurações em { $path }. Tente novamente.
store-key_file_exposed = O arquivo de chave { $path } pode ser lido por outras pessoas que usam este computador, portanto não protege nada. Permita a leitura apenas ao dono do arquivo.
store-key_missing = Falta o arquivo de chave { $path }, que abre as configurações. Restaure-o a partir de uma cópia de segurança, ou apague as configurações e insira-as novamente.
store-no_keychain = O cofre de senhas do sistema não pode ser usado: { $detail }.

## The Email button

kind-invoice = Fatura
kind-quote = Orçamento
kind-order = Pedido
kind-credit_note = Nota de crédito
kind-delivery_note = Nota de entrega
kind-receipt = Recibo
kind-reminder = Lembrete de pagamento
kind-statement = Extrato de conta
kind-payslip = Recibo de salário
kind-report = Relatório
kind-document = Documento
button-subject = { $document }
button-subject_from = { $document } de { $sender }
button-body =
    Olá, { $name },

    Segue em anexo: { $document }.
button-body_no_name =
    Olá,

    Segue em anexo: { $document }.
button-closing =
    Cordialmente,
    { $sender }

## Before an email is sent: what may not be meant

check-address_mistyped = { $address } não parece o endereço certo. Trata-se de { $meant }?
check-recipient_twice = { $address } aparece duas vezes entre os destinatários.
check-no_subject = O e-mail não tem assunto.
check-no_body = O e-mail não tem texto.
check-placeholder = { $placeholder } parece um campo que ficou por preencher.
check-other_provider = { $sender } é um endereço de { $provider }, mas o e-mail segue por { $other }: muitos servidores consideram falsos esses e-mails. Envie por { $provider } ou a partir de outro endereço.
check-over_size_limit = O e-mail tem { $size }, e { $provider } aceita no máximo { $limit }. Reduza o tamanho dos anexos ou envie em vez disso um link.
check-over_recipient_limit = O e-mail tem { $number } destinatários, e { $provider } aceita no máximo { $limit }. Envie-o por partes, a alguns de cada vez.
check-no_reply_to = As respostas a este e-mail vão para { $sender }, onde provavelmente ninguém as lê. Insira um endereço de resposta.

## The test mail

test_subject = E-mail de teste de { $program }
test_body =
    Este é um e-mail de teste de { $program }.

    Se conseguir lê-lo, as suas configurações de e-mail funcionam.

## Progress

step-turn = Espera pelo envio de outros e-mails
step-sign_in = Renovando o início de sessão
step-name = Procura do servidor
step-connect = Conexão
step-proxy = Conexão através do proxy
step-tls = Criptografia da conexão
step-greeting = Saudação ao servidor
step-login = Autenticação
step-sender = Indicação do remetente
step-recipient = Indicação dos destinatários
step-content = Envio
step-verdict = Espera pela resposta do servidor

## What happened

problem-accepted = O servidor aceitou o e-mail.
problem-accepted_partly = O servidor aceitou o e-mail para alguns dos destinatários e recusou os outros.
test-accepted = As configurações funcionam: o servidor aceitou um e-mail de teste para { $recipient }.
problem-name_not_found = O servidor { $host } não foi encontrado. O e-mail não foi enviado.
problem-name_lookup_failed = Não foi possível procurar o nome { $host }: parece não haver conexão à internet. O e-mail não foi enviado.
problem-no_route = Não há caminho deste computador para { $host }: a rede está sem funcionar ou não está conectada. O e-mail não foi enviado.
problem-connection_refused = { $host } recusou a conexão na porta { $port }. O e-mail não foi enviado.
step-repair = Tentando outras portas
problem-connection_failed = Não foi possível estabelecer a conexão com { $host } na porta { $port }. O e-mail não foi enviado.
problem-timed_out = { $step ->
    [name] Não foi possível encontrar o nome { $host } a tempo. O e-mail não foi enviado.
    [connect] { $host } não responde na porta { $port }. O e-mail não foi enviado.
    [content] { $host } deixou de receber o e-mail antes que estivesse completo. Não foi enviado.
   *[other] { $host } deixou de responder. O e-mail não foi enviado.
}
problem-out_of_time = O envio demorou mais do que o permitido. O e-mail não foi enviado.
problem-disconnected = { $step ->
    [content] { $host } fechou a conexão antes que o e-mail estivesse completo. Não foi enviado.
   *[other] { $host } fechou a conexão. O e-mail não foi enviado.
}
problem-name_not_found-proxy = O proxy { $proxy } não foi encontrado. O e-mail não foi enviado.
problem-name_lookup_failed-proxy = Não foi possível procurar o nome do proxy { $proxy }: parece não haver conexão de rede. O e-mail não foi enviado.
problem-no_route-proxy = Não há caminho deste computador para o proxy { $proxy }: a rede está sem funcionar ou não está conectada. O e-mail não foi enviado.
problem-connection_refused-proxy = O proxy { $proxy } recusou a conexão. O e-mail não foi enviado.
problem-connection_failed-proxy = Não foi possível estabelecer a conexão com o proxy { $proxy }. O e-mail não foi enviado.
problem-timed_out-proxy = { $step ->
    [name] Não foi possível encontrar o nome do proxy { $proxy } a tempo. O e-mail não foi enviado.
    [connect] O proxy { $proxy } não responde. O e-mail não foi enviado.
   *[other] O proxy { $proxy } não estabeleceu a tempo a conexão com { $host }. O e-mail não foi enviado.
}
problem-disconnected-proxy = O proxy { $proxy } fechou a conexão em vez de estabelecer a conexão com { $host }. O e-mail não foi enviado.
problem-bad_reply-proxy = A resposta recebida de { $proxy } não é a de um proxy do tipo configurado. O e-mail não foi enviado.
problem-proxy_login_refused = O proxy { $proxy } pede um nome de login e uma senha, ou outros diferentes dos configurados. O e-mail não foi enviado.
problem-proxy_failed = O proxy { $proxy } não estabeleceu a conexão com { $host } na porta { $port }. O e-mail não foi enviado.
problem-bad_reply = A resposta recebida de { $host } na porta { $port } não é a que se esperava. O e-mail não foi enviado.

problem-tls_failed = Não foi possível estabelecer uma conexão criptografada com { $host }. Não foi enviada nenhuma senha, nem o e-mail.
problem-tls_not_spoken = { $host } não usa TLS desde o início na porta { $port }. Não foi enviada nenhuma senha, nem o e-mail.
problem-tls_too_old = { $host } só conhece uma criptografia antiga demais para ser segura. Não foi enviada nenhuma senha, nem o e-mail.
problem-tls_not_offered = { $host } não oferece criptografia na porta { $port }. Não foi enviada nenhuma senha, nem o e-mail.
problem-tls_refused = { $host } recusou iniciar a criptografia. Não foi enviada nenhuma senha, nem o e-mail.
problem-bytes_before_tls = Algo no caminho até { $host } interferiu no início da criptografia. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_untrusted = O certificado de { $host } não vem de uma autoridade em que este computador confia. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_expired = O certificado de { $host } expirou ({ $expires }). Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_not_yet_valid = O certificado de { $host } só é válido a partir desta data: { $begins }. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_wrong_name = { $names_known ->
    [yes] O certificado que { $host } mostra pertence a outro nome ({ $names }). Não foi enviada nenhuma senha, nem o e-mail.
   *[other] O certificado que { $host } mostra não é para este nome. Não foi enviada nenhuma senha, nem o e-mail.
}
problem-certificate_invalid = O certificado de { $host } não é aceitável. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_changed = { $host } mostra um certificado diferente do que foi aprovado antes. Não foi enviada nenhuma senha, nem o e-mail.
problem-login_in_clear = A conexão com { $host } não é criptografada, por isso a senha não foi enviada. O e-mail também não.
problem-token_in_clear = A conexão com { $host } não é criptografada, por isso o início de sessão não foi transmitido. O e-mail não foi enviado.
problem-login_server_unproven = { $host } não provou que conhece a sua senha; é possível que alguém esteja no meio do caminho. A senha e o e-mail não foram enviados.

problem-encryption_required = { $host } exige uma conexão criptografada. O e-mail não foi enviado.
problem-login_refused = { $host } não aceitou o nome de login e a senha. O e-mail não foi enviado.
problem-login_not_offered = { $host } não aceita autenticação na porta { $port }, mas está configurado um nome de login. O e-mail não foi enviado.
problem-login_unsupported = { $host } não oferece nenhuma forma de autenticação por senha conhecida por { $program }. O e-mail não foi enviado.
problem-login_required = { $host } exige autenticação antes de aceitar e-mails. O e-mail não foi enviado.
problem-token_refused = { $provider } não permitiu o início de sessão de { $username }.
problem-http_unauthorized = O serviço web recusou o acesso. O e-mail não foi enviado.

problem-server_busy = { $host } não aceita e-mails deste computador neste momento. O e-mail não foi enviado.
problem-login_deferred = { $host } não conseguiu verificar a autenticação neste momento. O e-mail não foi enviado.
problem-sender_deferred = { $host } não aceita e-mails de { $sender } neste momento. O e-mail não foi enviado.
problem-recipient_deferred = { $host } não aceita e-mails para { $recipient } neste momento. O e-mail não foi enviado a ninguém.
problem-recipient_deferred-copy = { $host } não aceita neste momento e-mails para { $recipient }, que é o seu endereço para cópias. O e-mail não foi enviado a ninguém.
problem-content_deferred = { $host } não aceitou o e-mail neste momento. Não foi enviado.
problem-http_busy = O serviço web está ocupado demais neste momento. O e-mail não foi enviado.

problem-server_refused = { $host } recusou comunicar com este computador. O e-mail não foi enviado.
problem-sender_refused = { $host } não aceita e-mails de { $sender }. O e-mail não foi enviado.
problem-recipient_refused = { $host } recusou o destinatário { $recipient }. O e-mail não foi enviado a ninguém.
problem-recipient_refused-copy = { $host } recusou { $recipient }, que é o seu endereço para cópias. O e-mail não foi enviado a ninguém.
problem-content_refused = { $host } recusou o e-mail. Não foi enviado.
size-kilobytes = { $number } kB
size-megabytes = { $whole },{ $tenth } MB
problem-too_large = { $limit_known ->
    [yes] O e-mail é grande demais: tem { $size }, e { $host } aceita no máximo { $limit }. Não foi enviado.
   *[other] O e-mail é grande demais para { $host }. Não foi enviado.
}
problem-address_not_supported = { $host } não consegue tratar um endereço que tenha antes do @ letras diferentes de A a Z. O e-mail não foi enviado.
problem-http_refused = O serviço web comunicou um erro.
problem-http_not_found = Não há nenhum serviço de e-mail neste endereço web. O e-mail não foi enviado.
problem-http_redirected = O serviço web quer enviar o documento para outro endereço, o que não é feito por segurança. O e-mail não foi enviado.

problem-file_changed = O arquivo do documento foi alterado, substituído ou eliminado antes que o e-mail estivesse completo. Não foi enviado.
problem-file_unreadable = O arquivo do documento não pôde ser lido. O e-mail não foi enviado.

problem-no_verdict = O e-mail foi transmitido por completo para { $host }, mas não se sabe se o servidor o aceitou. Pode ter sido entregue ou não, e não é enviado novamente de forma automática.
problem-canceled = O envio foi cancelado. Nada foi enviado.
problem-internal = Algo falhou dentro de mailbutton. É um erro de mailbutton.

# Connecting
problem-no_network = Não é possível chegar a { $host }, embora o nome esteja certo: este computador parece não ter conexão à internet. O e-mail não foi enviado.
problem-blocked_on_this_computer = Este computador não permite que { $program } estabeleça uma conexão com { $host }. O e-mail não foi enviado.
problem-port_25_blocked = Não é possível chegar a { $host } na porta 25, que a maioria dos provedores de internet bloqueia. O e-mail não foi enviado.
problem-imap_port = A porta { $port } de { $host } serve para receber e-mails (IMAP), não para os enviar. O e-mail não foi enviado.
problem-pop3_port = A porta { $port } de { $host } serve para receber e-mails (POP3), não para os enviar. O e-mail não foi enviado.
problem-web_port = A porta { $port } de { $host } serve para páginas web, não para enviar e-mails. O e-mail não foi enviado.
problem-not_a_mail_server = O que responde na porta { $port } de { $host } não é um servidor de e-mail. O e-mail não foi enviado.
problem-tls_from_the_start = { $host } espera criptografia desde o início na porta { $port }, e as configurações começam sem ela. Não foi enviada nenhuma senha, nem o e-mail.
problem-clear_at_the_start = { $host } começa sem criptografia na porta { $port } e muda depois (STARTTLS), e as configurações usam criptografia desde o início. Não foi enviada nenhuma senha, nem o e-mail.
problem-port_closed = { $host } recusou a conexão na porta { $port }, o que não é habitual em { $provider }: é possível que algo no caminho a bloqueie. O e-mail não foi enviado.
problem-port_silent = { $host } não responde na porta { $port }: é possível que a porta seja outra ou que algo no caminho a bloqueie. O e-mail não foi enviado.
problem-greeting_missing = { $host } aceitou a conexão na porta { $port } e depois não disse nada. O e-mail não foi enviado.
problem-cut_off = A conexão com { $host } na porta { $port } foi cortada logo no início. O e-mail não foi enviado.
problem-queue_too_long = Este e-mail esperou tempo demais pelos anteriores. Não foi enviado.

# Encryption
problem-starttls_hidden = Algo no caminho até { $host } esconde a criptografia que o servidor oferece. Não foi enviada nenhuma senha, nem o e-mail.
problem-tls_not_ready = { $host } não consegue criptografar a conexão neste momento. Não foi enviada nenhuma senha, nem o e-mail.
problem-starttls_broken = { $host } aceitou criptografar a conexão, mas depois não o fez. Não foi enviada nenhuma senha, nem o e-mail.
problem-client_certificate_wanted = { $host } só admite programas que mostram um certificado próprio. Não foi enviada nenhuma senha, nem o e-mail.
problem-intercepted_by_antivirus = Um antivírus ({ $issuer }) abriu a conexão criptografada com { $host } e colocou nela o seu próprio certificado. Não foi enviada nenhuma senha, nem o e-mail.
problem-intercepted_by_firewall = O firewall desta rede ({ $issuer }) abriu a conexão criptografada com { $host } e colocou nela o seu próprio certificado. Não foi enviada nenhuma senha, nem o e-mail.
problem-captive_portal = Em vez de { $host }, respondeu um dispositivo desta rede: é provável que a rede peça primeiro o início de sessão. Não foi enviada nenhuma senha, nem o e-mail.
problem-clock_wrong = O certificado de { $host } não condiz com a data deste computador, que talvez não esteja certa. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_not_the_providers = O certificado recebido não é o de { $provider }: algo entre este computador e { $host } colocou o seu próprio. Não foi enviada nenhuma senha, nem o e-mail.
problem-certificate_self_signed = { $host } mostra um certificado assinado por si mesmo, por isso ninguém o garante. Não foi enviada nenhuma senha, nem o e-mail.

# Login
problem-sign_in_blocked = { $host } pede que a autenticação seja confirmada primeiro num navegador web. O e-mail não foi enviado.
problem-smtp_auth_off_tenant = A sua organização desativou o envio com senha (“SMTP autenticado”) no Microsoft 365. O e-mail não foi enviado.
problem-smtp_auth_off_mailbox = O envio com senha (“SMTP autenticado”) está desativado para esta caixa de correio no Microsoft 365. O e-mail não foi enviado.
problem-password_login_over = { $host } já não permite a autenticação de programas com uma senha. O e-mail não foi enviado.
problem-blocked_by_sign_in_rules = Uma regra de segurança da sua organização não permite esta autenticação. O e-mail não foi enviado.
problem-account_locked = { $host } indica que esta conta está bloqueada. O e-mail não foi enviado.
problem-password_expired = { $host } indica que a senha expirou. O e-mail não foi enviado.
problem-sign_in_scope = O início de sessão em { $host } não permite que { $program } envie e-mails. O e-mail não foi enviado.
problem-sign_in_again = { $host } não aceita mais o início de sessão de { $username }. O e-mail não foi enviado.
problem-sign_in_refused = { $host } não aceitou o início de sessão de { $username }. O e-mail não foi enviado.
problem-sign_in_expired = O início de sessão de { $username } em { $provider } expirou.
problem-sign_in_denied = O início de sessão foi recusado na página de { $provider }.
problem-sign_in_busy = O início de sessão do { $provider } não está disponível neste momento.
problem-sign_in_needs_admin = Um administrador precisa primeiro permitir { $program } em { $provider }.
problem-sign_in_against_rules = Uma regra de segurança da sua organização não permite este início de sessão em { $provider }.
problem-program_not_known = { $provider } não conhece { $program } da forma como se apresenta.
problem-sign_in_abandoned = O início de sessão não foi concluído a tempo.
problem-sign_in_other_account = A sessão foi iniciada por { $account }, e as configurações são de { $username }.
problem-sign_in_no_listener = { $program } não consegue receber o fim do início de sessão neste computador.
problem-sign_in_clock = { $provider } não permitiu o início de sessão porque a data ou a hora deste computador difere da sua.
problem-program_not_verified = { $provider } ainda não verificou { $program } e só permite que poucas pessoas iniciem sessão com ele.
problem-gmail_app_password = { $provider } não aceitou a autenticação: aqui é necessária uma senha de app, não a senha da sua Conta Google. O e-mail não foi enviado.
problem-yahoo_app_password = { $provider } não aceitou a autenticação: aqui é necessária uma senha de app, não a senha do site. O e-mail não foi enviado.
problem-icloud_app_password = { $provider } não aceitou a autenticação: aqui é necessária uma senha específica de app, não a senha da sua Conta Apple. O e-mail não foi enviado.
problem-too_many_logins = { $host } não aceita mais autenticações durante algum tempo, porque houve muitas. O e-mail não foi enviado.
problem-app_password_required = { $host } não aceitou a autenticação: aqui é necessária uma senha de app, não a do site. O e-mail não foi enviado.
problem-access_for_programs_off = { $host } não aceitou a autenticação: é possível que o acesso de programas de e-mail esteja desativado para esta caixa de correio. O e-mail não foi enviado.
problem-ip_not_allowed = { $host } não permite a autenticação a partir do endereço de internet deste computador. O e-mail não foi enviado.
problem-key_username = { $provider } não aceitou a autenticação: o nome de login é ali a palavra apikey, e a senha é uma chave. O e-mail não foi enviado.
problem-key_refused = { $provider } não aceitou o nome de login e a chave. O e-mail não foi enviado.
problem-password_login_ending = { $provider } não aceitou a autenticação: vai deixar de aceitar senhas e talvez já o tenha feito para esta caixa de correio. O e-mail não foi enviado.
problem-full_address_needed = { $host } não aceitou a autenticação: o nome de login é normalmente o endereço de e-mail completo. O e-mail não foi enviado.
problem-password_or_app_password = { $provider } não aceitou o nome de login e a senha: com a verificação em duas etapas, aqui é necessária uma senha de app. O e-mail não foi enviado.
problem-port_25_without_login = { $host } não aceita autenticação na porta 25, que se destina ao e-mail entre servidores. O e-mail não foi enviado.
problem-login_needs_encryption = { $host } não aceita autenticação sem criptografia. O e-mail não foi enviado.
problem-only_sign_in_offered = { $host } não aceita senhas de programas, apenas um início de sessão no navegador web. O e-mail não foi enviado.
problem-sign_in_not_offered = { $host } não aceita nenhum início de sessão do tipo que { $program } conhece. O e-mail não foi enviado.

# Limits
problem-too_many_connections = { $host } tem demasiadas conexões simultâneas desta conta ou deste computador. O e-mail não foi enviado.
problem-recipient_gets_too_many = { $recipient } recebe neste momento mais e-mails do que o seu provedor aceita. O e-mail não foi enviado.
problem-daily_limit = Está esgotado o número de e-mails que { $host } aceita desta conta por dia ou por mês. O e-mail não foi enviado.
problem-rate_limited = { $host } não aceita mais e-mails desta conta durante algum tempo, porque houve muitos em pouco tempo. O e-mail não foi enviado.
problem-greylisted = { $host } faz esperar alguns minutos um primeiro e-mail, para evitar o spam. O e-mail ainda não foi enviado.

# The sender
problem-own_mailbox_full = A sua própria caixa de correio está cheia, por isso { $host } não aceita e-mails seus. O e-mail não foi enviado.
problem-account_blocked = { $host } suspendeu os envios desta conta. O e-mail não foi enviado.
problem-sender_not_verified = { $host } só envia a partir de endereços ali confirmados, e { $sender } não é um deles. O e-mail não foi enviado.
problem-test_mode = A conta em { $host } ainda está no modo de teste, em que só envia para endereços confirmados. O e-mail não foi enviado.
problem-sender_not_allowed = { $host } não permite que este login envie a partir de { $sender }. O e-mail não foi enviado.
problem-sender_domain_unknown = { $host } não conhece a parte de { $sender } depois do @. O e-mail não foi enviado.
problem-sender_domain_protected = O domínio de { $sender } não permite que { $host } envie em seu nome (SPF, DKIM ou DMARC). O e-mail não foi enviado.
problem-sent_from_home = { $host } não aceita e-mails enviados diretamente de uma conexão comum à internet. O e-mail não foi enviado.
problem-blocklisted = O endereço de internet de onde veio este e-mail está numa lista de remetentes de spam. O e-mail não foi enviado.
problem-hello_refused = { $host } não aceitou o nome com que este computador se apresentou. O e-mail não foi enviado.
problem-login_needed_to_send = { $host } só aceita este e-mail depois da autenticação, e não está configurado nenhum nome de login. O e-mail não foi enviado.
problem-relay_denied = { $host } não encaminha e-mails de { $sender } para outros provedores. O e-mail não foi enviado.

# The recipients
problem-too_many_recipients = { $host } não aceita um e-mail com tantos destinatários. O e-mail não foi enviado a ninguém.
problem-mailbox_full = A caixa de correio de { $recipient } está cheia. O e-mail não foi enviado a ninguém.
problem-recipient_disabled = A caixa de correio de { $recipient } não aceita e-mails neste momento. O e-mail não foi enviado a ninguém.
problem-recipient_domain_unknown = Nenhum servidor de e-mail aceita e-mails para { $recipient }: a parte depois do @ não existe ou não tem e-mail. O e-mail não foi enviado a ninguém.
problem-recipient_malformed = { $host } não aceita { $recipient } como endereço de e-mail. O e-mail não foi enviado a ninguém.
problem-recipient_unknown = { $recipient } não existe, segundo { $host }. O e-mail não foi enviado a ninguém.

# The content
problem-virus_found = { $host } considera que há um vírus no e-mail. Não foi enviado.
problem-attachment_blocked = { $host } não aceita um anexo deste tipo. O e-mail não foi enviado.
problem-spam_block = { $host } considera que este e-mail é spam. Não foi enviado.
problem-policy_block = Uma regra de { $host } não permite este e-mail. Não foi enviado.

# The server
problem-server_full = { $host } não tem espaço para mais e-mails neste momento. O e-mail não foi enviado.
problem-server_trouble = { $host } tem um problema próprio neste momento. O e-mail não foi enviado.

# The web service
problem-relay_forbidden = O serviço web conhece este token, mas não permite que ele envie. O e-mail não foi enviado.
problem-relay_rate_limited = O serviço web não aceita mais e-mails durante algum tempo, porque houve muitos em pouco tempo. O e-mail não foi enviado.
problem-relay_gateway = Não é possível chegar ao serviço web por trás do seu endereço. O e-mail não foi enviado.
problem-not_a_relay = O que responde neste endereço web não é um serviço de e-mail. O e-mail não foi enviado.
problem-network_wants_sign_in = Esta rede pede o início de sessão antes de deixar passar qualquer coisa. O e-mail não foi enviado.
problem-relay_account = O serviço web pede que a conta seja primeiro regularizada, por exemplo com um pagamento. O e-mail não foi enviado.
problem-relay_rejects_email = O serviço web não aceita o e-mail tal como está. Não foi enviado.
problem-relay_broken = O serviço web tem um problema próprio. O e-mail não foi enviado.
problem-gateway_lost_answer = O e-mail foi transmitido por completo para { $host }, mas o serviço web por trás dele não respondeu. Pode ter sido entregue ou não, e não é enviado novamente de forma automática.

## What to do: each begins with what to do

advice-check_host = Verifique se o nome do servidor está bem escrito ou procure-o nas páginas de ajuda do seu provedor.
advice-check_host_and_port = Verifique o nome do servidor e a porta nas páginas de ajuda do seu provedor; as portas habituais são 587 e 465.
advice-check_internet = Verifique se este computador tem acesso à internet, por exemplo abrindo uma página web.
advice-check_proxy = Verifique o proxy { $proxy } nas configurações de { $program } ou pergunte a quem o configurou.
advice-check_proxy_login = Verifique o nome de login e a senha do proxy { $proxy } nas configurações de { $program }.
advice-ask_proxy = Peça a quem cuida do proxy { $proxy } que permita conexões com { $host } na porta { $port } e mostre-lhe esta mensagem.
advice-firewall = Verifique se um firewall ou antivírus bloqueia { $program }, permitindo-o ali ou pausando a proteção de e-mail durante um teste.
advice-other_program = Experimente as mesmas configurações no Thunderbird: se também falharem ali, a causa está nas configurações ou no provedor; se ali funcionarem, algo bloqueia { $program }.
advice-other_network = Experimente outra rede, por exemplo o ponto de acesso (hotspot) do seu telefone.
advice-try_again = Tente novamente dentro de um minuto.
advice-fewer_at_once = Envie menos e-mails de cada vez ou espere até que os outros sejam enviados.
advice-try_later = Tente novamente mais tarde; a mensagem do servidor talvez indique quando.
advice-check_limits = Verifique quantos e-mails o seu provedor permite por hora e por dia.
advice-port_25_blocked = Use a porta 587 em vez da 25, que a maioria dos provedores de internet bloqueia.
advice-mode_of_465 = Defina a criptografia como Automática: a porta 465 usa TLS desde o início.
advice-try_auto = Defina a criptografia como Automática e tente novamente.
advice-mode_of_587 = Defina a criptografia como Automática: a porta { $port } começa sem criptografia e muda com STARTTLS.
advice-try_587 = Use a porta 587 com a criptografia Automática.
advice-try_465 = Use a porta 465 com a criptografia Automática.
advice-ask_provider = Pergunte ao seu provedor ou administrador e mostre-lhe esta mensagem.
advice-server_must_update = Peça ao administrador do servidor que ative TLS 1.2 ou 1.3.
advice-other_server = Use outro servidor de e-mail, se o seu provedor tiver um.
advice-check_clock = Verifique a data e a hora deste computador.
advice-renew_certificate = Peça ao administrador do servidor que renove o certificado.
advice-accept_certificate = Aceite este certificado, mas apenas se o servidor for seu e a impressão digital for a que o administrador lhe der.
advice-use_what_works = Use a porta { $port } com a criptografia Automática: ela acabou de ser testada, e { $host } responde nela.
advice-use_what_works-auto = Defina a criptografia como Automática: ela acabou de ser testada na porta { $port }, e { $host } responde.
advice-use_what_works-tls = Defina a criptografia como TLS desde o início: ela acabou de ser testada na porta { $port }, e { $host } responde.
advice-compare_certificate = Pergunte ao administrador do servidor se o certificado foi renovado e compare a impressão digital antes de aceitá-lo.
advice-use_certificate_name = Use o servidor { $certificate_name } e digite a senha novamente, mas somente se esse servidor for do seu provedor.
advice-intercepted = Desative a análise de e-mail do antivírus: ele coloca o seu próprio certificado no lugar do certificado de { $provider }.
advice-use_tls = Defina a criptografia como Automática.
advice-allow_insecure_login = Permita a senha sem criptografia apenas se o servidor estiver na sua própria rede e não tiver criptografia.

advice-app_password-gmail = Use uma senha de app: na sua Conta Google, ative a verificação em duas etapas em Segurança, abra depois Senhas de app, crie uma para { $program } e insira-a aqui no lugar da sua senha normal.
advice-app_password-yahoo = Use uma senha de app: abra a página Segurança da conta do Yahoo (login.yahoo.com/account/security), escolha Gerar senha de app, escolha Outro, escreva { $program }, clique em Gerar e copie-a para o campo da senha.
advice-app_password-icloud = Use uma senha específica de app: inicie sessão em account.apple.com, abra Início de sessão e segurança, escolha Senhas específicas de apps, crie uma para { $program } e insira-a aqui no lugar da sua senha normal.
advice-app_password = Use uma senha de app, pois { $provider } não aceita aqui a sua senha normal: as suas páginas de ajuda explicam como criar uma.
advice-app_password-two_steps = Use uma senha de app se a verificação em duas etapas estiver ativada em { $provider }: as suas páginas de ajuda explicam como criar uma.
advice-app_password-any = Use uma senha de app se o seu provedor tiver verificação em duas etapas: nesse caso, ele não aceita aqui a sua senha normal.
advice-password_login_off = Peça ao seu administrador que permita a autenticação por senha para esta caixa de correio (“SMTP autenticado”): { $provider } vai deixar de aceitá-la e, sem ela, nenhuma senha funciona aqui.
advice-other_account = Use outra conta de e-mail para enviar: { $provider } já não permite a autenticação de programas com uma senha.
advice-full_address = Use o seu endereço de e-mail completo como nome de login: é o que a maioria dos provedores exige.
advice-check_key = Verifique o nome de login e a chave: { $provider } pede uma chave criada no seu site, não a senha usada para iniciar sessão nele.
advice-check_login = Verifique o nome de login e a senha iniciando sessão no site do seu provedor.
advice-login_off = Apague o nome de login se este servidor não precisar de autenticação.
advice-enter_login = Insira o nome de login e a senha da sua conta de e-mail.
advice-check_token = Verifique o token de acesso dado pelo operador do serviço web.
advice-check_sender = Envie a partir do endereço que corresponde a esta conta ou peça ao provedor que permita { $sender } como endereço alternativo (alias).
advice-check_recipient = Verifique se o endereço do destinatário está bem escrito.
advice-check_relay = Insira o nome de login e a senha da sua conta de e-mail: sem autenticação, a maioria dos servidores só aceita e-mails para os seus próprios endereços.
advice-check_content = Verifique no e-mail o que o servidor aponta na sua mensagem.
advice-make_smaller = Reduza o tamanho dos anexos ou envie-os em vários e-mails.
advice-send_link = Envie em vez disso um link para o documento.
advice-plain_address = Peça ao destinatário um endereço que tenha apenas as letras de A a Z ou use um provedor que aceite esse tipo de endereço.
advice-check_url = Verifique o endereço do serviço web com o seu operador.
advice-ask_relay = Pergunte ao operador do serviço web e mostre-lhe esta mensagem.
advice-complete_file = Envie o e-mail de novo quando o arquivo do documento estiver completo e nada mais escrever nele.
advice-check_file = Verifique se o arquivo do documento pode ser aberto e envie o e-mail de novo.
advice-ask_recipient = Pergunte ao destinatário se o e-mail chegou antes de enviá-lo de novo.
advice-look_in_sent = Veja na pasta de e-mails enviados da sua caixa de correio: muitos provedores colocam ali uma cópia do que foi enviado.
advice-report_bug = Comunique este problema ao fabricante de { $program }.

advice-use_sending_port = Use o servidor de envio com a porta 587 e a criptografia Automática; o nome dele começa muitas vezes por smtp.
advice-use_sending_server = Use o servidor de envio de { $provider }, { $sending_host }, na porta { $sending_port }.
advice-try_tls = Defina a criptografia como TLS desde o início.
advice-intercepted-host = Desative a análise de e-mail do antivírus ou faça com que ele não interfira em { $host }: ele coloca o seu próprio certificado no lugar do certificado do servidor.
advice-ask_network = Peça a quem cuida desta rede que deixe passar as conexões com { $host } sem as abrir.
advice-sign_in_network = Abra uma página web qualquer num navegador, inicie sessão nesta rede e repita o teste.
advice-sign_in_browser = Inicie sessão na sua caixa de correio num navegador web, confirme que a tentativa foi sua e repita o teste.
advice-sign_in_again = Inicie sessão novamente.
advice-sign_in_consent = Inicie sessão novamente e permita que { $program } envie e-mails quando lhe for perguntado.
advice-check_sign_in = Verifique se a conta que iniciou sessão pode enviar como { $username }.
advice-use_password = Escolha o nome de login e a senha como forma de autenticação.
advice-allow_program = Peça ao seu administrador que permita que { $program } envie e-mails e mostre a ele esta mensagem.
advice-register_program = Peça ao fabricante de { $program } que verifique como ele está registrado em { $provider } e mostre esta mensagem.
advice-sign_in_as = Inicie sessão novamente e escolha a conta { $username } na página de { $provider }.
advice-use_signed_in_account = Envie como { $account } em vez disso.
advice-restart_and_sign_in = Inicie sessão novamente depois de reiniciar o computador.
advice-verify_program = Peça ao fabricante de { $program } que o submeta à verificação de { $provider }.
advice-verify_program-weekly = Peça ao fabricante de { $program } que o submeta à verificação de { $provider } se você precisa iniciar sessão de novo toda semana.
advice-verify_program-blocked = Peça ao fabricante de { $program } que o submeta à verificação de { $provider } se a página disse que ele está bloqueado ou não foi verificado.
advice-sign_in_instead = Inicie sessão com { $provider } em vez de usar uma senha.
advice-sign_in_instead-unregistered = Peça ao fabricante de { $program } que o registre em { $provider }, para que você possa iniciar sessão sem senha.
advice-allow_smtp_auth-tenant = Peça ao seu administrador que ative “SMTP autenticado” no Microsoft 365 para a sua organização ou apenas para esta caixa de correio.
advice-allow_smtp_auth-mailbox = Peça ao seu administrador que ative “SMTP autenticado” para esta caixa de correio: no centro de administração do Microsoft 365, na lista das contas ativas (Active users), a conta, o correio (Mail), a gestão das aplicações de e-mail (Manage email apps).
advice-other_account-any = Use para enviar outra conta de e-mail, uma que permita a autenticação de programas com uma senha.
advice-ask_administrator = Peça ao seu administrador um servidor pelo qual os programas possam enviar e mostre-lhe esta mensagem.
advice-allow_in_rules = Peça ao seu administrador que isente esta caixa de correio da regra que bloqueia a autenticação por senha (padrões de segurança ou Acesso Condicional).
advice-unlock_account = Inicie sessão no site do seu provedor para desbloquear a conta.
advice-renew_password = Mude a senha no site do seu provedor e insira a nova aqui.
advice-switch_access_on = Ative o acesso de programas de e-mail (POP3, IMAP, SMTP) nas configurações da sua caixa de correio, no site do seu provedor.
advice-allow_ip = Adicione o endereço de internet deste computador aos endereços permitidos na sua conta, no site do provedor.
advice-use_username_apikey = Use a palavra apikey como nome de login e uma chave criada em { $provider } como senha.
advice-use_login_port = Use a porta 587 com a criptografia Automática e o nome de login e a senha da sua conta de e-mail.
advice-wait-seconds = { $count ->
    [one] Tente novamente dentro de { $count } segundo.
   *[other] Tente novamente dentro de { $count } segundos.
}
advice-wait-minutes = { $count ->
    [one] Tente novamente dentro de { $count } minuto.
   *[other] Tente novamente dentro de { $count } minutos.
}
advice-wait-hours = { $count ->
    [one] Tente novamente dentro de { $count } hora.
   *[other] Tente novamente dentro de { $count } horas.
}
advice-try_tomorrow = Tente novamente amanhã ou peça ao seu provedor um limite mais alto.
advice-open_link = Abra a página que o servidor indica: ela explica o motivo e o que pode ser feito.
advice-other_programs = Feche outros programas e dispositivos que enviam pela mesma conta ou espere até que terminem.
advice-ask_recipient_other_address = Peça ao destinatário outro endereço, por exemplo por telefone.
advice-free_space = Apague e-mails antigos da sua própria caixa de correio, também os enviados, ou peça mais espaço ao seu provedor.
advice-verify_sender = Confirme { $sender } como remetente no site do seu provedor ou envie a partir de um endereço que esteja ali confirmado.
advice-leave_test_mode = Peça ao provedor que termine o modo de teste da sua conta ou envie apenas para endereços que estejam ali confirmados.
advice-check_sender_domain = Verifique se a parte depois do @ em { $sender } está bem escrita.
advice-ask_domain = Peça a quem cuida do domínio de { $sender } que permita a { $host } enviar em seu nome ou envie através do servidor desse domínio.
advice-ask_program = Peça ao fabricante de { $program } que defina um nome adequado para este computador.
advice-check_copy = Verifique o endereço para cópias nas configurações.
advice-fewer_recipients = Envie o e-mail para menos destinatários de cada vez.
advice-tell_recipient_full = Avise o destinatário por outro meio de que a caixa de correio está cheia e envie o e-mail de novo mais tarde.
advice-check_domain = Verifique se a parte depois do @ em { $recipient } está bem escrita.
advice-scan_files = Verifique os anexos com um antivírus antes de enviá-los a alguém.
advice-remove_attachment = Retire o anexo que não é um documento, como um programa ou um arquivo compactado.
advice-change_words = Escreva o assunto e o texto com outras palavras, sem links, e envie o e-mail de novo.

## The words of a user interface around the form and the email

word-settings_title = Configurações de e-mail
word-loading = Carregando…
word-saved = As configurações estão guardadas.
word-try_again = Tentar novamente
word-no_answer = { $program } não responde. Nada foi alterado.
word-connection_lost = A conexão com { $program } foi perdida. Tente novamente para ver como continuou.
word-end_unknown = { $program } não sabe como terminou. Pergunte ao destinatário se o e-mail chegou antes de enviá-lo de novo.
word-other_version = Parte deste formulário é mais recente que esta página e não pode ser mostrada por completo.
word-required = obrigatório
word-show_password = Mostrar
word-hide_password = Ocultar
word-use_proposal = Usar estas configurações
word-provider_steps = Como configurar { $provider }
word-open_page = Abrir a página
word-testing = Testando…
word-cancel = Cancelar
word-canceling = Cancelando…
word-close = Fechar
word-step_ok = concluído
word-step_failed = falhou
word-step_skipped = não alcançado
word-what_to_do = O que fazer
word-apply = Aplicar
word-apply_and_test = Aplicar e testar novamente
word-server_said = O servidor respondeu
word-details = Detalhes
word-certificate = Certificado
word-certificate_subject = Emitido para
word-certificate_issuer = Emitido por
word-certificate_valid = Válido
word-certificate_names = Nomes
word-certificate_fingerprint = Impressão digital SHA-256
word-accept_certificate = Aceitar e testar novamente
word-signed_in_as = Sessão iniciada como { $account }
word-sign_in_waiting = Aguardando o início de sessão no navegador…
word-sign_in_open = Abrir a página de início de sessão
word-sign_in_code = Insira este código lá
word-email_title = Enviar por e-mail
word-to = Para
word-cc = Cc
word-bcc = Cco
word-show_cc_bcc = Cc e Cco
word-addresses_help = Vários endereços são separados por vírgulas.
word-subject = Assunto
word-message = Mensagem
word-write = Escrever
word-preview = Pré-visualização
word-markdown_help = Pode usar **negrito**, *itálico*, listas e [links](https://example.com).
word-document = Documento
word-attachments = Anexos
word-add_attachment = Adicionar um arquivo
word-remove_attachment = Remover { $file }
word-send = Enviar
word-sending = Enviando…
word-before_sending = Antes de enviar
word-send_anyway = Enviar mesmo assim
word-recipient = Destinatário
word-outcome = Resultado
word-outcome_accepted = aceito
word-outcome_refused = recusado
word-outcome_deferred = agora não
word-outcome_not_sent = não enviado
word-outcome_uncertain = incerto
word-discard_question = Fechar sem enviar? O que escreveu será perdido.
word-discard = Fechar sem enviar
word-keep_editing = Continuar editando
