//! Comparing what a store holds of a partition with an independent fold of the log, while others may go on writing.
//!
//! A fold ends at some offset, and the store has come to that or beyond. What the store holds of a key either shows the fold's end, and then
//! it has to be the same, or something later, and then this fold cannot tell: it is **newer**, and left to a later fold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use read_model::stored::plain_json;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub compared: u64,
    pub differences: Vec<Difference>,
    /// What changed after the fold's end, by name.
    pub newer: BTreeSet<String>,
}

/// Something that is not as the log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `post 0197f0a2-7b1c-7d3e-9a4b-5c6d7e8f9a0b`.
    pub name: String,
    pub what: String,
}

/// Says which documents to compare: all, or those that were newer before.
pub type Only<'a> = Option<&'a BTreeSet<String>>;

/// The keys whose documents are compared: a sample, or all. What is expected is of these alone.
pub type Keys<'a> = Option<&'a BTreeSet<Uuid>>;

/// So many keys a store is asked for at a time.
pub(crate) const KEYS_AT_ONCE: usize = 1_000;

/// Some after the other, as many as a store is asked for at a time.
pub(crate) fn some_at_a_time(keys: &BTreeSet<Uuid>) -> impl Iterator<Item = Vec<Uuid>> {
    let mut left = keys.iter().copied();
    std::iter::from_fn(move || {
        Some(left.by_ref().take(KEYS_AT_ONCE).collect::<Vec<_>>()).filter(|keys| !keys.is_empty())
    })
}

impl Verdict {
    /// Compares documents of one kind by their keys.
    pub fn compare<K: Ord + fmt::Display, V: PartialEq + fmt::Debug + Serialize>(
        &mut self,
        kind: &str,
        stored: &BTreeMap<K, V>,
        expected: &BTreeMap<K, V>,
        is_newer: impl Fn(&K, &V) -> bool,
        only: Only<'_>,
    ) {
        let keys: BTreeSet<&K> = stored.keys().chain(expected.keys()).collect();
        for key in keys {
            let name = format!("{kind} {key}");
            if only.is_some_and(|only| !only.contains(&name)) {
                continue;
            }
            let (there, wanted) = (stored.get(key), expected.get(key));
            if there.is_some_and(|there| is_newer(key, there)) {
                self.newer.insert(name);
                continue;
            }
            self.compared += 1;
            let what = match (there, wanted) {
                (None, _) => "is missing".to_owned(),
                (Some(_), None) => "is there, and no event leads to it".to_owned(),
                (Some(there), Some(wanted)) if there != wanted => unequal(there, wanted),
                (Some(_), Some(_)) => continue,
            };
            self.differences.push(Difference { name, what });
        }
    }

    /// The same of another part.
    pub fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.differences.extend(other.differences);
        self.newer.extend(other.newer);
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.what)
    }
}

/// The fields in which they differ.
fn unequal<V: Serialize + fmt::Debug>(there: &V, wanted: &V) -> String {
    const SHOWN: usize = 200;
    let short = |value: &Value| value.to_string().chars().take(SHOWN).collect::<String>();
    let (Ok(Value::Object(there)), Ok(Value::Object(wanted))) = (plain_json(there), plain_json(wanted)) else {
        return format!("is {there:?}, expected {wanted:?}");
    };
    let names: BTreeSet<&String> = there.keys().chain(wanted.keys()).collect();
    let field = |name: &&String| {
        let (there, wanted) =
            (&there.get(*name).cloned().unwrap_or_default(), wanted.get(*name).cloned().unwrap_or_default());
        (*there != wanted).then(|| format!("has {name} {}, expected {}", short(there), short(&wanted)))
    };
    names.iter().filter_map(field).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize)]
    struct Document {
        title: String,
        offset: u64,
    }

    fn documents(documents: &[(u32, &str, u64)]) -> BTreeMap<u32, Document> {
        let of =
            |(key, title, offset): &(u32, &str, u64)| (*key, Document { title: (*title).to_owned(), offset: *offset });
        documents.iter().map(of).collect()
    }

    fn judged(stored: &[(u32, &str, u64)], expected: &[(u32, &str, u64)], only: Only<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.compare("post", &documents(stored), &documents(expected), |_, document| document.offset >= 10, only);
        verdict
    }

    #[test]
    fn each_difference_is_named_and_what_is_newer_is_left_to_a_later_fold() {
        let stored = [(1, "same", 1), (2, "other", 2), (3, "surplus", 3), (5, "later", 10), (6, "new", 11)];
        let expected = [(1, "same", 1), (2, "title", 2), (4, "lost", 4), (5, "before", 5)];
        let verdict = judged(&stored, &expected, None);
        let told: Vec<_> = verdict.differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                r#"post 2 has title "other", expected "title""#,
                "post 3 is there, and no event leads to it",
                "post 4 is missing",
            ]
        );
        assert_eq!((verdict.compared, verdict.newer.len()), (4, 2));
        let again = judged(&[(5, "later", 9), (6, "new", 9)], &[(5, "later", 9)], Some(&verdict.newer));
        assert_eq!((again.compared, again.differences.len(), again.newer.len()), (2, 1, 0));
    }
}
