//! The form as data: everything that a screen needs to show it, and nothing that it must know by itself.

use serde_json::{Map, Value, json};

use crate::guide::{AppPassword, Provider, Providers, SignIn, Texts};
use crate::input::{Fault, Faults};

use super::check::{Checked, Purpose, check};
use super::fields::{FIELDS, Field, Kind};
use super::provider;
use super::schema::Schemas;
use super::settings::{SIGN_IN, Stored};
use super::values::Values;

/// What the form is shown with.
pub struct Sheet<'s> {
    pub values: &'s Values,
    pub stored: Option<&'s Stored>,
    pub providers: &'s Providers,
}

pub fn render(texts: &Texts, schemas: &Schemas, sheet: &Sheet<'_>) -> Value {
    let saving = check(sheet.providers, sheet.values, sheet.stored, Purpose::Save);
    let testing = check(sheet.providers, sheet.values, sheet.stored, Purpose::Test);
    let provider = provider::recognise(sheet.providers, sheet.values);
    let of_field = |field| render_field(texts, sheet, &saving, provider, field);
    let fields: Vec<Value> = FIELDS.iter().map(of_field).collect();
    let buttons = vec![button(texts, "test", &testing.faults), button(texts, "update", &saving.faults)];
    let mut form = Map::new();
    form.insert("locale".to_owned(), texts.locale().into());
    form.insert("direction".to_owned(), texts.direction().into());
    form.insert("fields".to_owned(), fields.into());
    form.insert("buttons".to_owned(), buttons.into());
    form.insert("provider".to_owned(), provider.map(|it| provider::render(texts, it)).into());
    form.insert(
        "proposal".to_owned(),
        provider.map(|it| provider::proposal(texts, sheet.providers, it, sheet.values)).into(),
    );
    form.insert("sign_in".to_owned(), sign_in(texts, sheet, &saving));
    schemas.add_to(&mut form);
    Value::Object(form)
}

/// Of settings that log in with a token: who is signed in, and the buttons for it. `null` of others.
fn sign_in(texts: &Texts, sheet: &Sheet<'_>, checked: &Checked<'_>) -> Value {
    let username = sheet.values.text("username");
    if sheet.values.text("protocol") != "smtp" || sheet.values.text("auth") != "oauth2" {
        return Value::Null;
    }
    let is_signed_in = checked.secrets.contains_key(SIGN_IN);
    let why_not = match checked.provider.map(|provider| (provider, sheet.providers.sign_in(provider))) {
        None | Some((_, SignIn::NotOffered)) => Some(Fault::input("smtp_host", "no_sign_in_here")),
        Some((_, SignIn::Registered)) => None,
        Some((provider, SignIn::Unregistered)) => {
            Some(Fault::input("auth", "no_client").with("provider", &provider.name))
        }
    };
    let mut sign_in = button(texts, "sign_in", &checked.faults);
    if let (Some(why_not), Some(members)) = (why_not, sign_in.as_object_mut()) {
        members.insert("enabled".to_owned(), false.into());
        members.insert("why_not".to_owned(), message(texts, &why_not));
    }
    let sign_out = json!({
        "key": "sign_out", "label": texts.get("button-sign_out"), "enabled": is_signed_in, "why_not": null,
    });
    json!({
        "signed_in": is_signed_in,
        "account": if is_signed_in { Value::from(username) } else { Value::Null },
        "buttons": [sign_in, sign_out],
    })
}

fn button(texts: &Texts, key: &str, faults: &Faults) -> Value {
    let why_not = (!faults.is_empty()).then(|| json!({"code": "fields", "message": texts.get("why_not-fields")}));
    json!({
        "key": key,
        "label": texts.get(&format!("button-{key}")),
        "enabled": faults.is_empty(),
        "why_not": why_not,
    })
}

fn render_field(
    texts: &Texts,
    sheet: &Sheet<'_>,
    checked: &Checked<'_>,
    provider: Option<&Provider>,
    field: &Field,
) -> Value {
    let Sheet { values, .. } = sheet;
    let key = field.key;
    let visible = field.shown.holds(values);
    // What is only missing is no error yet: people fill in one field after the other, and the buttons say that they wait.
    let fault = checked.faults.iter().find(|fault| fault.place == key && fault.code != "required");
    let warning = checked.warnings.iter().find(|(warned, _)| visible && *warned == key);
    let is_secret = field.kind == Kind::Secret;
    let has_value = if is_secret { checked.secrets.contains_key(key) } else { !is_blank(&values.json(field)) };
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("key", key.into());
    put("type", field.kind.name().into());
    put("label", texts.get(&format!("field-{key}")).into());
    put("help", help(texts, provider, key).into());
    put("placeholder", texts.find(&format!("placeholder-{key}"), &[]).into());
    put("choices", choices(texts, field));
    put("required", (visible && field.required.holds(values)).into());
    put("secret", is_secret.into());
    put("visible", visible.into());
    put("enabled", is_enabled(sheet, checked, field).into());
    put("value", values.json(field));
    put("has_value", has_value.into());
    put("error", fault.map(|fault| message(texts, fault)).into());
    put("warning", warning.map(|(_, code)| warned(texts, sheet, provider, code)).into());
    Value::Object(members)
}

fn is_blank(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_str().is_some_and(str::is_empty)
}

/// An established provider's certificate needs no trust of its own: the box cannot be ticked there, only unticked.
fn is_enabled(sheet: &Sheet<'_>, checked: &Checked<'_>, field: &Field) -> bool {
    field.shown.holds(sheet.values)
        && (field.key != "allow_untrusted_certificate" || checked.provider.is_none() || sheet.values.flag(field.key))
}

fn help(texts: &Texts, provider: Option<&Provider>, key: &str) -> String {
    if let (Some(provider), "password") = (provider, key) {
        let variant = match provider.app_password {
            AppPassword::Required => Some("app_password"),
            AppPassword::WithTwoSteps => Some("two_steps"),
            AppPassword::NotForLong => Some("not_for_long"),
            AppPassword::NoPassword => Some("no_password"),
            AppPassword::Key => Some("key"),
            AppPassword::NotNeeded | AppPassword::Unknown => None,
        };
        if let Some(variant) = variant {
            return texts.with(&format!("help-password-{variant}"), &[("provider", provider.name.clone())]);
        }
    }
    texts.get(&format!("help-{key}"))
}

fn choices(texts: &Texts, field: &Field) -> Value {
    let Kind::Choice(choices) = field.kind else { return Value::Null };
    choices
        .iter()
        .map(|choice| json!({"value": choice, "label": texts.get(&format!("choice-{}-{choice}", field.key))}))
        .collect()
}

fn warned(texts: &Texts, sheet: &Sheet<'_>, provider: Option<&Provider>, code: &str) -> Value {
    let mut words = Vec::new();
    if let Some((provider, server)) = provider::sends_instead(provider, sheet.values) {
        words.push(("provider", provider.name.clone()));
        words.push(("host", server.host.clone()));
    }
    json!({"code": code, "message": texts.with(&format!("warning-{code}"), &words)})
}

/// A fault as the replies show it.
fn message(texts: &Texts, fault: &Fault) -> Value {
    json!({"code": fault.code, "message": texts.fault(&fault.place, fault.code, &fault.words)})
}
