//! Position tokens: where in the log a command's events ended, handed to clients as opaque text.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A place in the log. Its text form is opaque: clients keep it and send it back, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PositionToken {
    /// Which log; a token of another log means nothing here.
    pub log_id: u64,
    pub partition: u32,
    /// The offset of the last record of the commit.
    pub offset: u64,
}

/// Why a text is not a position token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("this is not a position token; send one back exactly as it was given")]
    Malformed,
    #[error("the position token is damaged; send it back exactly as it was given")]
    Checksum,
    #[error("the position token has version {0}, which is not known here; ask for a new one by reading again")]
    Version(u8),
}

/// Why a list of position tokens was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenListError {
    #[error("the list has more than {MAX_TOKENS} position tokens; send at most {MAX_TOKENS}")]
    TooMany,
    #[error("position token {number} of the list: {error}")]
    Token {
        /// Counted from 1.
        number: usize,
        error: TokenError,
    },
}

/// How many tokens one request may name.
pub const MAX_TOKENS: usize = 100;

const VERSION: u8 = 1;
/// Where the checksum stands.
const SUM: usize = 1 + 8 + 4 + 8;
const LENGTH: usize = SUM + 4;

/// Reads a comma-separated list, as in the header `Groot-Min-Position`.
pub fn parse_list(header: &str) -> Result<Vec<PositionToken>, TokenListError> {
    // Counted before anything is decoded, so that a huge header costs nothing.
    if header.split(',').count() > MAX_TOKENS {
        return Err(TokenListError::TooMany);
    }
    header
        .split(',')
        .enumerate()
        .map(|(index, text)| text.trim().parse().map_err(|error| TokenListError::Token { number: index + 1, error }))
        .collect()
}

impl fmt::Display for PositionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; LENGTH];
        let (body, sum) = bytes.split_at_mut(SUM);
        body[0] = VERSION;
        body[1..9].copy_from_slice(&self.log_id.to_be_bytes());
        body[9..13].copy_from_slice(&self.partition.to_be_bytes());
        body[13..].copy_from_slice(&self.offset.to_be_bytes());
        sum.copy_from_slice(&crc32fast::hash(body).to_be_bytes());
        fmt::Display::fmt(&Base64Display::new(&bytes, &URL_SAFE_NO_PAD), f)
    }
}

impl FromStr for PositionToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
        match bytes.first() {
            None => return Err(TokenError::Malformed),
            Some(&VERSION) => {}
            // Another version may have another length, but it too ends in a checksum: only then is it a version.
            Some(&version) => {
                let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Malformed)?;
                return Err(if crc32fast::hash(body) == u32::from_be_bytes(*sum) {
                    TokenError::Version(version)
                } else {
                    TokenError::Malformed
                });
            }
        }
        let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| TokenError::Malformed)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Malformed)?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(TokenError::Checksum);
        }
        Ok(Self {
            log_id: u64::from_be_bytes(field(body, 1)),
            partition: u32::from_be_bytes(field(body, 9)),
            offset: u64::from_be_bytes(field(body, 13)),
        })
    }
}

fn field<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[start..start + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> PositionToken {
        PositionToken { log_id: 7, partition: 3, offset: 42 }
    }

    proptest! {
        #[test]
        fn every_token_reads_back_as_it_was(log_id: u64, partition: u32, offset: u64) {
            let token = PositionToken { log_id, partition, offset };
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,60}") {
            let _ = text.parse::<PositionToken>();
            let _ = parse_list(&text);
        }

        #[test]
        fn any_changed_bit_is_noticed(bit in 0..LENGTH * 8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(token().to_string()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(URL_SAFE_NO_PAD.encode(bytes).parse::<PositionToken>().is_err());
        }
    }

    #[test]
    fn malformed_damaged_and_of_another_version_are_three_errors() {
        for malformed in ["", "nonsense!", "AQ", "AQAA", &format!("{}AA", token())] {
            assert_eq!(malformed.parse::<PositionToken>(), Err(TokenError::Malformed), "{malformed}");
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token().to_string()).unwrap();
        bytes[5] ^= 1;
        let damaged = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(damaged.parse::<PositionToken>(), Err(TokenError::Checksum));

        let mut newer = vec![2, 0, 0, 0, 0, 1];
        newer.extend(crc32fast::hash(&newer).to_be_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(newer).parse::<PositionToken>(), Err(TokenError::Version(2)));
    }

    #[test]
    fn a_list_holds_at_most_a_hundred_tokens() {
        let list = |count| vec![token().to_string(); count].join(", ");
        assert_eq!(parse_list(&list(MAX_TOKENS)).unwrap().len(), MAX_TOKENS);
        assert_eq!(parse_list(&list(MAX_TOKENS + 1)), Err(TokenListError::TooMany));
    }

    #[test]
    fn a_bad_token_in_a_list_is_named_by_its_number() {
        let list = format!("{},x", token());
        assert_eq!(parse_list(&list), Err(TokenListError::Token { number: 2, error: TokenError::Malformed }));
    }
}
