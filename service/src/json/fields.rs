//! A reader over the fields of a JSON object that goes on after an error, so that a client learns of all at once.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::kind_of;
use crate::problem::{FieldError, Problem};

/// The fields of a JSON object, taken one by one. Each reader notes what is wrong and gives `None`; what nobody took
/// is unknown and noted by [`Fields::finish`].
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    errors: Vec<FieldError>,
    /// What stands before the names, such as `items[2].`.
    prefix: String,
}

/// Something read from the fields of a JSON object.
pub trait FromFields: Sized {
    /// Reads all fields, then builds. `None` only when an error was noted.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// A value of one field.
pub trait FromJson: Sized {
    /// What is allowed, to follow "must be": `a string`.
    const EXPECTED: &'static str;

    /// Reads the value, or notes at `path` what is wrong.
    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self>;
}

/// A field of a JSON Merge Patch (RFC 7396).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field is not there: nothing changes.
    #[default]
    Keep,
    /// The field is null: the value is removed.
    Clear,
    /// The field has a value.
    Set(T),
}

/// More errors than this help nobody, and a hostile body could ask for millions.
const MAX_ERRORS: usize = 100;

impl Fields {
    /// The fields of a value that should be an object, with the paths of fields that stood twice.
    pub(super) fn of(value: Value, doubled: Vec<String>) -> Self {
        let mut errors = Vec::new();
        let left = match value {
            Value::Object(map) => map,
            other => {
                errors.push(wrong_type("", "an object", &other));
                Map::new()
            }
        };
        errors.extend(doubled.into_iter().map(|path| {
            FieldError::new(shown(&path), "duplicate", "This field is given more than once; give it once.")
        }));
        Self { left, errors, prefix: String::new() }
    }

    /// A field that must be there.
    pub fn required<T: FromJson>(&mut self, name: &str) -> Option<T> {
        let path = self.path(name);
        match self.left.remove(name) {
            Some(value) => T::from_json(value, &path, &mut self.errors),
            // One wrong kind of body is one error, not one for each field it cannot have.
            None if self.is_no_object() => None,
            None => {
                let message = format!("This field is required and must be {}.", T::EXPECTED);
                self.errors.push(FieldError::new(path, "required", message));
                None
            }
        }
    }

    /// A field that may be left out or null.
    pub fn optional<T: FromJson>(&mut self, name: &str) -> Option<T> {
        match self.patch(name) {
            Patch::Set(value) => Some(value),
            Patch::Keep | Patch::Clear => None,
        }
    }

    /// A field of a merge patch. A value that is wrong is noted and given as [`Patch::Keep`].
    pub fn patch<T: FromJson>(&mut self, name: &str) -> Patch<T> {
        let path = self.path(name);
        match self.left.remove(name) {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            Some(value) => match T::from_json(value, &path, &mut self.errors) {
                Some(value) => Patch::Set(value),
                None => Patch::Keep,
            },
        }
    }

    /// A required string.
    pub fn string(&mut self, name: &str) -> Option<String> {
        self.required(name)
    }

    /// A string that may be left out or null.
    pub fn opt_string(&mut self, name: &str) -> Option<String> {
        self.optional(name)
    }

    /// A list of strings that may be left out or null, which is the empty list.
    pub fn string_list(&mut self, name: &str) -> Vec<String> {
        self.optional(name).unwrap_or_default()
    }

    /// A required UUID.
    pub fn uuid(&mut self, name: &str) -> Option<Uuid> {
        self.required(name)
    }

    /// A UUID that may be left out or null.
    pub fn opt_uuid(&mut self, name: &str) -> Option<Uuid> {
        self.optional(name)
    }

    /// A list of UUIDs that may be left out or null, which is the empty list.
    pub fn uuid_list(&mut self, name: &str) -> Vec<Uuid> {
        self.optional(name).unwrap_or_default()
    }

    /// A required RFC 3339 time.
    pub fn datetime(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.required(name)
    }

    /// An RFC 3339 time that may be left out or null.
    pub fn opt_datetime(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.optional(name)
    }

