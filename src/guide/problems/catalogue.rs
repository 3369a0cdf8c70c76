//! The catalogue of problems, read from the data file. It is read strictly: a word that is not known is an error, which a
//! test finds.

use once_cell::race::OnceBox;
use serde_json::{Map, Value};

use super::Situation;
use super::when::{When, alternatives};

const DATA: &str = include_str!("../problems.json");

#[derive(Default)]
pub struct Catalogue {
    pub problems: Vec<Row>,
    groups: Vec<(String, Vec<Entry>)>,
}

pub struct Row {
    pub code: String,
    /// The text is `problem-` and this.
    pub text: String,
    pub fits: Fits,
    advice: Vec<Entry>,
}

/// In the list of a row, or of a group.
enum Entry {
    One(Remedy),
    Group { name: String, fits: Fits },
}

pub struct Remedy {
    pub code: String,
    /// The text is `advice-` and this.
    pub text: String,
    pub link: Option<String>,
    pub patch: Option<Map<String, Value>>,
    pub fits: Fits,
}

/// One of `when` holds, if there is any, and none of `unless`.
#[derive(Default)]
pub struct Fits {
    pub when: Vec<When>,
    unless: Vec<When>,
}

impl Fits {
    fn take(members: &mut Map<String, Value>) -> Result<Self, String> {
        Ok(Self { when: alternatives(members, "when")?, unless: alternatives(members, "unless")? })
    }

    fn holds(&self, situation: &Situation<'_>) -> bool {
        let any = |list: &[When]| list.iter().any(|when| when.holds(situation));
        (self.when.is_empty() || any(&self.when)) && !any(&self.unless)
    }
}

pub fn catalogue() -> &'static Catalogue {
    // Lock-free: a child after `fork()` must not wait for a thread that was reading the file and is not there.
    static CATALOGUE: OnceBox<Catalogue> = OnceBox::new();
    // A test reads the file whole, so that it cannot be malformed here.
    CATALOGUE.get_or_init(|| Box::new(Catalogue::read(DATA).unwrap_or_default()))
}

impl Catalogue {
    pub fn read(data: &str) -> Result<Self, String> {
        let mut members = object(serde_json::from_str(data).map_err(|error| error.to_string())?)?;
        members.remove("about");
        members.remove("checked");
        let groups = members.remove("groups").map(object).transpose()?.unwrap_or_default();
        let groups =
            groups.into_iter().map(|(name, list)| Ok((name, entries(list)?))).collect::<Result<_, String>>()?;
        let Some(Value::Array(problems)) = members.remove("problems") else { return Err("no problems".to_owned()) };
        let problems = problems.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        end(&members)?;
        let catalogue = Self { problems, groups };
        let lists =
            catalogue.groups.iter().map(|(_, list)| list).chain(catalogue.problems.iter().map(|row| &row.advice));
        for entry in lists.flatten() {
            if let Entry::Group { name, .. } = entry {
                catalogue.group(name).ok_or_else(|| format!("there is no group {name}"))?;
            }
        }
        Ok(catalogue)
    }

    /// The first that fits.
    pub fn row(&self, situation: &Situation<'_>) -> Option<&Row> {
        self.problems.iter().find(|row| row.fits.holds(situation))
    }

    /// Those of a row that fit, in their order.
    pub fn remedies<'c>(&'c self, row: &'c Row, situation: &Situation<'_>) -> Vec<&'c Remedy> {
        let mut found = Vec::new();
        self.collect(&row.advice, situation, &mut found);
        found
    }

    fn collect<'c>(&'c self, entries: &'c [Entry], situation: &Situation<'_>, found: &mut Vec<&'c Remedy>) {
        for entry in entries {
            match entry {
                Entry::One(remedy) => found.extend(remedy.fits.holds(situation).then_some(remedy)),
                Entry::Group { name, fits } if fits.holds(situation) => {
                    self.collect(self.group(name).unwrap_or_default(), situation, found);
                }
                Entry::Group { .. } => {}
            }
        }
    }

    fn group(&self, name: &str) -> Option<&[Entry]> {
        self.groups.iter().find(|(known, _)| known == name).map(|(_, list)| list.as_slice())
    }

    /// Every advice that stands anywhere.
    #[cfg(test)]
    pub fn all_remedies(&self) -> impl Iterator<Item = &Remedy> {
        let lists = self.groups.iter().map(|(_, list)| list).chain(self.problems.iter().map(|row| &row.advice));
        lists.flatten().filter_map(|entry| match entry {
            Entry::One(remedy) => Some(remedy),
            Entry::Group { .. } => None,
        })
    }
}

impl Row {
    fn read(value: Value) -> Result<Self, String> {
        let mut members = object(value)?;
        let code = text(&mut members, "code")?.ok_or("a problem without a code")?;
        let of_row = |error: String| format!("{code}: {error}");
        let row = Self {
            text: text(&mut members, "text").map_err(of_row)?.unwrap_or_else(|| code.clone()),
            fits: Fits::take(&mut members).map_err(of_row)?,
            advice: entries(members.remove("advice").unwrap_or_default()).map_err(of_row)?,
            code: code.clone(),
        };
        end(&members).map_err(of_row)?;
        Ok(row)
    }
}

fn entries(list: Value) -> Result<Vec<Entry>, String> {
    let Value::Array(list) = list else { return Err(format!("{list} is no list of advice")) };
    list.into_iter().map(entry).collect()
}

/// A code alone, an advice in full, or a group.
fn entry(value: Value) -> Result<Entry, String> {
    if let Value::String(code) = value {
        let remedy = Remedy { text: code.clone(), code, link: None, patch: None, fits: Fits::default() };
        return Ok(Entry::One(remedy));
    }
    let mut members = object(value)?;
    let fits = Fits::take(&mut members)?;
    let entry = if let Some(name) = text(&mut members, "group")? {
        Entry::Group { name, fits }
    } else {
        let code = text(&mut members, "code")?.ok_or("an advice without a code")?;
        Entry::One(Remedy {
            text: text(&mut members, "text")?.unwrap_or_else(|| code.clone()),
            code,
            link: text(&mut members, "link")?,
            patch: members.remove("patch").map(object).transpose()?,
            fits,
        })
    };
    end(&members)?;
    Ok(entry)
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    if let Value::Object(members) = value { Ok(members) } else { Err(format!("{value} is no object")) }
}

fn text(members: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match members.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{key}: {other} is no text")),
    }
}

fn end(members: &Map<String, Value>) -> Result<(), String> {
    members.keys().next().map_or(Ok(()), |key| Err(format!("the key {key} is not known")))
}
