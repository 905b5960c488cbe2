//! The headers of a record.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// The headers of a record in their order; the first of a name counts.
///
/// Every record has some twenty of them, so all values lie in one piece of memory, and all names in another, which records that were read
/// one after the other share for as long as they have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    names: Arc<Names>,
    values: Vec<u8>,
    /// Where the value of each header ends.
    ends: Vec<usize>,
}

/// The names of headers in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    text: String,
    /// Where each name ends.
    ends: Vec<usize>,
}

impl Headers {
    /// Room for this many headers, with this many bytes in all names and in all values.
    pub fn with_capacity(headers: usize, names: usize, values: usize) -> Self {
        Self {
            names: Arc::new(Names { text: String::with_capacity(names), ends: Vec::with_capacity(headers) }),
            values: Vec::with_capacity(values),
            ends: Vec::with_capacity(headers),
        }
    }

    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.values.extend_from_slice(value.as_ref());
        self.end(name);
    }

    /// Adds a value as it is displayed.
    pub fn push_text(&mut self, name: &str, value: impl fmt::Display) {
        // Writing to memory cannot fail, and a Display that says it did has written what it could.
        let _ = write!(self.values, "{value}");
        self.end(name);
    }

    fn end(&mut self, name: &str) {
        Arc::make_mut(&mut self.names).push(name);
        self.ends.push(self.values.len());
    }

    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let index = (0..self.len()).find(|&index| self.names.get(index) == Some(name.as_bytes()))?;
        part(&self.ends, index).map(|value| &self.values[value])
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let parts = |index| part(&self.names.ends, index).zip(part(&self.ends, index));
        (0..self.len()).filter_map(parts).map(|(name, value)| (&self.names.text[name], &self.values[value]))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.names.text.len() + self.values.len()
    }

    pub(super) fn parse<T: FromStr>(&self, name: &str) -> Option<T> {
        std::str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }
}

impl Names {
    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    /// Bytes, since these may be compared in any case, and parts of a text only where its characters end.
    fn get(&self, index: usize) -> Option<&[u8]> {
        part(&self.ends, index).map(|name| &self.text.as_bytes()[name])
    }

    fn first(&self, count: usize) -> Self {
        let ends = &self.ends[..count];
        let text = &self.text[..ends.last().copied().unwrap_or_default()];
        Self { text: text.to_owned(), ends: ends.to_vec() }
    }
}

/// Where one of many parts lies that follow each other and end there.
fn part(ends: &[usize], index: usize) -> Option<Range<usize>> {
    let end = *ends.get(index)?;
    Some(index.checked_sub(1).map_or(0, |before| ends[before])..end)
}

/// Puts the headers of records together that are read one after the other.
#[derive(Debug, Default)]
pub(crate) struct HeadersReader {
    /// Of the record before.
    names: Arc<Names>,
    /// Of this record, once they are seen to be others.
    others: Option<Names>,
    values: Vec<u8>,
    ends: Vec<usize>,
}

/// Room for values that is kept from record to record, in bytes.
const KEPT: usize = 16 * 1024;

impl HeadersReader {
    /// The next header of the record. What is not UTF-8 in its name is replaced.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let index = self.ends.len();
        self.values.extend_from_slice(value);
        self.ends.push(self.values.len());
        if self.others.is_none() && self.names.get(index) == Some(name) {
            return;
        }
        let others = self.others.get_or_insert_with(|| self.names.first(index));
        others.push(&String::from_utf8_lossy(name));
    }

    /// The headers that were pushed since the last call.
    pub fn finish(&mut self) -> Headers {
        let count = self.ends.len();
        if count < self.names.ends.len() && self.others.is_none() {
            self.others = Some(self.names.first(count));
        }
        if let Some(others) = self.others.take() {
            self.names = Arc::new(others);
        }
        let headers = Headers { names: self.names.clone(), values: self.values.clone(), ends: self.ends.clone() };
        self.values.clear();
        self.values.shrink_to(KEPT);
        self.ends.clear();
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(headers: &[(&str, &str)]) -> Headers {
        let mut pushed = Headers::default();
        for (name, value) in headers {
            pushed.push(name, value);
        }
        pushed
    }

    fn read(reader: &mut HeadersReader, headers: &[(&str, &str)]) -> Headers {
        for (name, value) in headers {
            reader.push(name.as_bytes(), value.as_bytes());
        }
        reader.finish()
    }

    #[test]
    fn headers_that_are_read_are_those_that_were_written_whatever_was_read_before() {
        let records: [&[(&str, &str)]; 10] = [
            &[("a", "1"), ("b", "2"), ("c", "3")],
            &[("a", "4"), ("b", "5"), ("c", "6")],
            &[("a", "7"), ("b", "8")],
            &[],
            &[("a", ""), ("b", "9"), ("c", ""), ("d", "10")],
            &[("a", "1"), ("x", "2"), ("c", "3"), ("d", "4")],
            &[("ax", "1"), ("c", "3")],
            &[("a", "1"), ("xc", "3")],
            &[("a", "1"), ("a", "2")],
            &[("", "1"), ("", "2")],
        ];
        for before in records {
            for record in records {
                let mut reader = HeadersReader::default();
                assert_eq!(read(&mut reader, before), pushed(before));
                let found = read(&mut reader, record);
                assert_eq!(found, pushed(record), "after {before:?}");
                assert!(
                    found
                        .iter()
                        .map(|(name, value)| (name.as_bytes(), value))
                        .eq(record.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
                );
                for (name, _) in record {
                    let first = record.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_bytes());
                    assert_eq!(found.get(name), first);
                }
                assert_eq!(found.get("none"), None);
            }
        }
    }

    #[test]
    fn records_with_the_same_names_hold_them_once() {
        let mut reader = HeadersReader::default();
        let first = read(&mut reader, &[("a", "1"), ("b", "2")]);
        let second = read(&mut reader, &[("a", "3"), ("b", "4")]);
        assert!(Arc::ptr_eq(&first.names, &second.names));
        let mut more = second.clone();
        more.push("c", "5");
        assert_eq!(second, pushed(&[("a", "3"), ("b", "4")]), "what is added to one is not added to others");
        assert_eq!(more, pushed(&[("a", "3"), ("b", "4"), ("c", "5")]));
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_read_with_what_it_has_replaced() {
        let mut reader = HeadersReader::default();
        for _ in 0..2 {
            reader.push(b"a\xff", b"\xff");
            assert_eq!(reader.finish().get("a\u{fffd}"), Some(&b"\xff"[..]));
        }
    }
}
