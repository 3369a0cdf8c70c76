//! The catalogues against the English one and against their languages, and a host's own.

use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey};

use super::faults::words;
use super::*;

const CATEGORIES: &[&str] = &["zero", "one", "two", "few", "many", "other"];

struct File {
    language: &'static str,
    patterns: BTreeMap<&'static str, Pattern<&'static str>>,
}

fn files() -> Vec<File> {
    BUILT_IN.iter().map(|(language, _)| file(language)).collect()
}

/// As it stands in the sources, so that the parser of the library has no part in it.
fn file(language: &'static str) -> File {
    let path = format!("{}/src/guide/texts/{language}.ftl", env!("CARGO_MANIFEST_DIR"));
    let source: &'static str = std::fs::read_to_string(path).unwrap().leak();
    let resource = fluent_syntax::parser::parse(source).unwrap_or_else(|(_, errors)| panic!("{language}: {errors:?}"));
    let mut patterns = BTreeMap::new();
    for entry in resource.body {
        match entry {
            Entry::Message(message) => {
                let id = message.id.name;
                assert!(message.attributes.is_empty(), "{language}: {id}");
                assert!(patterns.insert(id, message.value.unwrap()).is_none(), "{language}: {id} twice");
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            other => panic!("{language}: {other:?}"),
        }
    }
    File { language, patterns }
}

/// What a text chooses by, with the keys of the variants.
fn selectors(pattern: &Pattern<&'static str>) -> BTreeSet<(&'static str, BTreeSet<&'static str>)> {
    let mut found = BTreeSet::new();
    for element in &pattern.elements {
        let PatternElement::Placeable { expression: Expression::Select { selector, variants } } = element else {
            continue;
        };
        let InlineExpression::VariableReference { id } = selector else { panic!("{selector:?}") };
        let keys = variants.iter().map(|variant| match variant.key {
            VariantKey::Identifier { name: key } | VariantKey::NumberLiteral { value: key } => key,
        });
        found.insert((id.name, keys.collect()));
        for variant in variants {
            found.extend(selectors(&variant.value));
        }
    }
    found
}

fn is_plural(keys: &BTreeSet<&str>) -> bool {
    keys.iter().all(|key| CATEGORIES.contains(key) || key.parse::<u32>().is_ok())
}

/// The category of each number up to 200, as a text of this language sees it.
fn categories(language: &str) -> BTreeMap<String, String> {
    let variants: Vec<_> = CATEGORIES[..5].iter().map(|category| format!("    [{category}] {category}\n")).collect();
    let source = format!("x = {{ $n ->\n{}   *[other] other\n}}\n", variants.concat());
    let catalogue = Catalogue::built_in(language.parse().unwrap(), source);
    let category = |number: &str| {
        let mut arguments = FluentArgs::new();
        arguments.set("n", argument(number));
        catalogue.text("x", &arguments).unwrap().replace(['\u{2068}', '\u{2069}'], "")
    };
    (0..=200).map(|number| number.to_string()).map(|number| (number.clone(), category(&number))).collect()
}

fn in_language(tag: &str) -> Texts {
    Texts::new("Ledger").in_locale(&Locale::parse(tag).unwrap())
}

fn own(tag: &str, source: &str) -> Catalogue {
    read_catalogue(&Locale::parse(tag).unwrap(), source).unwrap_or_else(|bad| panic!("{bad:?}"))
}

#[test]
fn no_catalogue_has_a_text_that_english_has_not() {
    let english = file(ENGLISH).patterns;
    assert!(BUILT_IN.len() >= 10);
    for File { language, patterns } in files() {
        let unknown: Vec<_> = patterns.keys().filter(|id| !english.contains_key(*id)).collect();
        assert!(unknown.is_empty(), "{language}: {unknown:?}");
    }
}

#[test]
fn every_language_has_every_text() {
    let english = file(ENGLISH).patterns;
    for File { language, patterns } in files() {
        let missing: Vec<_> = english.keys().filter(|id| !patterns.contains_key(*id)).collect();
        assert!(missing.is_empty(), "{language}: {missing:?}");
    }
}

#[test]
fn each_text_names_the_same_words_in_every_language() {
    let english = file(ENGLISH).patterns;
    for File { language, patterns } in files() {
        for (id, pattern) in patterns {
            let (here, there) = (words(&pattern), words(&english[id]));
            let differ: Vec<_> = here.symmetric_difference(&there).collect();
            assert!(differ.is_empty(), "{language}: {id}: {differ:?}");
            // A built-in text stands for itself.
            assert!(here.iter().all(|word| word.starts_with('$')), "{language}: {id}: {here:?}");
        }
    }
}

#[test]
fn plural_forms_are_those_of_the_language() {
    let mut plurals = 0;
    for File { language, patterns } in files() {
        let categories = categories(language);
        for (id, pattern) in patterns {
            for (_, keys) in selectors(&pattern).into_iter().filter(|(_, keys)| is_plural(keys)) {
                plurals += 1;
                let is_used = |key: &&str| *key == "other" || categories.values().any(|category| category == key);
                let foreign: Vec<_> = keys.iter().filter(|key| CATEGORIES.contains(*key) && !is_used(key)).collect();
                assert!(foreign.is_empty(), "{language}: {id}: {foreign:?} is never chosen");
                for (number, category) in &categories {
                    let has_form = keys.contains(category.as_str()) || keys.contains(number.as_str());
                    assert!(has_form, "{language}: {id} has no form for {number}: {category}");
                }
            }
        }
    }
    assert!(plurals >= 10, "{plurals}");
}

#[test]
fn what_is_chosen_by_a_word_is_so_in_every_language() {
    let by_word = |pattern: &Pattern<&'static str>| {
        let mut found = selectors(pattern);
        found.retain(|(_, keys)| !is_plural(keys));
        found
    };
    let english = file(ENGLISH).patterns;
    for File { language, patterns } in files() {
        for (id, pattern) in patterns {
            assert_eq!(by_word(&pattern), by_word(&english[id]), "{language}: {id}");
        }
    }
}