    /// One of a few words that may be left out or null.
    pub fn opt_choice<T: Clone>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let word: String = self.optional(name)?;
        let found = choices.iter().find(|(text, _)| *text == word).map(|(_, value)| value.clone());
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(text, _)| *text).collect();
            self.refuse(name, "choice", format!("This must be one of {}.", words.join(", ")));
        }
        found
    }

    /// One of a few words.
    pub fn choice<T: Clone>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        if self.left.contains_key(name) && !self.left[name].is_null() {
            return self.opt_choice(name, choices);
        }
        self.required::<String>(name).and(None)
    }

    /// Whether the field is there, null or not, and has not been taken.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Notes that a field, or an element such as `tags[3]`, breaks a rule of the caller's.
    pub fn refuse(&mut self, field: &str, code: impl Into<std::borrow::Cow<'static, str>>, message: impl Into<String>) {
        let path = self.path(field);
        self.errors.push(FieldError::new(path, code, message));
    }

    /// The errors noted so far.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Ends the reading: fields nobody took are errors too.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.note_unknown();
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(capped(self.errors))) }
    }

    /// Ends the reading and gives what was built, if there was no error.
    pub fn finish_with<T>(self, built: Option<T>) -> Result<T, Problem> {
        self.finish()?;
        built.ok_or_else(|| Problem::internal("a reader of fields gave nothing and noted no error"))
    }

    fn note_unknown(&mut self) {
        for (name, _) in std::mem::take(&mut self.left) {
            let path = format!("{}{}", self.prefix, shown(&name));
            self.errors.push(FieldError::new(path, "unknown", "There is no such field here; leave it out."));
            if self.errors.len() > MAX_ERRORS {
                break;
            }
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn is_no_object(&self) -> bool {
        self.errors.first().is_some_and(|error| error.field.is_empty() && error.code == "type")
    }
}

impl FromJson for String {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            other => mistyped::<Self>(path, &other, errors),
        }
    }
}

impl FromJson for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        value.as_bool().or_else(|| mistyped::<Self>(path, &value, errors))
    }
}

impl FromJson for u64 {
    const EXPECTED: &'static str = "a whole number from 0";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        value.as_u64().or_else(|| mistyped::<Self>(path, &value, errors))
    }
}

impl FromJson for Uuid {
    const EXPECTED: &'static str = "a UUID";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        parsed(value, path, errors, hyphenated)
    }
}

impl FromJson for DateTime<Utc> {
    const EXPECTED: &'static str = "an RFC 3339 time such as 2026-01-31T09:30:00Z";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        parsed(value, path, errors, |text| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        let Value::Array(elements) = value else {
            return mistyped::<Self>(path, &value, errors);
        };
        let mut list = Vec::with_capacity(elements.len());
        let mut complete = true;
        for (index, element) in elements.into_iter().enumerate() {
            match T::from_json(element, &format!("{path}[{index}]"), errors) {
                Some(element) => list.push(element),
                None => complete = false,
            }
            if errors.len() > MAX_ERRORS {
                return None;
            }
        }
        complete.then_some(list)
    }
}

/// An object within the object: the names of its fields stand behind its own.
impl<T: FromFields> FromJson for Nested<T> {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        let Value::Object(left) = value else {
            return mistyped::<Self>(path, &value, errors);
        };
        let mut fields = Fields { left, errors: Vec::new(), prefix: format!("{path}.") };
        let built = T::from_fields(&mut fields);
        fields.note_unknown();
        let failed = !fields.errors.is_empty();
        errors.append(&mut fields.errors);
        built.filter(|_| !failed).map(Nested)
    }
}

/// An object as the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested<T>(pub T);

/// A UUID in its usual form, the only one taken: one thing has one name.
pub(crate) fn hyphenated(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

fn parsed<T: FromJson>(
    value: Value,
    path: &str,
    errors: &mut Vec<FieldError>,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let Value::String(text) = &value else {
        return mistyped::<T>(path, &value, errors);
    };
    let parsed = parse(text);
    if parsed.is_none() {
        errors.push(FieldError::new(path, "format", format!("This must be {}.", T::EXPECTED)));
    }
    parsed
}

fn mistyped<T: FromJson>(path: &str, value: &Value, errors: &mut Vec<FieldError>) -> Option<T> {
    errors.push(wrong_type(path, T::EXPECTED, value));
    None
}

fn wrong_type(path: &str, expected: &str, value: &Value) -> FieldError {
    FieldError::new(path, "type", format!("This must be {expected}, not {}.", kind_of(value)))
}

/// Names come from the client and may be of any length.
fn shown(name: &str) -> String {
    const LONGEST: usize = 100;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn capped(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    if errors.len() > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        errors.push(FieldError::new("", "more", "There are more errors; these are the first hundred."));
    }
    errors
}
