//! The provider that the values so far belong to: what the form shows of it, and the settings that it proposes. A proposal
//! fills in what is empty; what was typed stays.

use serde_json::{Map, Value, json};

use crate::email::Address;
use crate::guide::{AppPassword, Endpoint, Limits, Provider, Providers, SignIn, Texts};

use super::server_name;
use super::values::Values;

/// By the server, or, while there is none, by the address.
pub fn recognise<'p>(providers: &'p Providers, values: &Values) -> Option<&'p Provider> {
    if values.text("protocol") != "smtp" {
        return None;
    }
    if values.text("smtp_host").is_empty() {
        return providers.of_address(address(values));
    }
    of_server(providers, values)
}

/// The server for sending, where the one that was typed is the provider's for receiving.
pub fn sends_instead<'p>(provider: Option<&'p Provider>, values: &Values) -> Option<(&'p Provider, &'p Endpoint)> {
    let provider = provider?;
    Some((provider, provider.sends_instead_of(&host(values)?)?))
}

/// The provider that runs the server.
pub fn of_server<'p>(providers: &'p Providers, values: &Values) -> Option<&'p Provider> {
    providers.of_login(&host(values)?, address(values))
}

/// By the name that is looked up, not by the letters that were typed: there is more than one way to type it.
fn host(values: &Values) -> Option<String> {
    server_name::host("smtp_host", values.text("smtp_host")).ok().filter(|_| values.text("protocol") == "smtp")
}

/// The user's own, whichever field it is in.
fn address(values: &Values) -> &str {
    let username = values.text("username");
    if username.contains('@') { username } else { values.text("email_address") }
}

pub fn render(texts: &Texts, provider: &Provider) -> Value {
    let Limits { per_day, per_hour, recipients, bytes } = provider.limits;
    json!({
        "id": provider.id,
        "name": provider.name,
        "login": provider.login,
        "help": provider.help,
        "app_password_page": provider.app_password_page,
        "limits": {"per_day": per_day, "per_hour": per_hour, "recipients": recipients, "bytes": bytes},
        "steps": steps(texts, provider),
    })
}

/// The provider's own steps, or those of its rule.
fn steps(texts: &Texts, provider: &Provider) -> Vec<Value> {
    let words = [("provider", provider.name.clone())];
    let text = |of: &str, number: usize| texts.find(&format!("steps-{of}-{number}"), &words);
    let own = provider.steps.iter().enumerate();
    let own = own.map_while(|(at, link)| Some(json!({"text": text(&provider.steps_as, at + 1)?, "link": link})));
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        return own;
    }
    // The page is for the first step, the others follow on it.
    let page = provider.app_password_page.as_ref().or(provider.help.as_ref());
    let link = |number| if number == 1 { page } else { None };
    let rule = provider.app_password.code();
    (1..).map_while(|number| Some(json!({"text": text(rule, number)?, "link": link(number)}))).collect()
}

/// `null` if nothing is left to fill in.
pub fn proposal(texts: &Texts, providers: &Providers, provider: &Provider, values: &Values) -> Value {
    let Some(server) = server(provider, values) else { return Value::Null };
    let mut patch = patch(provider, server, values);
    if needs_sign_in(providers, provider) && values.text("auth") != "oauth2" {
        patch.insert("auth".to_owned(), "oauth2".into());
    }
    if patch.is_empty() {
        return Value::Null;
    }
    let words = [("provider", provider.name.clone()), ("host", server.host.clone()), ("port", server.port.to_string())];
    json!({
        "source": "provider",
        "provider": provider.id,
        "message": texts.with("proposal-provider", &words),
        "patch": patch,
    })
}

/// No password gets in there, and the host's program can sign in.
fn needs_sign_in(providers: &Providers, provider: &Provider) -> bool {
    provider.app_password == AppPassword::NoPassword && providers.sign_in(provider) == SignIn::Registered
}

/// The one that fits what was typed of it.
fn server<'p>(provider: &'p Provider, values: &Values) -> Option<&'p Endpoint> {
    let host = match host(values) {
        Some(host) => host,
        None => provider.servers.first()?.host.clone(),
    };
    match values.text("smtp_port") {
        "" => provider.endpoint(&host, None),
        port => provider.endpoint(&host, Some(port.parse().ok()?)),
    }
}

fn patch(provider: &Provider, server: &Endpoint, values: &Values) -> Map<String, Value> {
    // What is no address yet would hide its field, and the fault with it.
    let address = Some(address(values)).filter(|address| Address::parse(address).is_ok());
    let username = provider.username(address.unwrap_or_default()).filter(|_| values.text("username").is_empty());
    let security = server.security_beside_auto().filter(|_| values.text("smtp_security") == "auto");
    // In the order of the form.
    let filled = [
        ("smtp_host", Some(server.host.clone().into()).filter(|_| values.text("smtp_host").is_empty())),
        ("smtp_port", Some(server.port.into()).filter(|_| values.text("smtp_port").is_empty())),
        ("smtp_security", security.map(Value::from)),
        ("username", username.map(Value::from)),
    ];
    filled.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
