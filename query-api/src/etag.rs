//! ETags: the aggregate's version, which If-Match takes, and a hash of the body, by which any change is seen.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// `"<version>.<hash>"`, or `"<hash>"` where many things make up the body. Strong: equal tags mean equal bytes.
pub fn of(version: Option<u64>, body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let mut hash = 0_u64;
    for byte in &digest[..8] {
        hash = hash << 8 | u64::from(*byte);
    }
    match version {
        Some(version) => format!("\"{version}.{hash:016x}\""),
        None => format!("\"{hash:016x}\""),
    }
}

/// All lines of If-None-Match as one list.
pub fn if_none_match(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<_> = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Whether the header names the tag. The comparison is the weak one, as RFC 9110 asks for If-None-Match: proxies that
/// compress mark tags as weak.
pub fn matches(if_none_match: &str, tag: &str) -> bool {
    if_none_match.split(',').map(str::trim).any(|given| given == "*" || given.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_the_version_and_with_the_body() {
        let tag = of(Some(3), b"{}");
        assert!(tag.starts_with("\"3.") && tag.ends_with('"'));
        assert_eq!(tag, of(Some(3), b"{}"));
        assert_ne!(tag, of(Some(4), b"{}"));
        assert_ne!(tag, of(Some(3), b"[]"));
        assert!(!of(None, b"{}").contains('.'));
    }

    #[test]
    fn a_tag_is_found_in_a_list_and_in_its_weak_form() {
        let tag = of(Some(3), b"{}");
        assert!(matches(&tag, &tag));
        assert!(matches(&format!("\"x\" , W/{tag}"), &tag));
        assert!(matches("*", &tag));
        assert!(!matches("\"3\"", &tag));
        assert!(!matches("", &tag));
    }
}
