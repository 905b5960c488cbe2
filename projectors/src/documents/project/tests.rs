use chrono::{DateTime, Utc};
use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited};
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::like::{PostLiked, PostUnliked};
use event_schema::meta::{ActorRef, EventMeta};
use event_schema::person::PersonCreated;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostUnpublished,
    RestoredStatus,
};
use event_schema::slug::{SlugConfirmed, SlugReleased, SlugReserved};
use proptest::prelude::*;
use read_model::{Post, PostStatus, PostType};
use uuid::Uuid;

use super::*;
use crate::documents::batch::Batch;
use crate::documents::change::OutOfOrder;
use crate::documents::fold;
use crate::documents::response::CountStep;

const POST: Uuid = Uuid::from_u128(0xA);
const AUTHOR: Uuid = Uuid::from_u128(0xB);
const OTHER: Uuid = Uuid::from_u128(0xC);
const RESPONSE: Uuid = Uuid::from_u128(0xD);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn year_1790() -> DateTime<Utc> {
    "1790-01-01T00:00:00Z".parse().unwrap()
}

fn logged(id: Uuid, version: u64, event: impl Into<DomainEvent>) -> LoggedEvent {
    let event = event.into();
    LoggedEvent {
        partition: 3,
        offset: 100 + version,
        meta: EventMeta {
            id: Uuid::from_u128(u128::from(version)),
            event_type: event.event_type().to_owned(),
            aggregate_id: id,
            version,
            time: at(version as i64),
            command_id: Uuid::from_u128(1),
            command_hash: CommandHash::of("test"),
            actor: ActorRef::Person(AUTHOR.into()),
            correlation_id: Uuid::from_u128(2),
            causation_id: Uuid::from_u128(3),
            traceparent: None,
            source: "/test".into(),
        },
        event,
    }
}

fn history(events: Vec<DomainEvent>) -> Vec<LoggedEvent> {
    (1..).zip(events).map(|(version, event)| logged(POST, version, event)).collect()
}

fn create() -> PostCreated {
    PostCreated {
        post_type: event_schema::post::PostType::Article,
        title: "$title".into(),
        content: "*a*".into(),
        excerpt: String::new(),
        tags: vec!["t".into()],
        category: "c".into(),
        media: vec![Uuid::from_u128(9)],
        author_id: AUTHOR.into(),
        published_at: Some(year_1790()),
    }
}

fn published() -> PostPublished {
    PostPublished { slug: "title-0000000a".into(), published_at: year_1790(), scheduled: false }
}

