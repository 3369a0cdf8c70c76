//! Placeholders of templates that nobody filled in: `{name}`, `{{ name }}`, `{% if %}`, `${name}`, `%NAME%`, `[Name]` and
//! the `«First_Name»` of mail merges. Brackets and guillemets are what people write with, and now and then somebody puts a
//! remark into braces: there only words that stand for a name count.

/// So many bytes of a text are looked at: more is no letter.
const MOST_BYTES: usize = 100_000;
/// Longer is a sentence in braces.
const LONGEST: usize = 40;
const MOST_WORDS: usize = 4;

/// Words for "name" and its kinds, as templates have them.
const NAMES: &[&str] = &[
    "name",
    "names",
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "forename",
    "companyname",
    "customername",
    "clientname",
    "nume",
    "numele",
    "prenume",
    "prenumele",
    "denumire",
    "vorname",
    "nachname",
    "familienname",
    "firmenname",
    "kundenname",
    "nom",
    "prénom",
    "prenom",
    "nombre",
    "apellido",
    "apellidos",
    "nome",
    "cognome",
    "sobrenome",
    "naam",
    "voornaam",
    "achternaam",
    "bedrijfsnaam",
    "imię",
    "imie",
    "nazwisko",
    "nazwa",
    "имя",
    "фамилия",
    "الاسم",
    "jméno",
    "příjmení",
    "név",
    "isim",
    "soyad",
    "όνομα",
];

/// The fields that Word makes by itself.
const OF_WORD: &[&str] = &["AddressBlock", "GreetingLine"];

/// The first one, as it stands in the text.
pub(super) fn find(text: &str) -> Option<&str> {
    let text = (0..4).find_map(|back| text.get(..MOST_BYTES - back)).unwrap_or(text);
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let first = rest.chars().next()?;
        if first == '`' {
            at += code(rest);
            continue;
        }
        let before = text.get(..at).unwrap_or_default();
        let length = match first {
            '{' => braces(before, rest),
            '$' => rest.get(1..).filter(|rest| rest.starts_with('{')).and_then(name_in_braces).map(|length| length + 1),
            '%' => percents(before, rest),
            '[' => brackets(text, before, rest),
            '«' => guillemets(rest),
            _ => None,
        };
        if let Some(length) = length {
            return rest.get(..length);
        }
        at += first.len_utf8();
    }
    None
}

/// What stands in backticks is shown as it is, and meant as it is. The length of it, or of the backticks if they open nothing.
fn code(rest: &str) -> usize {
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    let (fence, inside) = rest.split_at_checked(ticks).unwrap_or((rest, ""));
    inside.find(fence).map_or(ticks, |end| end + 2 * ticks)
}

fn braces(before: &str, rest: &str) -> Option<usize> {
    for (open, close) in [("{{", "}}"), ("{%", "%}")] {
        if let Some(inside) = rest.strip_prefix(open) {
            let content = until(inside, close)?;
            let is_one = !content.contains(['{', '}', '\n']) && content.contains(char::is_alphabetic);
            return is_one.then_some(open.len() + content.len() + close.len());
        }
    }
    // After a letter, a backslash and the like it is a formula or a program.
    let is_apart = |c: char| !c.is_alphanumeric() && !matches!(c, '\\' | '^' | '_' | '}' | ']' | ')');
    if before.chars().next_back().is_none_or(is_apart) { name_in_braces(rest) } else { None }
}

fn name_in_braces(rest: &str) -> Option<usize> {
    let content = until(rest.get(1..)?, "}")?;
    is_field(content.trim()).then_some(content.len() + 2)
}

/// Something like `customer.first_name`, in any language.
fn is_field(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ');
    (2..=LONGEST).contains(&text.chars().count())
        && text.starts_with(char::is_alphabetic)
        && text.ends_with(char::is_alphanumeric)
        && text.chars().all(is_part)
        && (!text.contains(' ') || has_word_for_name(text, ' '))
}

/// Percent signs stand behind numbers, and in web addresses.
fn percents(before: &str, rest: &str) -> Option<usize> {
    let inside = rest.get(1..)?;
    let name = until(inside, "%")?;
    let after = inside.get(name.len() + 1..)?;
    let is_name = (3..=LONGEST).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let of_number = before.trim_end().ends_with(|c: char| c.is_numeric() || c == '%');
    let in_word =
        before.ends_with(char::is_alphanumeric) || after.starts_with(|c: char| c.is_alphanumeric() || c == '%');
    // `%TEMP%\file`: a folder of Windows.
    let in_path = after.starts_with(['\\', '/']) || before.ends_with(['\\', '/', '=', '&', '?']);
    let in_address = || {
        let backwards = before.chars().rev().take(8 * LONGEST);
        let word: String = backwards.take_while(|c| !c.is_whitespace()).collect();
        word.contains("//:") || word.contains(".www")
    };
    (is_name && !of_number && !in_word && !in_path && !in_address()).then_some(name.len() + 2)
}

