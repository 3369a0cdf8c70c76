//! The same table for form renderers that read schemas: JSON Schema draft-07 with if/then (rjsf reads that), and a flat
//! schema with a JSON Forms UI schema, whose rules say what is shown when.

use serde_json::{Map, Value, json};

use crate::guide::Texts;

use super::fields::{FIELDS, Field, Kind, Rule, field_of};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// What the rule "looks like an email address" is to a renderer; the library itself looks closer.
const ADDRESS: &str = "^[^@\\s]+@[^@\\s]+$";

/// They depend on the language alone, so that they are made once and not at each keystroke.
pub struct Schemas {
    conditional: Value,
    json_forms: Value,
    rjsf: Value,
}

impl Schemas {
    pub fn new(texts: &Texts) -> Self {
        Self {
            conditional: conditional(texts),
            json_forms: json!({ "schema": flat(texts), "uischema": json_forms(texts) }),
            rjsf: json!({ "uiSchema": rjsf(texts) }),
        }
    }

    /// Puts them into the form's reply.
    pub fn add_to(&self, form: &mut Map<String, Value>) {
        form.insert("json_schema".to_owned(), self.conditional.clone());
        form.insert("json_forms".to_owned(), self.json_forms.clone());
        form.insert("rjsf".to_owned(), self.rjsf.clone());
    }
}

/// Fields that are always there stand at the top; the others come with `if` and `then`.
fn conditional(texts: &Texts) -> Value {
    let mut properties = Map::new();
    let (mut required, mut branches) = (Vec::new(), Vec::new());
    for field in FIELDS {
        let is_required = matches!(field.required, Rule::Always);
        if matches!(field.shown, Rule::Always) {
            properties.insert(field.key.to_owned(), property(texts, field));
            required.extend(is_required.then_some(field.key));
            continue;
        }
        let mut then = json!({ "properties": { (field.key): property(texts, field) } });
        if let (true, Some(then)) = (is_required, then.as_object_mut()) {
            then.insert("required".to_owned(), json!([field.key]));
        }
        branches.push(json!({ "if": condition(&field.shown), "then": then }));
    }
    json!({ "$schema": DRAFT, "type": "object", "properties": properties, "required": required, "allOf": branches })
}

fn flat(texts: &Texts) -> Value {
    let properties: Map<_, _> = FIELDS.iter().map(|field| (field.key.to_owned(), property(texts, field))).collect();
    json!({ "$schema": DRAFT, "type": "object", "properties": properties })
}

fn json_forms(texts: &Texts) -> Value {
    let elements: Vec<Value> = FIELDS
        .iter()
        .map(|field| {
            let mut control = json!({ "type": "Control", "scope": format!("#/properties/{}", field.key) });
            if let Some(members) = control.as_object_mut() {
                if field.kind == Kind::Secret {
                    members.insert("options".to_owned(), json!({ "format": "password" }));
                }
                if !matches!(field.shown, Rule::Always) {
                    let shown = json!({ "scope": "#", "schema": condition(&field.shown) });
                    members.insert("rule".to_owned(), json!({ "effect": "SHOW", "condition": shown }));
                }
            }
            control
        })
        .collect();
    json!({ "type": "Group", "label": texts.get("group-server"), "elements": elements })
}

fn rjsf(texts: &Texts) -> Value {
    let mut members = Map::new();
    members.insert("ui:order".to_owned(), FIELDS.iter().map(|field| field.key).collect());
    for field in FIELDS {
        let mut ui = Map::new();
        if field.kind == Kind::Secret {
            ui.insert("ui:widget".to_owned(), "password".into());
            ui.insert("ui:autocomplete".to_owned(), "off".into());
        }
        if let Some(placeholder) = texts.find(&format!("placeholder-{}", field.key), &[]) {
            ui.insert("ui:placeholder".to_owned(), placeholder.into());
        }
        if !ui.is_empty() {
            members.insert(field.key.to_owned(), Value::Object(ui));
        }
    }
    Value::Object(members)
}

fn property(texts: &Texts, field: &Field) -> Value {
    let mut property = match field.kind {
        Kind::Choice(choices) => {
            let titled: Vec<Value> = choices
                .iter()
                .map(|choice| json!({"const": choice, "title": texts.get(&format!("choice-{}-{choice}", field.key))}))
                .collect();
            json!({ "type": "string", "oneOf": titled })
        }
        Kind::Checkbox => json!({ "type": "boolean", "default": false }),
        Kind::Port => json!({ "type": "integer", "minimum": 1, "maximum": 65535 }),
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        Kind::Fingerprint => json!({ "type": "string", "pattern": "^([0-9A-Fa-f]{2}[: ]?){31}[0-9A-Fa-f]{2}$" }),
        Kind::Url | Kind::Host | Kind::Text | Kind::Email | Kind::EmailList => json!({ "type": "string" }),
    };
    if let Some(members) = property.as_object_mut() {
        members.insert("title".to_owned(), texts.get(&format!("field-{}", field.key)).into());
        members.insert("description".to_owned(), texts.get(&format!("help-{}", field.key)).into());
        if !field.default.is_empty() {
            members.insert("default".to_owned(), field.default.into());
        }
    }
    property
}

fn condition(rule: &Rule) -> Value {
    let with = |key: &str, schema: Value| json!({ "properties": { (key): schema }, "required": [key] });
    match *rule {
        Rule::Always => json!(true),
        Rule::Never => json!(false),
        // What nobody touched yet has its default.
        Rule::Is(key, value) if field_of(key).is_some_and(|field| field.default == value) => {
            json!({ "properties": { (key): { "const": value } } })
        }
        Rule::Is(key, value) => with(key, json!({ "const": value })),
        Rule::On(key) => with(key, json!({ "const": true })),
        Rule::Filled(key) => with(key, json!({ "minLength": 1 })),
        Rule::NotAnAddress(key) => json!({ "not": with(key, json!({ "pattern": ADDRESS })) }),
        Rule::All(rules) => json!({ "allOf": rules.iter().map(condition).collect::<Vec<_>>() }),
        Rule::Any(rules) => json!({ "anyOf": rules.iter().map(condition).collect::<Vec<_>>() }),
    }
}
