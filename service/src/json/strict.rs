//! JSON read with two things serde_json lets pass: fields that stand twice, and nesting without a bound of ours.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Deeper nesting has no use here and costs stack.
pub const MAX_DEPTH: usize = 32;

/// More doubled fields than this are not named one by one.
const MAX_DOUBLED: usize = 100;

pub struct Parsed {
    pub value: Value,
    /// The paths of fields that stand more than once; the last one counts in `value`.
    pub doubled: Vec<String>,
}

/// Why a text is not taken as JSON.
#[derive(Debug, thiserror::Error)]
pub enum SyntaxError {
    #[error("The body is nested more than {MAX_DEPTH} levels deep.")]
    TooDeep,
    #[error("The body is not JSON: {reason} at line {line}, column {column}.")]
    Syntax { reason: String, line: usize, column: usize },
}

pub fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    let mut reading = Reading { path: String::new(), depth: 0, too_deep: false, doubled: Vec::new() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = reading.deserialize_with(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    match value {
        Ok(value) => Ok(Parsed { value, doubled: reading.doubled }),
        Err(_) if reading.too_deep => Err(SyntaxError::TooDeep),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
            Err(SyntaxError::Syntax { reason, line, column })
        }
    }
}

struct Reading {
    path: String,
    depth: usize,
    too_deep: bool,
    doubled: Vec<String>,
}

impl Reading {
    fn deserialize_with<'de, D: serde::Deserializer<'de>>(&mut self, deserializer: D) -> Result<Value, D::Error> {
        Seed(self).deserialize(deserializer)
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
            return Err(E::custom("nested too deeply"));
        }
        Ok(())
    }
}

struct Seed<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        self.0.enter()?;
        let length = self.0.path.len();
        let mut list = Vec::new();
        loop {
            self.0.path.push_str(&format!("[{}]", list.len()));
            let element = sequence.next_element_seed(Seed(&mut *self.0))?;
            self.0.path.truncate(length);
            match element {
                Some(element) => list.push(element),
                None => break,
            }
        }
        self.0.depth -= 1;
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.enter()?;
        let length = self.0.path.len();
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if length > 0 {
                self.0.path.push('.');
            }
            self.0.path.push_str(&key);
            if map.contains_key(&key) && self.0.doubled.len() < MAX_DOUBLED && !self.0.doubled.contains(&self.0.path) {
                self.0.doubled.push(self.0.path.clone());
            }
            let value = entries.next_value_seed(Seed(&mut *self.0))?;
            self.0.path.truncate(length);
            map.insert(key, value);
        }
        self.0.depth -= 1;
        Ok(map.into())
    }
}
