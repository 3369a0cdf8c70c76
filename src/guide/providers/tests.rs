use serde_json::{Value, json};

use super::*;

fn rows() -> Vec<Value> {
    serde_json::from_str(DATA).unwrap()
}

fn id(provider: Option<&Provider>) -> Option<&str> {
    provider.map(|provider| provider.id.as_str())
}

fn read_row(row: Value) -> (Option<Provider>, Vec<(String, &'static str)>) {
    let mut faults = Faults::new();
    let provider = Provider::read(row, "providers[0]".to_owned(), &mut faults);
    (provider, faults.into_iter().map(|fault| (fault.place, fault.code)).collect())
}

fn own(row: Value) -> Providers {
    let (provider, faults) = read_row(row);
    assert_eq!(faults, []);
    Providers::new(vec![provider.unwrap()])
}

#[test]
fn the_data_file_reads_whole() {
    let mut faults = Faults::new();
    let providers = read(DATA, &mut faults);
    assert_eq!(faults, []);
    assert_eq!(providers.len(), rows().len());
    assert!(providers.len() >= 70, "{}", providers.len());
    assert_eq!(embedded().len(), providers.len());
}

#[test]
fn every_row_says_where_its_facts_are_from_and_since_when() {
    for row in rows() {
        assert!(row["source"].as_array().is_some_and(|sources| !sources.is_empty()), "{}", row["id"]);
        let checked = row["checked"].as_str().unwrap();
        assert!(checked.len() == 10 && checked.starts_with("20"), "{}: {checked}", row["id"]);
    }
}

#[test]
fn no_domain_or_mail_server_is_claimed_twice_and_no_id_is_there_twice() {
    let mut seen = std::collections::BTreeMap::new();
    for provider in embedded() {
        let names = provider.domains.iter().map(|it| format!("@{it}"));
        let mx = provider.mx.iter().map(|it| format!("mx {it}"));
        for name in names.chain(mx).chain([format!("id {}", provider.id)]) {
            let before = seen.insert(name.clone(), &provider.id);
            assert_eq!(before, None, "{name} of {}", provider.id);
        }
    }
}

#[test]
fn no_provider_is_reached_in_clear_or_on_the_port_of_servers() {
    for provider in embedded() {
        for server in &provider.servers {
            assert!(server.security != Security::None && server.port != 25, "{}: {server:?}", provider.id);
        }
        // Whoever is not reached at all lets nobody log in.
        assert_eq!(provider.servers.is_empty(), provider.login.is_empty(), "{}", provider.id);
    }
}

#[test]
fn the_rule_and_the_ways_to_log_in_agree() {
    for provider in embedded() {
        let has = |login| provider.login.contains(&login);
        let is_right = match provider.app_password {
            AppPassword::Required => has("app_password"),
            AppPassword::WithTwoSteps => has("password") && has("app_password"),
            AppPassword::NotForLong | AppPassword::NotNeeded | AppPassword::Unknown => has("password"),
            AppPassword::NoPassword => !has("password") && !has("app_password"),
            AppPassword::Key => has("key"),
        };
        assert!(is_right, "{}: {:?} {:?}", provider.id, provider.app_password, provider.login);
    }
}

#[test]
fn a_provider_is_found_by_its_server_its_addresses_and_its_mail_servers() {
    let providers = Providers::default();
    for provider in embedded() {
        for server in &provider.servers {
            let found = providers.of_host(&server.host.to_uppercase()).unwrap();
            assert!(found.servers.iter().any(|it| it.host == server.host), "{}", server.host);
        }
        for domain in &provider.domains {
            assert_eq!(id(providers.of_address(&format!(" ana@{domain}. "))), Some(provider.id.as_str()), "{domain}");
        }
        for suffix in &provider.mx {
            assert_eq!(id(providers.of_mx(suffix)), Some(provider.id.as_str()));
            assert_eq!(id(providers.of_mx(&format!("MX1.{suffix}."))), Some(provider.id.as_str()));
        }
    }
    assert_eq!(id(providers.of_mx("firm-ro.mail.protection.outlook.com")), Some("microsoft365"));
    for nobody in ["localhost", "mail.example.com", "gmail.com.example.com", "", "."] {
        assert_eq!(id(providers.of_host(nobody)), None, "{nobody}");
        assert_eq!(id(providers.of_mx(nobody)), None, "{nobody}");
        assert_eq!(id(providers.of_address(&format!("ana@{nobody}"))), None, "{nobody}");
    }
    assert_eq!(id(providers.of_address("gmail.com")), None);
}

#[test]
fn who_shares_a_server_is_told_apart_by_the_address() {
    let providers = Providers::default();
    for (host, username, found) in [
        ("smtp.gmail.com", "", "gmail"),
        ("smtp.gmail.com", "ana@gmail.com", "gmail"),
        ("smtp.gmail.com", "ana@firm.example", "google-workspace"),
        ("smtp.office365.com", "", "microsoft365"),
        ("smtp.office365.com", "ana@firm.example", "microsoft365"),
        ("smtp.office365.com", "ana@gmail.com", "microsoft365"),
        ("smtp.office365.com", "ana@hotmail.com", "outlook-personal"),
    ] {
        assert_eq!(id(providers.of_login(host, username)), Some(found), "{host} {username}");
    }
    assert_eq!(id(providers.of_login("mail.firm.example", "ana@gmail.com")), None);
}

#[test]
fn the_rows_of_the_host_come_first_and_replace_those_with_their_id() {
    let row = json!({
        "id": "gmail", "name": "Scripted", "domains": ["Firmă.example", "yahoo.com"],
        "servers": [{"host": "LOCALHOST", "port": 2525, "security": "none"}], "username": "local_part",
        "chunking": "good",
    });
    let providers = own(row);
    assert_eq!(id(providers.of_host("localhost")), Some("gmail"));
    assert!(providers.of_host("localhost").unwrap().chunks_well);
    assert_eq!(id(providers.of_address("ana@xn--firm-3sa.example")), Some("gmail"));
    assert_eq!(id(providers.of_address("ana@yahoo.com")), Some("gmail"));
    // The embedded one is gone, the others are there.
    assert_eq!(id(providers.of_address("ana@gmail.com")), None);
    assert_eq!(id(providers.of_host("smtp.gmail.com")), Some("google-workspace"));
    assert_eq!(id(providers.of_host("smtp.mail.yahoo.com")), Some("yahoo"));
}

#[test]
fn each_wrong_part_of_a_row_is_told_with_its_place() {
    let row = json!({
        "id": "own", "nmae": "x", "domains": ["a b", 3], "mx": "x", "login": ["magic"], "username": "email",
        "servers": [{"host": "mail.example", "port": "465", "security": "ssl"}, {"host": "mail.example", "prot": 1}, 7],
        "app_password": "maybe", "app_password_page": "http://example.com/", "limits": {"bytes": 0, "per_week": 1},
        "steps": [null, "javascript:x", 1], "chunking": true, "oauth": {"issuer": "example.com"},
    });
    let (provider, mut faults) = read_row(row);
    assert!(provider.is_none());
    faults.sort_unstable();
    let faults: Vec<_> =
        faults.iter().map(|(place, code)| (place.strip_prefix("providers[0].").unwrap(), *code)).collect();
    let expected = [
        ("app_password", "choice_unknown"),
        ("app_password_page", "link_invalid"),
        ("chunking", "wrong_type"),
        ("domains[0]", "host_name_invalid"),
        ("domains[1]", "wrong_type_expected"),
        ("limits.bytes", "out_of_range"),
        ("limits.per_week", "unknown_key"),
        ("login[0]", "choice_unknown"),
        ("mx", "wrong_type"),
        ("name", "key_missing"),
        ("nmae", "unknown_key_near"),
        ("oauth.issuer", "link_invalid"),
        ("servers[0].port", "wrong_type"),
        ("servers[0].security", "choice_unknown"),
        ("servers[1].port", "key_missing"),
        ("servers[1].prot", "unknown_key_near"),
        ("servers[1].security", "key_missing"),
        ("servers[2]", "wrong_type"),
        ("steps[1]", "link_invalid"),
        ("steps[2]", "wrong_type_expected"),
        ("username", "choice_unknown"),
    ];
    assert_eq!(faults, expected);
}

#[test]
fn the_username_follows_from_the_address() {
    let username = |rule: Value, address| {
        let (provider, faults) = read_row(json!({"id": "x", "name": "X", "username": rule}));
        assert_eq!(faults, []);
        provider.unwrap().username(address)
    };
    assert_eq!(username(Value::Null, "ana@x.example").as_deref(), Some("ana@x.example"));
    assert_eq!(username(json!("local_part"), "ana@x.example").as_deref(), Some("ana"));
    assert_eq!(username(json!({"fixed": "apikey"}), "").as_deref(), Some("apikey"));
    assert_eq!(username(json!("other"), "ana@x.example"), None);
    assert_eq!(username(json!("address"), "ana"), None);
    assert_eq!(username(json!("local_part"), ""), None);
}

#[test]
fn a_link_of_a_row_is_a_web_page() {
    let faults = |link: &str| read_row(json!({"id": "own", "name": "Own", "help": link})).1;
    for right in
        ["https://example.com/", "https://example.com", "https://example.com:8443/a?b=c#d", "https://poștă.example/ș"]
    {
        assert_eq!(faults(right), [], "{right}");
    }
    for wrong in [
        "http://example.com/",
        "https://",
        "https://help",
        "https://../",
        "https://ana:secret@example.com/",
        "https://example.com/\u{202e}",
        "https://example.com/a b",
        "https://example.com/\"><script>",
        " https://example.com/",
    ] {
        assert_eq!(faults(wrong), [("providers[0].help".to_owned(), "link_invalid")], "{wrong}");
    }
}

#[test]
fn an_address_is_the_same_server_however_it_is_written() {
    let server = json!({"host": "0:0:0:0:0:0:0:1", "port": 465, "security": "tls"});
    let providers = own(json!({"id": "own", "name": "Own", "servers": [server]}));
    assert_eq!(id(providers.of_host("::1")), Some("own"));
}

#[test]
fn a_server_for_receiving_leads_to_the_one_for_sending() {
    let providers = Providers::default();
    for (host, username, found, sends) in [
        ("imap.gmail.com", "ana@gmail.com", "gmail", "smtp.gmail.com"),
        ("POP.gmail.com.", "ana@gmail.com", "gmail", "smtp.gmail.com"),
        ("imap.gmail.com", "ana@firm.example", "google-workspace", "smtp.gmail.com"),
        ("imap.mail.yahoo.com", "", "yahoo", "smtp.mail.yahoo.com"),
        ("imap.mail.me.com", "", "icloud", "smtp.mail.me.com"),
        ("imap-mail.outlook.com", "", "outlook-personal", "smtp-mail.outlook.com"),
        ("outlook.office365.com", "ana@outlook.com", "outlook-personal", "smtp-mail.outlook.com"),
        ("outlook.office365.com", "ana@firm.example", "microsoft365", "smtp.office365.com"),
        ("secureimap.t-online.de", "", "tonline", "securesmtp.t-online.de"),
        ("imap.gmx.net", "", "gmx-net", "mail.gmx.net"),
    ] {
        let provider = providers.of_login(host, username);
        assert_eq!(id(provider), Some(found), "{host}");
        let server = provider.unwrap().sends_instead_of(&canonical(host)).unwrap();
        assert_eq!(server.host, sends, "{host}");
    }
    for other in ["imap.firm.example", "gmail.com", "imap.smtp.gmail.com", "popular.gmx.net", "imap", "pop."] {
        assert_eq!(id(providers.of_host(other)), None, "{other}");
    }
    // None of those that are for sending is taken for one of these.
    for provider in embedded() {
        for server in &provider.servers {
            assert_eq!(provider.sends_instead_of(&server.host), None, "{}", server.host);
        }
    }
}
