//! A look at an email before it is sent: offline, and without keeping anything from being sent.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::email::{self, Address, Email, Encoding, Warning};
use crate::form::{Route, Settings};
use crate::guide::{self, Providers, Texts};
use crate::input::{Fault, Faults};
use crate::reply::{Answer, Status};
use crate::transport::smtp::{Server, Submission};

use super::delivery::Delivery;
use super::{Account, fault, token};

/// `pdf` is the length of the document; 0 where it is a file, or not made yet.
pub fn document(account: &Account, mut json: Value, pdf: u64) -> Answer {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let preview = take_preview(&mut json, &mut faults);
    token::given(&mut json, &mut faults);
    let checked = check(account, &texts, json, pdf, faults);
    // With what is wrong with the email, too: who writes it is not done yet.
    checked.unwrap_or_else(|refusal| refusal).with_some("preview_html", preview)
}

fn check(account: &Account, texts: &Texts, json: Value, pdf: u64, mut faults: Faults) -> Result<Answer, Answer> {
    let refuse = |faults: &[_]| fault::refuse(texts, faults, Status::BadEmail);
    faults.extend(email::check_size(pdf).err());
    let document = (pdf > 0).then(Bytes::new);
    let email = Email::from_json(json, document).map_err(|others| faults.extend(others)).ok();
    let Some(email) = email.filter(|_| faults.is_empty()) else { return Err(refuse(&faults)) };
    let settings = account.settings(texts)?;
    let mut warnings = warnings(&account.providers, &email, &settings);
    // Some faults show only when the message is put together, and so does its size.
    let delivery = Delivery::new(settings.as_ref().clone(), email).map_err(|fault| refuse(&[fault]))?;
    warnings.extend(over_limits(texts, &account.providers, &delivery, pdf));
    let warnings: Vec<_> = warnings.iter().map(|warning| told(texts, warning)).collect();
    Ok(Answer::ok("checked").with("warnings", warnings))
}

/// The body as it would be sent in HTML, if that is asked for.
fn take_preview(json: &mut Value, faults: &mut Faults) -> Option<String> {
    match json.as_object_mut()?.remove("preview")? {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => {
            let text = |key| json.get(key).and_then(Value::as_str);
            text("body_html").map(str::to_owned).or_else(|| email::preview(text("body").unwrap_or_default()))
        }
        _ => {
            faults.push(Fault::program("preview", "wrong_type_expected").with("expected", "true or false"));
            None
        }
    }
}

fn told(texts: &Texts, warning: &Warning) -> Value {
    json!({
        "key": warning.place,
        "code": warning.code,
        "message": texts.with(&format!("check-{}", warning.code), &warning.words),
        "proposal": warning.proposal,
    })
}

fn warnings(providers: &Providers, email: &Email, settings: &Settings) -> Vec<Warning> {
    let mut warnings = email::review(email, guide::meant);
    if let Route::Smtp { server, sender, .. } = &settings.route {
        warnings.extend(nobody_replies(email, settings, sender));
        warnings.extend(elsewhere(providers, server, sender));
    }
    warnings
}

fn nobody_replies(email: &Email, settings: &Settings, sender: &Address) -> Option<Warning> {
    let is_lost = email.reply_to.is_empty() && settings.reply_to.is_empty() && email::is_unread(sender);
    is_lost.then(|| Warning::new("reply_to", "no_reply_to").with("sender", sender.to_string()))
}

/// Whoever gets such an email sees that the sender's provider did not send it, and many refuse it as forged.
fn elsewhere(providers: &Providers, server: &Server, sender: &Address) -> Option<Warning> {
    let own = providers.of_address(sender.as_str())?;
    let other = providers.of_login(&server.host, sender.as_str())?;
    if own.is_one_with(other) {
        return None;
    }
    let is_username = server.login.as_ref().filter(|login| login.username == sender.as_str());
    let place = is_username.map_or("email_address", |_| "username");
    let warning = Warning::new(place, "other_provider")
        .with("sender", sender.to_string())
        .with("provider", &own.name)
        .with("other", &other.name);
    Some(warning)
}

