//! The two MongoDB commands a fresh replica set needs, spoken by hand: a driver would double the time that the
//! developer commands take to compile.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::probe;

const OP_MSG: i32 = 2013;
const NOT_YET_INITIALIZED: f64 = 94.0;

/// Whether the server is the primary of its replica set. A server without a set gets one of which it is the only member.
pub fn is_primary(port: u16) -> io::Result<bool> {
    let status = run(port, &[("replSetGetStatus", Value::Int(1))])?;
    if status.get("code") == Some(&NOT_YET_INITIALIZED) {
        let member = vec![("_id", Value::Int(0)), ("host", Value::Text(format!("127.0.0.1:{port}")))];
        let members = vec![("0", Value::Document(member))];
        let config = vec![("_id", Value::Text("rs0".to_owned())), ("members", Value::Array(members))];
        run(port, &[("replSetInitiate", Value::Document(config))])?;
    }
    let hello = run(port, &[("hello", Value::Int(1))])?;
    Ok(hello.get("isWritablePrimary") == Some(&1.0))
}

/// As much of BSON as the commands above need.
enum Value {
    Int(i32),
    Text(String),
    Document(Vec<(&'static str, Value)>),
    Array(Vec<(&'static str, Value)>),
}

/// Runs a command on `admin` and answers the numbers and booleans of its answer's top level.
fn run(port: u16, command: &[(&'static str, Value)]) -> io::Result<BTreeMap<String, f64>> {
    let mut fields = Vec::new();
    for (name, value) in command {
        write_field(&mut fields, name, value);
    }
    write_field(&mut fields, "$db", &Value::Text("admin".to_owned()));
    let document = enclose(&fields);

    let mut message = Vec::new();
    message.extend(length(16 + 5 + document.len()));
    for number in [1, 0, OP_MSG, 0] {
        message.extend(i32::to_le_bytes(number));
    }
    message.push(0);
    message.extend(document);

    let mut stream = probe::connect(port)?;
    stream.write_all(&message)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let rest = u64::from(u32::from_le_bytes(size)).saturating_sub(4);
    let mut answer = Vec::new();
    stream.take(rest).read_to_end(&mut answer)?;
    // After the length: three numbers of the header, the flags, the kind of section, the length of the document.
    let fields = answer.get(12 + 4 + 1 + 4..).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(read_numbers(fields).unwrap_or_default())
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &Value) {
    out.push(match value {
        Value::Int(_) => 0x10,
        Value::Text(_) => 0x02,
        Value::Document(_) => 0x03,
        Value::Array(_) => 0x04,
    });
    out.extend(name.as_bytes());
    out.push(0);
    match value {
        Value::Int(number) => out.extend(number.to_le_bytes()),
        Value::Text(text) => {
            out.extend(length(text.len() + 1));
            out.extend(text.as_bytes());
            out.push(0);
        }
        Value::Document(fields) | Value::Array(fields) => {
            let mut inner = Vec::new();
            for (name, value) in fields {
                write_field(&mut inner, name, value);
            }
            out.extend(enclose(&inner));
        }
    }
}

fn enclose(fields: &[u8]) -> Vec<u8> {
    let mut document = length(4 + fields.len() + 1).to_vec();
    document.extend(fields);
    document.push(0);
    document
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// Walks the fields of a document; `None` when it is not one.
fn read_numbers(mut fields: &[u8]) -> Option<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    loop {
        let (&kind, rest) = fields.split_first()?;
        if kind == 0 {
            return Some(found);
        }
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let value = &rest[end + 1..];
        let prefixed = || usize::try_from(u32::from_le_bytes(value.get(..4)?.try_into().ok()?)).ok();
        let size = match kind {
            0x01 => {
                found.insert(name, f64::from_le_bytes(value.get(..8)?.try_into().ok()?));
                8
            }
            0x08 => {
                found.insert(name, f64::from(*value.first()?));
                1
            }
            0x10 => {
                found.insert(name, f64::from(i32::from_le_bytes(value.get(..4)?.try_into().ok()?)));
                4
            }
            0x02 => 4 + prefixed()?,
            0x03 | 0x04 => prefixed()?,
            0x05 => 5 + prefixed()?,
            0x07 => 12,
            0x09 | 0x11 | 0x12 => 8,
            0x0A => 0,
            0x13 => 16,
            _ => return None,
        };
        fields = value.get(size..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_other_fields() {
        let mut fields = Vec::new();
        write_field(&mut fields, "text", &Value::Text("primary".to_owned()));
        write_field(&mut fields, "inner", &Value::Document(vec![("ok", Value::Int(7))]));
        write_field(&mut fields, "code", &Value::Int(94));
        fields.push(0);
        let found = read_numbers(&fields).unwrap();
        assert_eq!(found, BTreeMap::from([("code".to_owned(), 94.0)]));
    }

    #[test]
    fn a_cut_off_answer_is_none() {
        assert_eq!(read_numbers(&[0x10, b'a', 0, 1]), None);
        assert_eq!(read_numbers(&[]), None);
    }
}
