//! The Parsing Canonical Form of an Avro schema, and the fingerprint made of it.
//!
//! Written out here and not taken from a library, because fingerprints stand in the log for ever: they must never change
//! with a dependency.

use serde_json::{Map, Value};

use crate::hash::SchemaFp;

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The text is not an Avro schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASchema {
    #[error("it is not JSON: {0}")]
    NotJson(String),
    #[error("a part of it has no valid {0:?}")]
    Part(&'static str),
}

/// SHA-256 of the Parsing Canonical Form of the schema.
pub fn fingerprint(schema: &str) -> Result<SchemaFp, NotASchema> {
    Ok(SchemaFp::of(parsing_canonical_form(schema)?))
}

/// The form that the Avro specification defines: two schemas that read the same bytes in the same way have the same one.
pub fn parsing_canonical_form(schema: &str) -> Result<String, NotASchema> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| NotASchema::NotJson(error.to_string()))?;
    let mut form = String::new();
    write_schema(&schema, "", &mut form)?;
    Ok(form)
}

fn write_schema(schema: &Value, namespace: &str, form: &mut String) -> Result<(), NotASchema> {
    match schema {
        Value::String(name) => {
            write_text(&reference(name, namespace), form);
            Ok(())
        }
        Value::Array(branches) => write_list(branches, form, |branch, form| write_schema(branch, namespace, form)),
        Value::Object(schema) => write_object(schema, namespace, form),
        _ => Err(NotASchema::Part("type")),
    }
}

fn write_object(schema: &Map<String, Value>, namespace: &str, form: &mut String) -> Result<(), NotASchema> {
    let kind = match schema.get("type").ok_or(NotASchema::Part("type"))? {
        Value::String(kind) => kind.as_str(),
        nested => return write_schema(nested, namespace, form),
    };
    match kind {
        "record" | "error" => {
            let (name, namespace) = full_name(schema, namespace)?;
            write_head(&name, "record", form);
            form.push_str(",\"fields\":");
            write_list(list(schema, "fields")?, form, |field, form| {
                form.push_str("{\"name\":");
                write_text(text(field.get("name"), "name")?, form);
                form.push_str(",\"type\":");
                write_schema(field.get("type").ok_or(NotASchema::Part("type"))?, &namespace, form)?;
                form.push('}');
                Ok(())
            })?;
            form.push('}');
        }
        "enum" => {
            write_head(&full_name(schema, namespace)?.0, kind, form);
            form.push_str(",\"symbols\":");
            write_list(list(schema, "symbols")?, form, |symbol, form| {
                write_text(text(Some(symbol), "symbols")?, form);
                Ok(())
            })?;
            form.push('}');
        }
        "fixed" => {
            write_head(&full_name(schema, namespace)?.0, kind, form);
            let size = schema.get("size").ok_or(NotASchema::Part("size"))?;
            let size = size.as_u64().or_else(|| size.as_str()?.parse().ok());
            form.push_str(&format!(",\"size\":{}}}", size.ok_or(NotASchema::Part("size"))?));
        }
        "array" | "map" => {
            let part = if kind == "array" { "items" } else { "values" };
            form.push_str(&format!("{{\"type\":\"{kind}\",\"{part}\":"));
            write_schema(schema.get(part).ok_or(NotASchema::Part(part))?, namespace, form)?;
            form.push('}');
        }
        name => write_text(&reference(name, namespace), form),
    }
    Ok(())
}

fn write_head(name: &str, kind: &str, form: &mut String) {
    form.push_str("{\"name\":");
    write_text(name, form);
    form.push_str(&format!(",\"type\":\"{kind}\""));
}

fn write_list(
    items: &[Value],
    form: &mut String,
    mut write: impl FnMut(&Value, &mut String) -> Result<(), NotASchema>,
) -> Result<(), NotASchema> {
    form.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            form.push(',');
        }
        write(item, form)?;
    }
    form.push(']');
    Ok(())
}

fn write_text(text: &str, form: &mut String) {
    form.push_str(&Value::from(text).to_string());
}

/// A full name, and the namespace that names within the type are completed with.
fn full_name(schema: &Map<String, Value>, enclosing: &str) -> Result<(String, String), NotASchema> {
    let name = text(schema.get("name"), "name")?;
    if let Some((namespace, _)) = name.rsplit_once('.') {
        return Ok((name.to_owned(), namespace.to_owned()));
    }
    let namespace = schema.get("namespace").and_then(Value::as_str).unwrap_or(enclosing);
    Ok((qualified(name, namespace), namespace.to_owned()))
}

fn reference(name: &str, namespace: &str) -> String {
    if PRIMITIVES.contains(&name) || name.contains('.') { name.to_owned() } else { qualified(name, namespace) }
}

fn qualified(name: &str, namespace: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn list<'a>(schema: &'a Map<String, Value>, part: &'static str) -> Result<&'a [Value], NotASchema> {
    let items = schema.get(part).and_then(Value::as_array);
    items.map(Vec::as_slice).ok_or(NotASchema::Part(part))
}

fn text<'a>(value: Option<&'a Value>, part: &'static str) -> Result<&'a str, NotASchema> {
    value.and_then(Value::as_str).ok_or(NotASchema::Part(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shapes_the_bytes_is_left() {
        let schema = r#"{
            "namespace": "groot.post", "doc": "x", "type": "record", "aliases": ["Old"],
            "fields": [
                {"doc": "x", "name": "a", "personal": true, "default": "", "type": {"type": "string"}},
                {"type": ["null", {"logicalType": "timestamp-millis", "type": "long"}], "default": null, "name": "b"},
                {"name": "c", "type": {"items": {"type": "enum", "name": "E", "symbols": ["X", "Y"], "default": "X"}, "type": "array"}},
                {"name": "d", "type": {"type": "map", "values": "E"}},
                {"name": "e", "type": {"type": "fixed", "size": "016", "name": "other.F", "logicalType": "uuid"}},
                {"name": "f", "type": {"type": {"type": "record", "name": "R", "namespace": "", "fields": [{"name": "g", "type": ["null", "R"]}]}}}
            ],
            "name": "P"
        }"#;
        assert_eq!(
            parsing_canonical_form(schema).unwrap(),
            concat!(
                r#"{"name":"groot.post.P","type":"record","fields":[{"name":"a","type":"string"},"#,
                r#"{"name":"b","type":["null","long"]},"#,
                r#"{"name":"c","type":{"type":"array","items":{"name":"groot.post.E","type":"enum","symbols":["X","Y"]}}},"#,
                r#"{"name":"d","type":{"type":"map","values":"groot.post.E"}},"#,
                r#"{"name":"e","type":{"name":"other.F","type":"fixed","size":16}},"#,
                r#"{"name":"f","type":{"name":"R","type":"record","fields":[{"name":"g","type":["null","R"]}]}}]}"#
            )
        );
    }

    #[test]
    fn a_form_is_its_own_form() {
        for event in crate::event::SCHEMAS {
            for schema in event.versions {
                let form = parsing_canonical_form(schema).unwrap();
                assert_eq!(parsing_canonical_form(&form).unwrap(), form);
            }
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in
            ["", "7", "{}", r#"{"type":"record","name":"P"}"#, r#"{"type":"array"}"#, r#"{"type":"fixed","name":"F"}"#]
        {
            assert!(fingerprint(text).is_err(), "{text}");
        }
    }
}
