use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use event_log::state::MemoryState;
use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited};
use event_schema::event::{AggregateKind, DomainEvent};
use event_schema::hash::CommandHash;
use event_schema::like::{PostLiked, PostUnliked};
use event_schema::meta::{ActorRef, EventMeta};
use event_schema::person::PersonCreated;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostType,
    PostUnpublished, RestoredStatus,
};
use event_schema::slug::{SlugConfirmed, SlugReleased, SlugReserved};
use uuid::Uuid;

use super::*;
use crate::domain::AggregateState;
use crate::partition::aggregates::{Aggregate, Aggregates, Recorded, Remembered};

/// Set to `write`, the samples are written anew. All stored state is discarded by whatever is built from them.
const SWITCH: &str = "GROOT_GOLDEN";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// Every kind of aggregate with every event that can befall it.
fn lives() -> Vec<Vec<DomainEvent>> {
    let time = |text: &str| text.parse().unwrap();
    let post = vec![
        PostCreated {
            post_type: PostType::Article,
            title: "Über Kürbisse 🎃".to_owned(),
            content: "# Kürbisse".to_owned(),
            excerpt: "Alles".to_owned(),
            tags: vec!["garten".to_owned(), "日本語".to_owned()],
            category: "Gemüse".to_owned(),
            media: vec![id(1), id(2)],
            author_id: id(3).into(),
            published_at: None,
        }
        .into(),
        PostSlugRefused { slug: "kurbisse".to_owned(), token: 1 }.into(),
        PostScheduled { at: time("2038-01-19T03:14:08.123Z") }.into(),
        PostPublished {
            slug: "uber-kurbisse-0a1b2c3d".to_owned(),
            published_at: time("1790-01-08T00:00:00.001Z"),
            scheduled: true,
        }
        .into(),
        PostEdited {
            post_type: Some(PostType::Link),
            title: Some("Kürbisse".to_owned()),
            content: Some("[hier](https://example.org)".to_owned()),
            excerpt: Some(String::new()),
            tags: Some(vec![]),
            category: Some("Früchte".to_owned()),
            media: Some(vec![id(4)]),
            author_id: Some(id(5).into()),
            published_at: Some(time("2026-02-03T04:05:06.789Z")),
        }
        .into(),
        PostDeleted {}.into(),
        PostRestored { status: RestoredStatus::Published }.into(),
        PostUnpublished {}.into(),
    ];
    let person = vec![PersonCreated { name: "Ælfgifu Łukasz".to_owned() }.into()];
    let (post_id, author) = (id(6).into(), id(7).into());
    let comment = vec![
        CommentAdded { post_id, author_id: author, content: "So *wahr*".to_owned() }.into(),
        CommentEdited { post_id, content: "Doch nicht".to_owned() }.into(),
        CommentDeleted { post_id }.into(),
    ];
    let like = vec![PostLiked { post_id, person_id: author }.into(), PostUnliked { post_id, person_id: author }.into()];
    let slug = vec![
        SlugReserved { slug: "kurbisse".to_owned(), post_id, token: 300, until: time("2026-02-03T04:06:06.789Z") }
            .into(),
        SlugReleased { slug: "kurbisse".to_owned(), post_id, token: 300 }.into(),
        SlugConfirmed { slug: "kurbisse".to_owned(), post_id }.into(),
    ];
    vec![post, person, comment, like, slug]
}

fn meta(life: usize, event: &DomainEvent, version: u64) -> EventMeta {
    let n = version as u128;
    EventMeta {
        id: id(100 + n),
        event_type: event.event_type().to_owned(),
        aggregate_id: id(1_000 * (life as u128 + 1)),
        version,
        time: "2026-01-01T00:00:00.250Z".parse().unwrap(),
        // The first two events are of one command.
        command_id: id(200 + n.max(2)),
        command_hash: CommandHash::of(format!("command {}", n.max(2))),
        actor: ActorRef::System,
        correlation_id: id(300 + n),
        causation_id: id(400 + n),
        traceparent: None,
        source: "/golden".to_owned(),
    }
}

/// After each event of each life: the aggregate.
fn samples() -> Vec<(String, Aggregate)> {
    let mut samples = Vec::new();
    for (life, events) in lives().iter().enumerate() {
        let mut aggregates = Aggregates::new(MemoryState::default(), 1_000_000);
        for (version, event) in (1..).zip(events) {
            let meta = meta(life, event, version);
            let recorded = Recorded {
                event,
                meta: &meta,
                offset: 10 * version,
                timestamp: 1_767_225_600_000 + version.cast_signed(),
            };
            aggregates.apply(&recorded).unwrap();
            let aggregate = aggregates.get(meta.aggregate_id, true).unwrap().unwrap();
            samples.push((format!("{version} {}", meta.event_type), (*aggregate).clone()));
        }
    }
    samples
}

fn remembered() -> Remembered {
    Remembered { command_id: id(1), command_hash: CommandHash::of("x"), version: 300, offset: 70_000, timestamp: -1 }
}

fn text() -> String {
    let mut text = String::new();
    let mut sample = |name: &str, json: String, bytes: Vec<u8>| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{name}\n  {json}\n  {hex}").unwrap();
    };
    for (name, aggregate) in samples() {
        sample(&name, serde_json::to_string(&aggregate).unwrap(), write(&aggregate).unwrap());
    }
    sample("remembered", serde_json::to_string(&remembered()).unwrap(), write(&remembered()).unwrap());
    text
}

#[test]
fn what_is_stored_is_what_the_golden_samples_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/state.txt");
    if std::env::var(SWITCH).is_ok_and(|mode| mode == "write") {
        std::fs::write(&path, text()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        text(),
        "the encoding of state, or what events lead to, has changed: GROOT_GOLDEN=write writes the samples anew, which \
         discards all state that was stored before"
    );
}

#[test]
fn there_is_a_sample_of_every_kind_of_aggregate() {
    let sampled: BTreeSet<AggregateKind> = samples().iter().map(|(_, aggregate)| kind(&aggregate.state)).collect();
    assert_eq!(sampled, AggregateKind::ALL.into_iter().collect());
}

fn kind(state: &AggregateState) -> AggregateKind {
    match state {
        AggregateState::Post(_) => AggregateKind::Post,
        AggregateState::Comment(_) => AggregateKind::Comment,
        AggregateState::Like(_) => AggregateKind::Like,
        AggregateState::Person(_) => AggregateKind::Person,
        AggregateState::Slug(_) => AggregateKind::Slug,
    }
}

#[test]
fn what_was_written_reads_back_and_nothing_else_does() {
    for (_, aggregate) in samples() {
        let bytes = write(&aggregate).unwrap();
        assert_eq!(read::<Aggregate>(&bytes).unwrap(), aggregate);
        assert!(read::<Aggregate>(&bytes[..bytes.len() - 1]).is_err());
        assert!(read::<Aggregate>(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert_eq!(read::<Remembered>(&write(&remembered()).unwrap()).unwrap(), remembered());
}
