//! Facts about providers, from the data file beside this one.

use once_cell::race::OnceBox;
use serde_json::Value;

const DATA: &str = include_str!("providers.json");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub id: String,
    pub name: String,
    /// Mail domains whose addresses belong to this provider.
    pub domains: Vec<String>,
    pub hosts: Vec<Host>,
    pub app_password: AppPassword,
    /// The provider's own page about it.
    pub help: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

/// What the password field takes at this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppPassword {
    /// The normal password never works.
    Required,
    /// Needed where 2-step verification is on.
    WithTwoSteps,
    /// Password sign-in is off unless an administrator allows it, and will end.
    NotForLong,
    /// Programs cannot sign in with any password.
    NoPassword,
    /// The username and the password are those of a key, not a person's.
    Key,
    /// Nothing special, or not known.
    Unknown,
}

/// The provider whose rules hold for this login: the host's, unless the address is of one whose hosts are the same and whose
/// rules are stricter (Microsoft's personal accounts on the business server).
pub fn provider_of_login(host: &str, username: &str) -> Option<&'static Provider> {
    let of_host = provider_of_host(host)?;
    let of_address = provider_of_address(username);
    let is_stricter = |own: &&Provider| {
        of_host.app_password == AppPassword::NotForLong && own.app_password == AppPassword::NoPassword
    };
    of_address.filter(is_stricter).or(Some(of_host))
}

/// The provider that runs this host.
fn provider_of_host(host: &str) -> Option<&'static Provider> {
    let host = host.trim().trim_end_matches('.');
    all().iter().find(|provider| provider.hosts.iter().any(|known| known.name.eq_ignore_ascii_case(host)))
}

/// The provider of an address, by its domain.
fn provider_of_address(address: &str) -> Option<&'static Provider> {
    let (_, domain) = address.trim().rsplit_once('@')?;
    all().iter().find(|provider| provider.domains.iter().any(|known| known.eq_ignore_ascii_case(domain)))
}

fn all() -> &'static [Provider] {
    // Lock-free: a child after `fork()` must not wait for a thread that was reading the file and is not there.
    static PROVIDERS: OnceBox<Vec<Provider>> = OnceBox::new();
    // A test reads the file whole, so that it cannot be malformed here.
    PROVIDERS.get_or_init(|| Box::new(read(DATA).unwrap_or_default()))
}

fn read(data: &str) -> Option<Vec<Provider>> {
    let data: Value = serde_json::from_str(data).ok()?;
    data.get("providers")?.as_array()?.iter().map(provider).collect()
}

fn provider(row: &Value) -> Option<Provider> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let host = |row: &Value| {
        Some(Host { name: text(row.get("host")?)?, port: u16::try_from(row.get("port")?.as_u64()?).ok()? })
    };
    Some(Provider {
        id: text(row.get("id")?)?,
        name: text(row.get("name")?)?,
        domains: row.get("domains")?.as_array()?.iter().map(text).collect::<Option<_>>()?,
        hosts: row.get("smtp")?.as_array()?.iter().map(host).collect::<Option<_>>()?,
        app_password: match row.get("app_password")?.as_str()? {
            "required" | "token" | "provider_code" => AppPassword::Required,
            "when_2fa" | "optional_or_required" => AppPassword::WithTwoSteps,
            "not_accepted_by_default_from_2026-12" => AppPassword::NotForLong,
            "not_accepted" => AppPassword::NoPassword,
            "n/a" => AppPassword::Key,
            _ => AppPassword::Unknown,
        },
        help: row.get("help").and_then(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_reads_whole() {
        let rows: Value = serde_json::from_str(DATA).unwrap();
        assert_eq!(all().len(), rows["providers"].as_array().unwrap().len());
        assert!(all().len() > 60);
        for provider in all() {
            assert!(!provider.hosts.is_empty(), "{}", provider.id);
            assert!(provider.help.as_ref().is_none_or(|link| link.starts_with("http")), "{}", provider.id);
        }
    }

    #[test]
    fn the_big_three_are_recognised_by_host_and_by_address() {
        assert_eq!(provider_of_host("SMTP.gmail.com.").unwrap().id, "gmail");
        assert_eq!(provider_of_address("ana@yahoo.com").unwrap().app_password, AppPassword::Required);
        assert_eq!(provider_of_host("smtp.office365.com").unwrap().app_password, AppPassword::NotForLong);
        assert_eq!(provider_of_login("smtp.office365.com", "a@hotmail.com").unwrap().id, "outlook-personal");
        assert_eq!(provider_of_login("smtp.office365.com", "a@gmail.com").unwrap().id, "microsoft365");
        assert!(provider_of_login("mail.firm.example", "a@gmail.com").is_none());
        assert!(provider_of_host("localhost").is_none() && provider_of_host("mail.example.com").is_none());
    }
}