/// The post after these events, in one batch.
fn post(events: Vec<DomainEvent>) -> Post {
    let batch = Batch::of(&history(events)).unwrap();
    match &batch.posts[..] {
        [PostWrite { change: PostChange::Whole(post), .. }] => (**post).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_created_post_is_a_draft_with_its_rendered_content() {
    let post = post(vec![create().into()]);
    assert_eq!(post.status, PostStatus::Draft);
    assert_eq!(post.post_type, PostType::Article);
    assert_eq!((post.title.as_str(), post.html.as_str()), ("$title", "<p><em>a</em></p>\n"));
    assert_eq!((post.excerpt, post.category), (None, Some("c".into())));
    assert_eq!((post.slug, post.published_at), (None, Some(year_1790())));
    assert_eq!((post.created_at, post.updated_at), (at(1), at(1)));
    assert_eq!((post.version, post.partition, post.offset), (1, 3, 101));
}

#[test]
fn an_edit_changes_what_it_names_and_empty_texts_take_away() {
    let edit = PostEdited {
        content: Some("b<script>alert(1)</script>".into()),
        category: Some(String::new()),
        author_id: Some(OTHER.into()),
        ..PostEdited::default()
    };
    let post = post(vec![create().into(), edit.into()]);
    assert_eq!((post.title.as_str(), post.html.as_str()), ("$title", "<p>b</p>\n"));
    assert_eq!((post.category, post.author_id), (None, OTHER));
    assert_eq!((post.created_at, post.updated_at), (at(1), at(2)));
    assert_eq!((post.version, post.offset), (2, 102));
}

#[test]
fn a_published_post_has_its_slug_and_keeps_it_when_unpublished() {
    let live = post(vec![create().into(), published().into()]);
    assert_eq!(live.status, PostStatus::Published);
    assert_eq!(live.slug.as_deref(), Some("title-0000000a"));
    let back = post(vec![create().into(), published().into(), PostUnpublished {}.into()]);
    assert_eq!(back.status, PostStatus::Draft);
    assert_eq!((back.slug, back.published_at), (live.slug, Some(year_1790())));
}

#[test]
fn a_schedule_shows_until_anything_ends_it() {
    let scheduled = PostScheduled { at: at(99) };
    let waiting = post(vec![create().into(), scheduled.clone().into()]);
    assert_eq!(waiting.status, PostStatus::Scheduled);
    assert_eq!(waiting.scheduled_at, Some(at(99)));
    for end in [published().into(), PostUnpublished {}.into(), PostDeleted {}.into()] {
        let ended = post(vec![create().into(), scheduled.clone().into(), end]);
        assert_eq!(ended.scheduled_at, None);
    }
}

#[test]
fn a_deleted_post_remembers_what_a_restore_gives_back() {
    let deleted =
        |before: Vec<DomainEvent>| post([vec![create().into()], before, vec![PostDeleted {}.into()]].concat());
    let plain = deleted(vec![published().into()]);
    assert_eq!(plain.status, PostStatus::Deleted);
    assert_eq!(plain.deleted_at, Some(at(3)));
    assert_eq!(plain.status_before_delete, Some(PostStatus::Published));
    assert_eq!(deleted(vec![]).status_before_delete, Some(PostStatus::Draft));
    let was_scheduled = deleted(vec![PostScheduled { at: at(99) }.into()]);
    assert_eq!(was_scheduled.status_before_delete, Some(PostStatus::Draft));

    let restored = post(vec![
        create().into(),
        published().into(),
        PostDeleted {}.into(),
        PostRestored { status: RestoredStatus::Published }.into(),
    ]);
    assert_eq!(restored.status, PostStatus::Published);
    assert_eq!((restored.deleted_at, restored.status_before_delete), (None, None));
}

#[test]
fn every_event_of_a_post_stands_in_its_history_once_under_its_version() {
    let events = history(vec![create().into(), published().into()]);
    let batch = Batch::of(&events).unwrap();
    let keys: Vec<&str> = batch.history.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(keys, [format!("{POST}:1"), format!("{POST}:2")]);
    let first = &batch.history[0];
    assert_eq!(first.event_type, "groot.post.PostCreated");
    assert_eq!(first.data["publishedAt"], "1790-01-01T00:00:00.000Z");
    assert_eq!(first.actor, Some(AUTHOR.to_string()));
}

#[test]
fn publishing_gives_the_slug_to_the_post() {
    let writes = project(&logged(POST, 2, published()));
    let slug = writes.slug.unwrap();
    assert_eq!((slug.slug.as_str(), slug.post_id), ("title-0000000a", POST));
}

#[test]
fn a_person_is_projected_without_a_history() {
    let writes = project(&logged(AUTHOR, 1, PersonCreated { name: "Ann".into() }));
    let person = writes.person.unwrap();
    assert_eq!((person.id, person.name.as_str(), person.version), (AUTHOR, "Ann", 1));
    assert_eq!((writes.post, writes.slug, writes.history), (None, None, None));
}

#[test]
fn a_comment_is_rendered_safe_and_counts_for_its_post_until_it_is_deleted() {
    let post_id = POST.into();
    let added = CommentAdded { post_id, author_id: OTHER.into(), content: "*a*<script>alert(1)</script>".into() };
    let writes = project(&logged(RESPONSE, 1, added));
    let Some(CommentWrite { version: 1, change: CommentChange::Whole(comment), .. }) = writes.comment else { panic!() };
    assert_eq!((comment.id, comment.post_id, comment.author_id), (RESPONSE, POST, OTHER));
    assert_eq!(comment.html, "<p><em>a</em></p>\n");
    let count = writes.count.unwrap();
    assert_eq!((count.post_id, &count.steps[..]), (POST, &[CountStep { offset: 101, likes: 0, comments: 1 }][..]));

    let edited = project(&logged(RESPONSE, 2, CommentEdited { post_id, content: "b".into() }));
    assert_eq!(edited.count, None, "an edited comment counts as it did");
    let content = Content { markdown: "b".into(), html: "<p>b</p>\n".into() };
    assert_eq!(edited.comment.unwrap().change, CommentChange::Edited { content, at: at(2) });

    let deleted = project(&logged(RESPONSE, 3, CommentDeleted { post_id }));
    assert_eq!(deleted.comment.unwrap().change, CommentChange::Deleted { at: at(3) });
    assert_eq!(deleted.count.unwrap().steps, [CountStep { offset: 103, likes: 0, comments: -1 }]);
}

#[test]
fn what_is_under_a_post_is_none_of_its_history() {
    let liked = PostLiked { post_id: POST.into(), person_id: OTHER.into() };
    let writes = project(&logged(RESPONSE, 1, liked));
    assert_eq!((writes.post, writes.history), (None, None));
}

#[test]
fn a_refused_slug_moves_version_and_history_of_its_post_and_nothing_else_that_is_shown() {
    let refused = PostSlugRefused { slug: "a-slug".into(), token: 1 };
    let writes = project(&logged(POST, 2, refused.clone()));
    assert_eq!(writes.slug, None);
    assert_eq!(writes.history.unwrap().event_type, "groot.post.PostSlugRefused");
    let (before, after) = (post(vec![create().into()]), post(vec![create().into(), refused.into()]));
    assert_eq!((after.version, after.offset, after.updated_at), (2, 102, at(2)));
    assert_eq!(Post { version: before.version, offset: before.offset, updated_at: before.updated_at, ..after }, before);
}

#[test]
fn the_reservation_of_a_slug_writes_nothing() {
    let (slug, post_id) = ("a-slug".to_owned(), POST.into());
    let events: [DomainEvent; 3] = [
        SlugReserved { slug: slug.clone(), post_id, token: 1, until: at(9) }.into(),
        SlugConfirmed { slug: slug.clone(), post_id }.into(),
        SlugReleased { slug, post_id, token: 1 }.into(),
    ];
    for event in events {
        assert_eq!(project(&logged(RESPONSE, 1, event)), Writes::default());
    }
}

#[test]
fn a_like_is_one_document_with_what_is_so_now_and_a_step_for_each_event() {
    let (post_id, person_id) = (POST.into(), OTHER.into());
    let events = [
        logged(RESPONSE, 1, PostLiked { post_id, person_id }),
        logged(RESPONSE, 2, PostUnliked { post_id, person_id }),
        logged(RESPONSE, 3, PostLiked { post_id, person_id }),
    ];
    let batch = Batch::of(events.iter().chain(&events)).unwrap();
    let last = &batch.likes[2];
    assert_eq!((last.id, last.post_id, last.person_id), (RESPONSE, POST, OTHER));
    assert_eq!((last.liked, last.since, last.version), (true, at(3), 3));
    let [count] = &batch.counts[..] else { panic!("{:?}", batch.counts) };
    let steps: Vec<_> = count.steps.iter().map(|step| (step.offset, step.likes)).collect();
    assert_eq!(steps, [(101, 1), (102, -1), (103, 1)], "events that come twice count once");
}

#[test]
fn a_missing_event_is_noticed() {
    let mut events = history(vec![create().into(), published().into(), PostDeleted {}.into()]);
    events.remove(1);
    assert_eq!(Batch::of(&events), Err(OutOfOrder { id: POST, before: 1, found: 3 }));
}

#[test]
fn later_events_of_a_batch_fold_into_one_change() {
    let events = history(vec![
        create().into(),
        PostScheduled { at: at(99) }.into(),
        PostEdited { title: Some("new".into()), ..PostEdited::default() }.into(),
        PostDeleted {}.into(),
    ]);
    let batch = Batch::of(&events[1..]).unwrap();
    let [write] = &batch.posts[..] else { panic!("{:?}", batch.posts) };
    assert_eq!((write.first_version, write.version, write.offset), (2, 4, 104));
    let PostChange::Part(patch) = &write.change else { panic!("{write:?}") };
    assert_eq!(patch.title.as_deref(), Some("new"));
    let standing = patch.standing.as_ref().unwrap();
    assert_eq!(standing.status, PostStatus::Deleted);
    assert_eq!(standing.before_delete, BeforeDelete::Was(PostStatus::Draft));
}

fn any_event() -> impl Strategy<Value = DomainEvent> {
    let text = || proptest::option::of("[a-z$]{0,3}");
    prop_oneof![
        (text(), text(), text(), text(), proptest::option::of(Just(OTHER))).prop_map(
            |(title, content, excerpt, category, author)| {
                PostEdited {
                    title,
                    content,
                    excerpt,
                    category,
                    author_id: author.map(Into::into),
                    ..PostEdited::default()
                }
                .into()
            }
        ),
        Just(published().into()),
        Just(PostUnpublished {}.into()),
        Just(PostSlugRefused { slug: "a-slug".into(), token: 1 }.into()),
        Just(PostScheduled { at: at(99) }.into()),
        Just(PostDeleted {}.into()),
    ]
}

/// Events of one post in an order in which they can happen: only a restore follows a deletion.
fn any_history() -> impl Strategy<Value = Vec<DomainEvent>> {
    proptest::collection::vec(any_event(), 0..12).prop_map(|events| {
        let mut all = vec![DomainEvent::from(create())];
        for event in events {
            let deletes = event == DomainEvent::from(PostDeleted {});
            all.push(event);
            if deletes {
                let status = RestoredStatus::Draft;
                all.push(PostRestored { status }.into());
            }
        }
        all
    })
}

proptest! {
    #[test]
    fn a_batch_from_the_beginning_is_what_the_independent_fold_expects(events in any_history()) {
        let events = history(events);
        let batch = Batch::of(&events).unwrap();
        let expected = fold::expected(&events);
        let PostChange::Whole(post) = &batch.posts[0].change else { panic!() };
        prop_assert_eq!(&**post, &expected.posts[&POST]);
        prop_assert_eq!(batch.history, expected.history.into_values().collect::<Vec<_>>()
            .tap_sorted_by_version());
    }

    #[test]
    fn an_event_delivered_several_times_changes_nothing(events in any_history(), again in 1..5usize) {
        let events = history(events);
        let once = Batch::of(&events).unwrap();
        let repeated: Vec<_> = events
            .iter()
            .enumerate()
            .flat_map(|(place, event)| {
                // Each event is followed by some of those before it once more.
                let from = place.saturating_sub(again);
                std::iter::once(event).chain(&events[from..=place])
            })
            .collect();
        prop_assert_eq!(Batch::of(repeated).unwrap().posts, once.posts);
    }
}

trait SortedByVersion {
    fn tap_sorted_by_version(self) -> Self;
}

impl SortedByVersion for Vec<PostEventDoc> {
    /// Keys are texts, in which 10 comes before 2.
    fn tap_sorted_by_version(mut self) -> Self {
        self.sort_by_key(|event| event.version);
        self
    }
}