/// What the server would refuse in the end, known before it is asked.
fn over_limits(texts: &Texts, providers: &Providers, delivery: &Delivery, pdf: u64) -> Vec<Warning> {
    let Delivery::Smtp(Submission { server, message, .. }) = delivery else { return Vec::new() };
    let Some(provider) = providers.of_login(&server.host, message.sender.as_str()) else { return Vec::new() };
    let size = message.content.size(Encoding::Base64) + email::encoded_size(pdf);
    let count = message.recipients.len() as u64;
    let too_large = provider.limits.bytes.filter(|limit| size > *limit).map(|limit| {
        let (size, limit) = (guide::size_rounded_up(texts, size), guide::size_rounded_down(texts, limit));
        Warning::new("document", "over_size_limit").with("size", size).with("limit", limit)
    });
    let too_many = provider.limits.recipients.filter(|limit| count > *limit).map(|limit| {
        let warning = Warning::new("to", "over_recipient_limit");
        warning.with("number", count.to_string()).with("limit", limit.to_string())
    });
    too_large.into_iter().chain(too_many).map(|warning| warning.with("provider", &provider.name)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::Trust;
    use crate::transport::smtp::Security;

    const PEOPLE: &[&str] = &[
        "Ștefan Țuțea",
        "Ion Popescu",
        "Ana-Maria Ionescu-Brăila",
        "Müller, Jürgen",
        "Dr. Zoë Groß",
        "François Lefèbvre",
        "Núria O'Connor",
        "Łukasz Żółć",
        "João Conceição",
        "Giovanni D'Angelo",
        "Jan van der Berg",
        "Γιώργος Παπαδόπουλος",
        "Владимир Иванов",
        "محمد عبد الله",
        "山田太郎",
        "Nguyễn Văn An",
        "Ömer Çelik",
        "SC \"Alfa & Beta\" SRL",
        "GmbH & Co. KG [Einkauf]",
        "S.C. Name Design S.R.L.",
        "ООО «Ромашка»",
        "Café {Central}",
        "100% Bio SRL",
    ];
    const LOCALS: &[&str] = &[
        "ion",
        "ana.maria",
        "office+7",
        "contabilitate",
        "info",
        "o'neil",
        "no.rep.lyon",
        "reply",
        "name",
        "ștefan",
        "first_name",
    ];
    const DOMAINS: &[&str] = &[
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "yahoo.ro",
        "yahoo.co.uk",
        "ymail.com",
        "hotmail.com",
        "hotmail.fr",
        "live.com",
        "outlook.com",
        "outlook.de",
        "msn.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "aol.com",
        "gmx.de",
        "gmx.net",
        "web.de",
        "mail.com",
        "email.com",
        "mail.ru",
        "yandex.ru",
        "ya.ru",
        "orange.fr",
        "wanadoo.fr",
        "laposte.net",
        "libero.it",
        "t-online.de",
        "proton.me",
        "seznam.cz",
        "wp.pl",
        "o2.pl",
        "comcast.net",
        "qq.com",
        "163.com",
        "alfa.ro",
        "firma.com.ro",
        "smart.co",
        "company.cm",
        "mall.com",
        "gmall.ro",
        "bücher.example",
        "țară.ro",
        "intranet",
        "[192.0.2.7]",
    ];
    const SUBJECTS: &[&str] = &[
        "Factura 2026/001",
        "[Alfa SRL] Ofertă nr. 12",
        "[Urgent] Rechnung Nr. 4711",
        "Votre facture « Nom de domaine »",
        "Invoice #7 (copy)",
        "50% de reducere – 30% azi",
        "Счёт ООО «Имя»",
        "Fwd: Re: [EXTERN] Angebot",
        "فاتورة رقم 7",
        "請求書 2026年11月",
        "Factuur (kopie) 7",
    ];
    const SENTENCES: &[&str] = &[
        "Bună ziua,\n\nVă transmitem atașat factura nr. 2026/001 în valoare de 1.190,00 lei (TVA 19% inclus).",
        "Sehr geehrte Frau Müller,\n\nanbei die Rechnung; bei Zahlung binnen 10 Tagen 3 % Skonto, 5 %ige Anzahlung.",
        "Bonjour Monsieur,\n\nVeuillez trouver ci-joint « la facture » et le bon «Livraison».",
        "Estimado cliente:\n\nRellene el campo «Nombre» del formulario [ver anexo].",
        "Gentile cliente, in allegato la fattura [n. 7], sconto del 20%: vedi [sito](https://example.it/?a=%20b%20c&q=%7Bname%7D).",
        "Szanowni Państwo, w załączeniu faktura. Rabat 10%, 20% albo 30%.",
        "Уважаемый клиент! Счёт для ООО «Ромашка» и ЗАО «Имя Розы» во вложении.",
        "عزيزي العميل، تجدون الفاتورة مرفقة. خصم 10٪.",
        "お客様各位「請求書」を添付いたします。【重要】お支払期限:11月30日",
        "Dear Sir or Madam,\n\n| item | price |\n|---|--:|\n| Name tags [blue] | $100 |\n| (spare) parts | ${} 5 |",
        "- [x] paid\n- [ ] shipped [1]\n\n[1]: https://example.com/%C3%A9%20t",
        "Set the template to `Hello {name}` and the path to %APPDATA%\\Ledger or C:\\{backup 1}.",
        "See https://example.com/a%20b%20c, www.example.com/%7Ename%7E and <ion@example.com>. *Best* regards_",
        "The formula f(x) = x^{ab} + {1, 2, 3} \\frac{xy}{z} is in the annex; f{xy}.",
        "1 < 2 && 3 > 2; 100%sure; a%b%c; 5%%; \"name\" = [\"a\", 1]; (name)",
    ];

    fn one_of(list: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        proptest::sample::select(list)
    }

    fn recipient() -> impl Strategy<Value = String> {
        (proptest::option::of(one_of(PEOPLE)), one_of(LOCALS), one_of(DOMAINS)).prop_map(|(name, local, domain)| {
            match name {
                Some(name) => format!("\"{}\" <{local}@{domain}>", name.replace('"', "\\\"")),
                None => format!("{local}@{domain}"),
            }
        })
    }

    fn account() -> Account {
        let account = Account::open(None).unwrap_or_else(|_| panic!("it cannot be opened"));
        let settings = json!({
            "smtp_host": "mail.alfa.ro", "smtp_port": 587, "username": "noreply.facturi@alfa.ro", "password": "x",
            "send_copy": true, "copy_to": "arhiva@alfa.ro",
        });
        assert_eq!(account.settings_set(&settings.to_string()).reason, "saved");
        account
    }

    fn warned(account: &Account, email: &Value) -> Vec<Value> {
        let Ok(email) = Email::from_json(email.clone(), None) else { panic!("refused: {email}") };
        let Ok(settings) = account.settings(&account.texts) else { panic!("no settings") };
        warnings(&account.providers, &email, &settings).iter().map(|warning| told(&account.texts, warning)).collect()
    }

    #[test]
    fn each_good_part_is_left_in_peace() {
        let account = account();
        let email = |to: &str, subject: &str, body: &str| json!({"to": [to], "subject": subject, "body": body});
        for domain in DOMAINS {
            let told = warned(&account, &email(&format!("ion@{domain}"), "a", "b"));
            assert!(told.is_empty(), "{domain}: {told:?}");
        }
        for text in SENTENCES {
            let told = warned(&account, &email("ion@alfa.ro", "a", text));
            assert!(told.is_empty(), "{text}: {told:?}");
        }
    }

    /// Each provider with each of its addresses and servers.
    #[test]
    fn no_provider_is_elsewhere_at_home() {
        let providers = Providers::default();
        let rows: Vec<Value> = serde_json::from_str(include_str!("../guide/providers.json")).unwrap();
        let mut pairs = 0;
        for row in &rows {
            let texts = |key: &str, of: fn(&Value) -> &Value| -> Vec<String> {
                let items = row[key].as_array().into_iter().flatten();
                items.map(|item| of(item).as_str().unwrap().to_owned()).collect()
            };
            for host in texts("servers", |server| &server["host"]) {
                for domain in texts("domains", |domain| domain) {
                    let server = Server { host: host.clone(), ..server() };
                    let sender = Address::parse(&format!("ana@{domain}")).unwrap();
                    assert_eq!(elsewhere(&providers, &server, &sender), None, "{sender} through {host}");
                    pairs += 1;
                }
            }
        }
        assert!(pairs > 300, "{pairs}");
        let stranger = Address::parse("ana@yahoo.com").unwrap();
        let found = elsewhere(&providers, &Server { host: "smtp.gmail.com".to_owned(), ..server() }, &stranger);
        assert_eq!(found.unwrap().code, "other_provider");
    }

    fn server() -> Server {
        Server {
            host: String::new(),
            port: 587,
            security: Security::StartTls,
            trust: Trust::Authorities,
            login: None,
            allow_insecure_login: false,
            chunks_well: false,
        }
    }

    proptest! {
        #[test]
        fn a_good_email_has_no_warnings(
            mut to in proptest::collection::vec(recipient(), 1..4),
            subject in one_of(SUBJECTS),
            sentences in proptest::collection::vec(one_of(SENTENCES), 1..5),
        ) {
            // The same person twice is worth a warning, and no accident here.
            let mut seen = std::collections::HashSet::new();
            to.retain(|mailbox| seen.insert(mailbox.rsplit('<').next().unwrap_or_default().trim_end_matches('>').to_lowercase()));
            let email = json!({"to": to, "subject": subject, "body": sentences.join("\n\n")});
            let told = warned(&account(), &email);
            prop_assert!(told.is_empty(), "{email}: {told:?}");
        }

        /// Whatever it holds, it is read to its end, and what is found stands in it.
        #[test]
        fn no_text_is_too_odd(text in "[\\PC\n`{}%$\\[\\]«»a-z_ ]{0,80}") {
            let email = json!({"to": "a@b.ro", "subject": "a", "body": text});
            for warning in warned(&account(), &email).iter().filter(|warning| warning["code"] == "placeholder") {
                let message = warning["message"].as_str().unwrap();
                let found = message.split_once(" looks like").unwrap().0;
                prop_assert!(text.contains(found) && found.chars().count() < 100, "{found:?}");
            }
        }
    }
}
