//! The schemas that this build knows, parsed once.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;

use crate::canonical;
use crate::event::SCHEMAS;
use crate::hash::SchemaFp;

/// One version of the schema of an event type.
#[derive(Debug)]
pub(crate) struct SchemaVersion {
    pub schema: Schema,
    pub fp: SchemaFp,
}

/// All versions of the schema of an event type, oldest first; empty for a type that this build does not know.
pub(crate) fn versions(event_type: &str) -> &'static [SchemaVersion] {
    PARSED.get(event_type).map_or(&[], Vec::as_slice)
}

static PARSED: LazyLock<HashMap<&'static str, Vec<SchemaVersion>>> = LazyLock::new(|| {
    let parsed = |text: &&'static str| SchemaVersion {
        schema: Schema::parse_str(text).expect("the schemas are part of the program, and the suite parses each"),
        fp: canonical::fingerprint(text).expect("the schemas are part of the program, and the suite parses each"),
    };
    SCHEMAS.iter().map(|event| (event.event_type, event.versions.iter().map(parsed).collect())).collect()
});
