use serde_json::{Map, Value};

use super::{Fault, Faults};

const MOST_UNKNOWN: usize = 20;
/// No key of ours is longer; a stranger's text is not told whole.
const LONGEST_KEY: usize = 64;

/// How deep and how long a JSON text may be is bounded before it costs memory: depth by `serde_json` (128), length here.
pub fn parse(argument: &'static str, text: &str, max_bytes: usize) -> Result<Value, Fault> {
    if text.len() > max_bytes {
        return Err(Fault::program(argument, "too_long")
            .with("bytes", text.len().to_string())
            .with("limit", max_bytes.to_string()));
    }
    // The parser's own message may quote the text, and the text may hold a password: only the position is told.
    serde_json::from_str(text).map_err(|error| {
        Fault::program(argument, "bad_json")
            .with("line", error.line().to_string())
            .with("column", error.column().to_string())
    })
}

/// One JSON object being read: each key is taken once, and what is left at the end was not known.
/// `null` is the same as left out.
pub struct Object {
    place: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Object {
    /// `place` is the path of the object itself.
    pub fn new(value: Value, place: impl Into<String>, faults: &mut Faults) -> Option<Self> {
        let place = place.into();
        match value {
            Value::Object(map) => Some(Self { place, map, known: Vec::new() }),
            other => {
                faults.push(wrong_type(&place, "an object", &other));
                None
            }
        }
    }

    /// The argument's own object: its name is told where it is no object at all, and not in front of each of its keys.
    #[must_use]
    pub fn outermost(mut self) -> Self {
        self.place.clear();
        self
    }

    /// The path of a key of this object.
    pub fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// The value as it stands, for keys that take more than one type.
    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => self.refuse(key, "text", &other, faults),
        }
    }

    pub fn flag(&mut self, key: &'static str, faults: &mut Faults) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(flag) => Some(flag),
            other => self.refuse(key, "true or false", &other, faults),
        }
    }

    /// A whole number from `least` to `most`.
    pub fn number(&mut self, key: &'static str, least: u64, most: u64, faults: &mut Faults) -> Option<u64> {
        let value = self.take(key)?;
        match whole(&value).filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(number),
            None if value.is_number() => {
                faults.push(
                    Fault::program(self.place_of(key), "out_of_range")
                        .with("least", least.to_string())
                        .with("most", most.to_string()),
                );
                None
            }
            None => self.refuse(key, "a number", &value, faults),
        }
    }

    pub fn list(&mut self, key: &'static str, faults: &mut Faults) -> Option<Vec<Value>> {
        match self.take(key)? {
            Value::Array(list) => Some(list),
            other => self.refuse(key, "a list", &other, faults),
        }
    }

    pub fn object(&mut self, key: &'static str, faults: &mut Faults) -> Option<Object> {
        let value = self.take(key)?;
        Object::new(value, self.place_of(key), faults)
    }

    /// All of it, where the keys are the host's own.
    pub fn into_members(self) -> Map<String, Value> {
        self.map
    }

    /// Every key that nobody took is a fault that names the nearest known one.
    pub fn end(self, faults: &mut Faults) {
        // A few are enough to see what is wrong, and thousands of them help nobody.
        for key in self.map.keys().take(MOST_UNKNOWN) {
            let shown: String = key.chars().filter(char::is_ascii_graphic).take(LONGEST_KEY).collect();
            faults.push(unknown_key(self.place_of(&shown), nearest(key, &self.known)));
        }
    }

    fn refuse<T>(&self, key: &str, expected: &'static str, found: &Value, faults: &mut Faults) -> Option<T> {
        faults.push(wrong_type(&self.place_of(key), expected, found));
        None
    }
}

/// Some JSON libraries write every number as 1000.0.
pub fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=9e15).contains(number));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is whole, and within both types.
    value.as_u64().or_else(|| float().map(|number| number as u64))
}

pub(super) fn unknown_key(place: String, near: Option<&str>) -> Fault {
    match near {
        Some(near) => Fault::program(place, "unknown_key_near").with("nearest", near),
        None => Fault::program(place, "unknown_key"),
    }
}

fn wrong_type(place: &str, expected: &'static str, found: &Value) -> Fault {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Fault::program(place, "wrong_type").with("expected", expected).with("found", found)
}

/// The known name that was probably meant, if one is near enough to be worth saying.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(&name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 || ends_alike(&name, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `port` for `smtp_port`, `email` for `email_address`.
fn ends_alike(name: &str, candidate: &str) -> bool {
    name.len() >= 3 && (candidate.ends_with(name) || candidate.starts_with(name))
}

/// How many letters were added, left out, replaced, or swapped with their neighbour (optimal string alignment), over
/// bytes: the names that we know are ASCII.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&above, j) + usize::from(a != b)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let is_swapped = i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a);
            if is_swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelt_key_is_named_with_the_one_that_was_meant() {
        let known = ["smtp_host", "smtp_port", "password", "reply_to"];
        assert_eq!(nearest("smtp_prot", &known), Some("smtp_port"));
        assert_eq!(nearest("port", &known), Some("smtp_port"));
        assert_eq!(nearest("Reply-To", &known), Some("reply_to"));
        assert_eq!(nearest("sotre", &["store", "key"]), Some("store"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_places() {
        let mut faults = Faults::new();
        let value = json!({"document": {"file_name": 3, "size": 1}, "partial": "yes", "to": null});
        let mut object = Object::new(value, "", &mut faults).unwrap();
        assert_eq!(object.text("to", &mut faults), None);
        assert_eq!(object.flag("partial", &mut faults), None);
        let mut document = object.object("document", &mut faults).unwrap();
        assert_eq!(document.text("file_name", &mut faults), None);
        document.end(&mut faults);
        object.end(&mut faults);
        let places: Vec<_> = faults.iter().map(|fault| (fault.place.as_str(), fault.code)).collect();
        assert_eq!(
            places,
            [("partial", "wrong_type"), ("document.file_name", "wrong_type"), ("document.size", "unknown_key")]
        );
    }

    #[test]
    fn a_broken_json_text_is_never_quoted() {
        let fault = parse("settings_json", "{\"password\": \"hunter2\", oops", 1000).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"));
        assert_eq!(parse("settings_json", "{}", 1).unwrap_err().code, "too_long");
    }
}
