//! Bodies of posts from a seed: of one size, and no two alike.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

/// Bytes of Markdown in each post.
pub const CONTENT_BYTES: usize = 1024;

/// How many different bodies there are. They are made before the clock starts.
const BODIES: usize = 512;

/// Syllables, so that the text compresses like text and not like noise.
const SYLLABLES: [&str; 32] = [
    "ka", "to", "mi", "re", "lo", "san", "ter", "vi", "no", "el", "ur", "pa", "din", "os", "qu", "he", "lan", "gra",
    "be", "fi", "ze", "mo", "ti", "ran", "ju", "wen", "xo", "ny", "cha", "pel", "sto", "bri",
];

/// The bodies of `POST /api/universal/post`.
pub fn posts(seed: u64) -> Vec<Bytes> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..BODIES)
        .map(|number| {
            let content = text(&mut rng, CONTENT_BYTES);
            json!({ "type": "note", "title": format!("Post {number}"), "content": content }).to_string().into()
        })
        .collect()
}

/// Words of that, which most likely stand somewhere in many texts.
pub fn words(rng: &mut StdRng, count: usize) -> String {
    let word = |rng: &mut StdRng| (0..2).map(|_| SYLLABLES[rng.random_range(0..SYLLABLES.len())]).collect::<String>();
    (0..count).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
}

/// Exactly so many bytes.
pub fn text(rng: &mut StdRng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        for _ in 0..rng.random_range(1..5) {
            text.push_str(SYLLABLES[rng.random_range(0..SYLLABLES.len())]);
        }
        text.push(' ');
    }
    text.truncate(bytes);
    // A space at the end would be another text once it is trimmed.
    text.replace_range(bytes - 1.., ".");
    text
}