/// `[Name]` and `[Your Name]`, but no link and no `[Urgent]`.
fn brackets(text: &str, before: &str, rest: &str) -> Option<usize> {
    let content = until(rest.get(1..)?, "]")?;
    let after = rest.get(content.len() + 2..)?;
    let is_link = || {
        let is_inline = after.starts_with(['(', '[', ':']) || before.ends_with(['!', ']']);
        is_inline || text.contains(&format!("[{content}]:"))
    };
    (has_word_for_name(&content.replace('_', " "), ' ') && !is_link()).then_some(content.len() + 2)
}

/// A merge field has no spaces, and more than one word: what is quoted like this otherwise is a title or a name.
fn guillemets(rest: &str) -> Option<usize> {
    let content = until(rest.strip_prefix('«')?, "»")?;
    let is_merged = OF_WORD.contains(&content) || (content.contains('_') && has_word_for_name(content, '_'));
    is_merged.then_some("«»".len() + content.len())
}

/// What stands before the next `close`, if that is near.
fn until<'t>(text: &'t str, close: &str) -> Option<&'t str> {
    let near = text.char_indices().nth(2 * LONGEST).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    near.split_once(close).map(|(content, _)| content)
}

/// A few words, and one of them for a name.
fn has_word_for_name(text: &str, between: char) -> bool {
    let words = || text.split(between);
    text.chars().count() <= LONGEST
        && words().count() <= MOST_WORDS
        && words().all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric))
        && words().any(|word| NAMES.contains(&word.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_left_is_found() {
        let table = [
            ("Hello {name},", "{name}"),
            ("Factura {numar}", "{numar}"),
            ("{ client.prenume } !", "{ client.prenume }"),
            ("Sehr geehrte Frau {Nachname des Kunden}", "{Nachname des Kunden}"),
            ("Hello {{ name }},", "{{ name }}"),
            ("Hello {{{name}}}", "{{name}}"),
            ("{{#each lines}}", "{{#each lines}}"),
            ("{% if paid %}Thanks{% endif %}", "{% if paid %}"),
            ("Total: ${total} lei", "${total}"),
            ("Dear %NAME%,", "%NAME%"),
            ("%first_name%", "%first_name%"),
            ("(%INVOICE_NO%)", "%INVOICE_NO%"),
            ("Dear [Name],", "[Name]"),
            ("[your name]", "[your name]"),
            ("Stimate [Nume client]", "[Nume client]"),
            ("Bonjour [Prénom],", "[Prénom]"),
            ("Cher «First_Name»", "«First_Name»"),
            ("«Nume_Client»", "«Nume_Client»"),
            ("«GreetingLine»", "«GreetingLine»"),
            ("see `{code}` and {name}", "{name}"),
            ("it's ` and {name}", "{name}"),
            ("https://pay.example.com/{invoice_id}", "{invoice_id}"),
        ];
        for (text, found) in table {
            assert_eq!(find(text), Some(found), "{text}");
        }
    }

    #[test]
    fn what_people_write_is_no_placeholder() {
        let texts = [
            "",
            "50% off today, 30% tomorrow",
            "TVA 19%, 9% și 5%: 19%din%",
            "Rabatt 5 %bis% 10 %",
            "https://example.com/%C3%A9t%C3%A9?a=%20b%20c&d=%AB%",
            "see https://example.com/a%name%b and www.example.com/%name%",
            "Open %APPDATA%\\Ledger and look for the log",
            "[Urgent] Invoice 7",
            "[EXTERN] Factura",
            "[Alfa SRL] Oferta",
            "[Ticket #4711] Rechnung",
            "[x] paid",
            "[1]",
            "[...]",
            "[sic]",
            "[name](https://example.com)",
            "![nume](https://example.com/a.png)",
            "[our site][name]",
            "[name]: https://example.com",
            "see [name]\n\n[name]: https://example.com",
            "La société « Nom de la Rose » et «Le Monde»",
            "ООО «Ромашка» и «Имя розы»",
            "«Editura Nume» SRL",
            "«Nombre»",
            "carpeta «plan_de_cuentas»",
            "«YouTube» «LinkedIn»",
            &format!("{}{{name}}", "x".repeat(MOST_BYTES)),
            "the set {1, 2, 3}, the pair {a}, {\"key\": 1}, {}",
            "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
            "x^{ab} and \\textbf{bold} and f{xy} and }{ and {{ }} and {%%}",
            "`{name}` in a template is replaced",
            "```\n{name}\n```\nas above",
            "Price: $ {",
            "$100 {",
            "${}",
            "100 %",
            "%",
            "%%",
            "%a%",
            "%ab%",
            "{",
            "[",
            "«",
            "`",
            "{this is a sentence that somebody has put into braces}",
            "{vezi anexa}",
            "{zzgl. MwSt.}",
        ];
        for text in texts {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
