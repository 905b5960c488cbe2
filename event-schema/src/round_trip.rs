//! Properties: whatever an event holds comes back from a value as it went in, and what is not its value is refused.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use crate::codec::Codec;
use crate::comment::{CommentAdded, CommentDeleted, CommentEdited};
use crate::event::{DomainEvent, SCHEMAS};
use crate::id::{PersonId, PostId};
use crate::like::{PostLiked, PostUnliked};
use crate::person::PersonCreated;
use crate::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostType,
    PostUnpublished, RestoredStatus,
};
use crate::slug::{SlugConfirmed, SlugReleased, SlugReserved};

/// Any event, with times from the year 1 to 9999, which RFC 3339 can write.
pub(crate) fn any_event() -> impl Strategy<Value = DomainEvent> {
    prop_oneof![
        post_created().prop_map(DomainEvent::from),
        post_edited().prop_map(DomainEvent::from),
        (".{0,40}", time(), any::<bool>())
            .prop_map(|(slug, published_at, scheduled)| { PostPublished { slug, published_at, scheduled }.into() }),
        Just(PostUnpublished {}.into()),
        time().prop_map(|at| PostScheduled { at }.into()),
        Just(PostDeleted {}.into()),
        prop::sample::select(RestoredStatus::ALL).prop_map(|status| PostRestored { status }.into()),
        (post(), person(), "\\PC{0,200}").prop_map(|(post_id, author_id, content)| CommentAdded {
            post_id,
            author_id,
            content
        }
        .into()),
        (post(), "\\PC{0,200}").prop_map(|(post_id, content)| CommentEdited { post_id, content }.into()),
        post().prop_map(|post_id| CommentDeleted { post_id }.into()),
        (post(), person()).prop_map(|(post_id, person_id)| PostLiked { post_id, person_id }.into()),
        (post(), person()).prop_map(|(post_id, person_id)| PostUnliked { post_id, person_id }.into()),
        ".{0,40}".prop_map(|name| PersonCreated { name }.into()),
        (".{0,40}", token()).prop_map(|(slug, token)| PostSlugRefused { slug, token }.into()),
        (".{0,40}", post(), token(), time()).prop_map(|(slug, post_id, token, until)| SlugReserved {
            slug,
            post_id,
            token,
            until
        }
        .into()),
        (".{0,40}", post()).prop_map(|(slug, post_id)| SlugConfirmed { slug, post_id }.into()),
        (".{0,40}", post(), token()).prop_map(|(slug, post_id, token)| SlugReleased { slug, post_id, token }.into()),
    ]
}

fn post_created() -> impl Strategy<Value = PostCreated> {
    let texts = (".{0,40}", "\\PC{0,200}", ".{0,40}", ".{0,40}");
    let rest = (post_type(), tags(), media(), person(), prop::option::of(time()));
    (texts, rest).prop_map(
        |((title, content, excerpt, category), (post_type, tags, media, author_id, published_at))| PostCreated {
            post_type,
            title,
            content,
            excerpt,
            tags,
            category,
            media,
            author_id,
            published_at,
        },
    )
}

fn post_edited() -> impl Strategy<Value = PostEdited> {
    let text = || prop::option::of(".{0,40}");
    let texts = (text(), text(), text(), text());
    let rest = (
        prop::option::of(post_type()),
        prop::option::of(tags()),
        prop::option::of(media()),
        prop::option::of(person()),
        prop::option::of(time()),
    );
    (texts, rest).prop_map(
        |((title, content, excerpt, category), (post_type, tags, media, author_id, published_at))| PostEdited {
            post_type,
            title,
            content,
            excerpt,
            tags,
            category,
            media,
            author_id,
            published_at,
        },
    )
}

fn post_type() -> impl Strategy<Value = PostType> {
    prop::sample::select(PostType::ALL)
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(".{0,20}", 0..20)
}

fn media() -> impl Strategy<Value = Vec<Uuid>> {
    prop::collection::vec(any::<u128>().prop_map(Uuid::from_u128), 0..4)
}

fn post() -> impl Strategy<Value = PostId> {
    any::<u128>().prop_map(|id| PostId::new(Uuid::from_u128(id)))
}

fn person() -> impl Strategy<Value = PersonId> {
    any::<u128>().prop_map(|id| PersonId::new(Uuid::from_u128(id)))
}

/// A version of an aggregate; Avro's numbers are signed.
fn token() -> impl Strategy<Value = u64> {
    0..=i64::MAX.cast_unsigned()
}

pub(crate) fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_135_596_800_000..253_402_300_800_000_i64).prop_map(|millis| DateTime::from_timestamp_millis(millis).unwrap())
}

proptest! {
    #[test]
    fn every_event_comes_back_as_it_went_in(event in any_event()) {
        let codec = Codec::offline();
        let encoded = codec.encode(&event);
        prop_assert!(encoded.fits());
        let decoded = codec.decode_cached(event.event_type(), encoded.schema_fp, &encoded.value);
        prop_assert_eq!(decoded.unwrap(), event);
    }

    #[test]
    fn a_value_cut_short_or_made_longer_is_refused(event in any_event(), cut in any::<prop::sample::Index>()) {
        let codec = Codec::offline();
        let encoded = codec.encode(&event);
        let decode = |value: &[u8]| codec.decode_cached(event.event_type(), encoded.schema_fp, value);
        prop_assert!(decode(&encoded.value[..cut.index(encoded.value.len())]).is_err());
        let mut longer = encoded.value.to_vec();
        longer.push(0);
        prop_assert!(decode(&longer).is_err());
    }

    #[test]
    fn random_bytes_behind_the_prefix_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..SCHEMAS.len()) {
        let codec = Codec::offline();
        let id = u32::try_from(which).unwrap() + 1;
        let mut value = crate::wire::begin(id, bytes.len());
        value.extend_from_slice(&bytes);
        let schema_fp = crate::schemas::versions(SCHEMAS[which].event_type)[0].fp;
        if let Ok(event) = codec.decode_cached(SCHEMAS[which].event_type, schema_fp, &value) {
            prop_assert_eq!(event.event_type(), SCHEMAS[which].event_type);
        }
    }
}

#[test]
fn the_largest_post_there_may_be_fits_into_a_record() {
    let event = DomainEvent::from(PostCreated {
        post_type: PostType::Article,
        title: "\u{10FFFF}".repeat(200),
        content: "x".repeat(1024 * 1024),
        excerpt: "\u{10FFFF}".repeat(1000),
        tags: vec!["\u{10FFFF}".repeat(50); 20],
        category: "\u{10FFFF}".repeat(200),
        media: vec![Uuid::nil(); 100],
        author_id: PersonId::new(Uuid::nil()),
        published_at: None,
    });
    let codec = Codec::offline();
    let encoded = codec.encode(&event);
    assert!(encoded.fits());
    assert_eq!(codec.decode_cached(event.event_type(), encoded.schema_fp, &encoded.value).unwrap(), event);
}
