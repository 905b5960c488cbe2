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
#[derive(Clone, Debug, Default)]
struct Names {
    text: String,
    /// Where each name ends.
    ends: Vec<usize>,
    /// Where each is found without comparing it with those before. Only names that were read have it, which are looked up by the dozen for
    /// each record; those of a record that is written are still growing.
    index: Option<Index>,
}

impl Headers {
    /// Room for this many headers, with this many bytes in all names and in all values.
    pub fn with_capacity(headers: usize, names: usize, values: usize) -> Self {
        Self {
            names: Arc::new(Names {
                text: String::with_capacity(names),
                ends: Vec::with_capacity(headers),
                index: None,
            }),
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
        let index = self.names.find(name.as_bytes())?;
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

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        // Of the same names one may have an index.
        self.ends == other.ends && self.text == other.text
    }
}

impl Eq for Names {}

impl Names {
    fn push(&mut self, name: &str) {
        self.index = None;
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
        Self { text: text.to_owned(), ends: ends.to_vec(), index: None }
    }

    /// Where the first header of this name is.
    fn find(&self, name: &[u8]) -> Option<usize> {
        let is_it = |index: usize| self.get(index) == Some(name);
        match &self.index {
            Some(index) => index.find(name, is_it),
            None => (0..self.ends.len()).find(|&index| is_it(index)),
        }
    }

    fn indexed(mut self) -> Self {
        let mut index = Index::new();
        let count = self.ends.len();
        let fits = (0..count).all(|place| self.get(place).is_some_and(|name| index.add(name, place)));
        self.index = fits.then_some(index);
        self
    }
}

/// A hash table from names to their places, with open addressing: names that fall to one slot take the slots behind it, the earlier first.
#[derive(Clone, Debug)]
struct Index([u8; SLOTS]);

/// A power of two, and twice as many as the headers that a table is made for: there is always an empty slot, where a search ends.
const SLOTS: usize = 64;
const EMPTY: u8 = u8::MAX;

impl Index {
    fn new() -> Self {
        Self([EMPTY; SLOTS])
    }

    /// Whether there was room.
    fn add(&mut self, name: &[u8], place: usize) -> bool {
        let Some(place) = u8::try_from(place).ok().filter(|&place| usize::from(place) < SLOTS / 2) else {
            return false;
        };
        let empty = Self::slots(name).find(|&slot| self.0[slot] == EMPTY);
        empty.map(|slot| self.0[slot] = place).is_some()
    }

    fn find(&self, name: &[u8], is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let places = Self::slots(name).map(|slot| self.0[slot]);
        places.take_while(|&place| place != EMPTY).map(usize::from).find(|&place| is_it(place))
    }

    /// From the one that the name falls to, all of them once. Length, first, last and middle letter tell the names that there are apart
    /// well enough.
    fn slots(name: &[u8]) -> impl Iterator<Item = usize> {
        let letter = |index: usize| name.get(index).copied().map_or(0, usize::from);
        let last = name.len().saturating_sub(1);
        let hash = name.len() * 31 + letter(0) * 7 + letter(last) * 13 + letter(name.len() / 2) * 3;
        (0..SLOTS).map(move |step| (hash + step) % SLOTS)
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
            self.names = Arc::new(others.indexed());
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
    fn each_of_many_names_is_found_whether_they_have_room_in_an_index_or_not() {
        for count in [SLOTS / 2, SLOTS / 2 + 1, 3 * SLOTS] {
            // They are alike in all that the index looks at.
            let names: Vec<_> = (0..count).map(|number| format!("a{:0>3}a{:0>3}a", number % 7, number / 2)).collect();
            let headers: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
            let found = read(&mut HeadersReader::default(), &headers);
            assert_eq!(found.names.index.is_some(), count <= SLOTS / 2);
            for (name, value) in headers {
                assert_eq!(found.get(name), Some(value.as_bytes()));
            }
            assert_eq!(found.get("aaaaaaaaa"), None);
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