#[test]
fn every_text_of_every_language_comes_out_whole() {
    for File { language, patterns } in files() {
        let texts = in_language(language);
        assert_eq!(texts.locale(), language);
        for (id, pattern) in patterns {
            let names = words(&pattern).into_iter().map(|word| -> &'static str { word[1..].to_owned().leak() });
            let names: Vec<_> = names.collect();
            for value in ["1", "3", "none", "smtp.example.com"] {
                let words: Vec<_> = names.iter().map(|name| (*name, value.to_owned())).collect();
                let text = texts.find(id, &words).unwrap();
                let is_whole = !text.is_empty() && text.trim() == text;
                assert!(is_whole && !text.contains(['{', '}']) && !text.contains("  "), "{language}: {id}: {text}");
            }
        }
    }
}

#[test]
fn each_advice_is_one_sentence_in_every_language() {
    for File { language, patterns } in files() {
        let texts = in_language(language);
        for (id, pattern) in patterns.iter().filter(|(id, _)| id.starts_with("advice-")) {
            let names = words(pattern).into_iter().map(|word| -> &'static str { word[1..].to_owned().leak() });
            let names: Vec<_> = names.collect();
            for value in ["0", "1", "2", "3", "11", "x"] {
                let words: Vec<_> = names.iter().map(|name| (*name, value.to_owned())).collect();
                let text = texts.find(id, &words).unwrap();
                let has_two = [". ", "! ", "? ", "؟ ", "\n"].iter().any(|end| text.contains(end));
                assert!(text.ends_with('.') && !has_two, "{language}: {id}: {text}");
            }
        }
    }
}

/// Words of reproach. A text says what is, and what to do about it.
#[test]
fn no_text_blames_its_reader() {
    const REPROACHES: &[(&str, &[&str])] = &[
        ("ar", &["أخطأت", "خطؤك", "خاطئ"]),
        ("de", &["falsch", "ihr fehler", "vergessen", "ungültig"]),
        ("en", &["you failed", "wrong", "your mistake", "your fault", "you forgot", "illegal", "invalid"]),
        ("es", &["incorrect", "equivoc", "su error", "culpa"]),
        ("fr", &["erroné", "votre erreur", "votre faute", "oublié", "incorrect"]),
        ("it", &["sbagliat", "errat", "suo errore", "colpa"]),
        ("nl", &["verkeerd", "onjuist", "uw fout", "vergeten", "ongeldig"]),
        ("pl", &["błędn", "twój błąd", "zapomn"]),
        ("pt", &["errad", "incorret", "seu erro", "culpa"]),
        ("ro", &["greșit", "greșeal", "eronat", "incorect", "ați uitat", "vina"]),
    ];
    // Of the date of a computer, and of ourselves.
    const ALLOWED: &[&str] = &["problem-clock_wrong", "problem-internal"];
    for File { language, patterns } in files() {
        let (_, reproaches) = REPROACHES.iter().find(|(of, _)| *of == language).unwrap();
        // What is said of a call is said to a developer.
        for (id, pattern) in patterns.iter().filter(|(id, _)| !id.starts_with("call-") && !ALLOWED.contains(*id)) {
            let text = format!("{pattern:?}").to_lowercase();
            let found: Vec<_> = reproaches.iter().filter(|word| text.contains(*word)).collect();
            assert!(found.is_empty(), "{language}: {id}: {found:?}");
        }
    }
}

#[test]
fn romanian_is_written_with_commas_below() {
    let romanian = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/texts/ro.ftl")).unwrap();
    assert!(romanian.contains(['ș', 'ț']) && !romanian.contains(['ş', 'ţ', 'Ş', 'Ţ']));
}

#[test]
fn words_are_put_in_as_they_are() {
    let text = Texts::new("Ledger").with("fault-unknown_key_near", &[("nearest", "smtp_port".to_owned())]);
    assert!(text.contains("smtp_port") && !text.contains('\u{2068}'), "{text}");
    assert!(Texts::new("Ledger").get("test_subject").contains("Ledger"));
    // What only looks like a number is none.
    for value in ["0", "7", "007", "1.50", "12345678901234567890", "1e3", "-1", ""] {
        assert_eq!(Texts::new("").with("kind-x", &[]), "kind-x");
        let text = Texts::new("").with("button-subject", &[("document", value.to_owned())]);
        assert_eq!(text, value);
    }
}

#[test]
fn a_language_is_looked_up_part_by_part_and_then_text_by_text() {
    assert_eq!((in_language("ro-MD").locale(), in_language("pt-BR").locale()), ("ro".to_owned(), "pt".to_owned()));
    assert_eq!(
        (in_language("sv").locale(), in_language("sv").get("kind-invoice")),
        ("en".to_owned(), "Invoice".to_owned())
    );
    assert_eq!(in_language("ro").get("kind-invoice"), "Factură");
    let texts = Texts::with_own(
        "Ledger",
        vec![
            own("hu", "kind-invoice = Számla"),
            own("ro-MD", "kind-quote = Ofertă de preț"),
            own(
                "en",
                "kind-report = Statement of { $program }\nkind-order = { kind-report } and { -more }\n-more = more",
            ),
        ],
    );
    let get = |tag: &str, id: &str| texts.in_locale(&Locale::parse(tag).unwrap()).get(id);
    assert_eq!((get("hu", "kind-invoice"), get("hu", "kind-quote")), ("Számla".to_owned(), "Quote".to_owned()));
    assert_eq!(
        (get("ro-MD", "kind-quote"), get("ro-MD", "kind-invoice")),
        ("Ofertă de preț".to_owned(), "Factură".to_owned())
    );
    assert_eq!(
        (get("ro", "kind-quote"), get("hu", "kind-report")),
        ("Ofertă".to_owned(), "Statement of Ledger".to_owned())
    );
    assert_eq!(texts.get("kind-order"), "Statement of Ledger and more");
}

#[test]
fn numbers_have_the_forms_of_their_language() {
    let counted = |tag: &str, count: &str| {
        let words =
            [("count", count), ("label", "Port"), ("message", "x")].map(|(name, value)| (name, value.to_owned()));
        in_language(tag).with("settings-faults", &words)
    };
    assert!(counted("ro", "2").starts_with("2 câmpuri ") && counted("ro", "20").starts_with("20 de câmpuri "));
    let forms: BTreeSet<_> = ["2", "5"].map(|count| counted("pl", count).replace(count, "")).into();
    assert_eq!(forms.len(), 2, "{forms:?}");
}

#[test]
fn what_is_put_into_arabic_keeps_its_own_direction() {
    let arabic = in_language("ar");
    assert_eq!((arabic.direction(), in_language("ro").direction()), ("rtl", "ltr"));
    let document = [("document", "Invoice 7".to_owned())];
    assert!(arabic.with("button-body_no_name", &document).contains("\u{2068}Invoice 7\u{2069}"));
    let refused = [("host", "mail.example.com".to_owned()), ("port", "587".to_owned())];
    let text = arabic.with("problem-connection_refused", &refused);
    assert!(text.contains("\u{2068}mail.example.com\u{2069}") && text.contains(" 587"), "{text:?}");
    assert!(!arabic.plain("button-body_no_name", &document).contains(['\u{2068}', '\u{2069}']));
    assert_eq!(arabic.reference("2026-0124"), "\u{200E}2026-0124\u{200E}");
    assert_eq!(arabic.reference("أ-15"), "أ-15");
    assert_eq!(in_language("ro").reference("2026-0124"), "2026-0124");
    assert_eq!(
        Texts::with_own("", vec![own("he", "kind-invoice = חשבונית")])
            .in_locale(&Locale::parse("he").unwrap())
            .direction(),
        "rtl"
    );
}

#[test]
fn what_is_wrong_with_a_hosts_text_is_told_with_its_line() {
    let bad = |source: &str| {
        let bad = read_catalogue(&Locale::parse("hu").unwrap(), source).err().unwrap_or_default();
        bad.into_iter().map(|bad| (bad.line, bad.id, bad.why)).collect::<Vec<_>>()
    };
    let one = |line, id: &str, why| vec![(line, id.to_owned(), why)];
    // The steps of the host's own providers.
    assert_eq!(bad("steps-orchard-mail-1 = { $provider }: { $program }"), []);
    assert_eq!(bad("steps-orchard = x"), one(1, "steps-orchard", WhyBadText::Unknown));
    assert_eq!(bad("# x\n\nkind-invoise = x\n"), one(3, "kind-invoise", WhyBadText::Unknown));
    assert_eq!(bad("kind-invoice = a\nkind-quote = b\nkind-invoice = c\n"), one(1, "kind-invoice", WhyBadText::Twice));
    let word = |word: &str| WhyBadText::Word(word.to_owned());
    assert_eq!(bad("kind-invoice = { $hots }"), one(1, "kind-invoice", word("$hots")));
    assert_eq!(bad("kind-invoice = { -brand }"), one(1, "kind-invoice", word("-brand")));
    assert_eq!(bad("kind-invoice = { kind-quote }"), one(1, "kind-invoice", word("kind-quote")));
    assert_eq!(bad("kind-invoice = { DATETIME($program) }"), one(1, "kind-invoice", word("DATETIME()")));
    assert_eq!(bad("\nsettings-faults = { $count ->\n   *[other] { $x }\n}"), one(2, "settings-faults", word("$x")));
    for (source, line, id) in [
        ("kind-invoice = a\nkind-quote = { $program\n", 2, "kind-quote"),
        ("kind-invoice = a\nkind-quote =\n", 2, "kind-quote"),
        ("kind-invoice a\n", 1, "kind-invoice"),
        ("kind-invoice = { $program ->\n    [a] b\n}\nkind-quote = a\n", 2, "kind-invoice"),
    ] {
        let bad = bad(source);
        assert!(matches!(bad.as_slice(), [(_, _, WhyBadText::Syntax(_))]), "{source}: {bad:?}");
        assert_eq!((bad[0].0, bad[0].1.as_str()), (line, id), "{source}: {bad:?}");
    }
}

#[test]
fn a_text_that_never_ends_or_that_is_too_deep_is_refused() {
    let bad = |source: &str| {
        let bad = read_catalogue(&Locale::parse("hu").unwrap(), source).err().unwrap_or_default();
        bad.into_iter().map(|bad| (bad.line, bad.id, bad.why)).collect::<Vec<_>>()
    };
    let word = |line, id: &str, word: &str| (line, id.to_owned(), WhyBadText::Word(word.to_owned()));
    assert_eq!(bad("button-email = { button-email }"), [word(1, "button-email", "button-email")]);
    let circle = "-a = { -b }\n-b = { -a }\nbutton-email = x { -a }";
    assert_eq!(bad(circle), [word(1, "-a", "-b"), word(2, "-b", "-a"), word(3, "button-email", "-a")]);
    // Each twice as long as the one before.
    let doubled = |from: usize| format!("-a{from} = {{ -a{} }}{{ -a{} }}\n", from - 1, from - 1);
    let source: String = (1..40).map(doubled).collect();
    assert!(bad(&format!("-a0 = x\n{source}")).contains(&word(40, "-a39", "-a38")));
    let chain = (1..5000).map(|at| format!("-a{at} = {{ -a{} }}\n", at + 1)).collect::<Vec<_>>().concat();
    assert!(!bad(&format!("{chain}-a5000 = x\n")).is_empty());
    // What the text in it names, it would have to be given itself; a term is given nothing.
    let within = "kind-invoice = { settings-faults }\nsettings-faults = { $count } { $program }";
    assert_eq!(bad(within), [word(1, "kind-invoice", "$count")]);
    assert_eq!(bad("-a = { $program }\nkind-invoice = { -a }"), [word(1, "-a", "$program")]);
    assert_eq!(bad("\u{FEFF}kind-invoice = { -a } { kind-quote }\n-a = b\nkind-quote = { $program }"), []);
    for (open, close) in [
        ("{ ", " }"),
        ("{ $program ->\n    *[a] ", "\n    }"),
        ("{ NUMBER(\nA(\n", ")) }"),
        ("{ \"}\" ->\n *[a] ", "\n }"),
    ] {
        let source = format!("kind-quote = x\nkind-invoice = {}x{}\n", open.repeat(30_000), close.repeat(30_000));
        let bad = bad(&source);
        assert!(
            matches!(bad.as_slice(), [(2.., id, WhyBadText::Syntax(_))] if id == "kind-invoice"),
            "{open}: {bad:?}"
        );
    }
    let many = (0..150).map(|at| format!("steps-own-{at} = {{ $program }} {{ $provider }}\n# {{{{{{(\n"));
    let many = many.collect::<Vec<_>>().concat();
    assert_eq!(bad(&many), []);
}
