//! Events of posts and of what is under them as they can happen, made from a seed.

use chrono::{DateTime, Duration, Utc};
use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited};
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::like::{PostLiked, PostUnliked};
use event_schema::meta::{ActorRef, EventMeta};
use event_schema::person::PersonCreated;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostType,
    PostUnpublished, RestoredStatus,
};
use event_schema::slug::SlugReserved;
use projectors::event::LoggedEvent;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// One event of an aggregate, without a place in the log.
#[derive(Clone, Debug)]
pub struct Happened {
    pub meta: EventMeta,
    pub event: DomainEvent,
}

/// Makes up events of some aggregates, each in an order in which they can happen.
pub struct Story {
    rng: StdRng,
    posts: Vec<Post>,
    responses: Vec<Response>,
    aggregates: usize,
    clock: DateTime<Utc>,
}

struct Post {
    id: Uuid,
    version: u64,
    status: Status,
    before: Status,
}

/// A comment or a like.
struct Response {
    id: Uuid,
    version: u64,
    /// The post's place in the story.
    post: usize,
    /// Of whom the like is; a comment has none.
    liker: Option<Uuid>,
    /// Not deleted, or not taken back.
    stands: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Draft,
    Scheduled,
    Published,
    Deleted,
}

impl Story {
    pub fn new(seed: u64, aggregates: usize) -> Self {
        let clock = DateTime::from_timestamp_millis(1_750_000_000_123).unwrap();
        Self { rng: StdRng::seed_from_u64(seed), posts: Vec::new(), responses: Vec::new(), aggregates, clock }
    }

    /// The next event of any aggregate.
    pub fn next(&mut self) -> Happened {
        self.clock += Duration::milliseconds(self.rng.random_range(0..5_000));
        if self.rng.random_range(0..20) == 0 {
            let name = self.text();
            return self.happened(Uuid::now_v7(), 1, PersonCreated { name }.into());
        }
        if self.rng.random_range(0..20) == 0 {
            let slug = format!("slug-{}", self.rng.random::<u32>());
            let post_id = Uuid::from_u128(self.rng.random()).into();
            let reserved = SlugReserved { slug, post_id, token: 1, until: self.clock };
            return self.happened(Uuid::now_v7(), 1, reserved.into());
        }
        if self.posts.len() < self.aggregates && self.rng.random_range(0..3) == 0 || self.posts.is_empty() {
            return self.create();
        }
        let place = self.rng.random_range(0..self.posts.len());
        if self.posts[place].status == Status::Published && self.rng.random_range(0..3) > 0 {
            return self.respond(place);
        }
        let event = self.go_on(place);
        let post = &mut self.posts[place];
        post.version += 1;
        let (id, version) = (post.id, post.version);
        self.happened(id, version, event)
    }

    pub fn take(&mut self, count: usize) -> Vec<Happened> {
        (0..count).map(|_| self.next()).collect()
    }

    fn create(&mut self) -> Happened {
        let id = Uuid::now_v7();
        self.posts.push(Post { id, version: 1, status: Status::Draft, before: Status::Draft });
        let created = PostCreated {
            post_type: PostType::ALL[self.rng.random_range(0..3)],
            title: self.text(),
            content: self.text(),
            excerpt: self.text(),
            tags: vec![self.text()],
            category: self.text(),
            media: vec![Uuid::from_u128(self.rng.random())],
            author_id: Uuid::from_u128(self.rng.random()).into(),
            published_at: self.rng.random::<bool>().then(|| "1790-01-08T00:00:00Z".parse().unwrap()),
        };
        self.happened(id, 1, created.into())
    }

    fn go_on(&mut self, place: usize) -> DomainEvent {
        let Post { id, status, before, .. } = self.posts[place];
        let (event, next): (DomainEvent, Status) = match (status, self.rng.random_range(0..5)) {
            (Status::Deleted, _) => {
                let (status, next) = match before {
                    Status::Published => (RestoredStatus::Published, Status::Published),
                    _ => (RestoredStatus::Draft, Status::Draft),
                };
                (PostRestored { status }.into(), next)
            }
            (_, 0) => (PostDeleted {}.into(), Status::Deleted),
            (Status::Published, 1) => (PostUnpublished {}.into(), Status::Draft),
            (Status::Draft | Status::Scheduled, 1) => {
                (PostScheduled { at: self.clock + Duration::days(1) }.into(), Status::Scheduled)
            }
            (Status::Draft | Status::Scheduled, 3) => {
                (PostSlugRefused { slug: format!("slug-{id}"), token: 1 }.into(), status)
            }
            (Status::Draft | Status::Scheduled, 2) => {
                let published = PostPublished {
                    slug: format!("post-{id}"),
                    published_at: "1790-01-08T00:00:00Z".parse().unwrap(),
                    scheduled: status == Status::Scheduled,
                };
                (published.into(), Status::Published)
            }
            _ => (self.edit().into(), status),
        };
        self.posts[place].before = status;
        self.posts[place].status = next;
        event
    }

    /// Somebody says something to a published post, or takes back what was said.
    fn respond(&mut self, post: usize) -> Happened {
        let known: Vec<usize> = (0..self.responses.len())
            .filter(|place| {
                let response = &self.responses[*place];
                response.post == post && (response.stands || response.liker.is_some())
            })
            .collect();
        let post_id = self.posts[post].id.into();
        if known.is_empty() || self.rng.random::<bool>() {
            let (id, person) = (Uuid::now_v7(), Uuid::from_u128(self.rng.random()));
            let liker = self.rng.random::<bool>().then_some(person);
            self.responses.push(Response { id, version: 1, post, liker, stands: true });
            let event = match liker {
                Some(person) => PostLiked { post_id, person_id: person.into() }.into(),
                None => CommentAdded { post_id, author_id: person.into(), content: self.text() }.into(),
            };
            return self.happened(id, 1, event);
        }
        let place = known[self.rng.random_range(0..known.len())];
        let Response { id, version, liker, stands, .. } = self.responses[place];
        let goes = stands && (liker.is_some() || self.rng.random::<bool>());
        let event = match (liker.map(Into::into), goes) {
            (Some(person_id), true) => PostUnliked { post_id, person_id }.into(),
            (Some(person_id), false) => PostLiked { post_id, person_id }.into(),
            (None, true) => CommentDeleted { post_id }.into(),
            (None, false) => CommentEdited { post_id, content: self.text() }.into(),
        };
        let response = &mut self.responses[place];
        response.version += 1;
        response.stands = !goes;
        self.happened(id, version + 1, event)
    }

    fn edit(&mut self) -> PostEdited {
        PostEdited {
            post_type: self.maybe(|_| PostType::Link),
            title: self.maybe(Self::text),
            content: self.maybe(Self::text),
            excerpt: self.maybe(Self::text),
            tags: self.maybe(|story| vec![story.text(), "$tags".to_owned()]),
            category: self.maybe(Self::text),
            media: self.maybe(|_| Vec::new()),
            author_id: self.maybe(|story| Uuid::from_u128(story.rng.random()).into()),
            published_at: self.maybe(|_| "1865-12-04T00:00:00Z".parse().unwrap()),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.rng.random::<bool>().then(|| make(self))
    }

    /// Among them what a store may mistake for something else.
    fn text(&mut self) -> String {
        const TEXTS: [&str; 6] =
            ["", "$title", "a.b", "<script>alert(1)</script>*x*", "\u{1F980} Ω", "$$ROOT and {\"$set\":1}"];
        let text = TEXTS[self.rng.random_range(0..TEXTS.len())];
        format!("{text}{}", if text.is_empty() { "" } else { " …" })
    }

    fn happened(&self, id: Uuid, version: u64, event: DomainEvent) -> Happened {
        Happened { meta: meta(id, version, &event, self.clock), event }
    }
}

/// The metadata that an event of this aggregate would have.
pub fn meta(id: Uuid, version: u64, event: &DomainEvent, time: DateTime<Utc>) -> EventMeta {
    EventMeta {
        id: Uuid::now_v7(),
        event_type: event.event_type().to_owned(),
        aggregate_id: id,
        version,
        time,
        command_id: Uuid::now_v7(),
        command_hash: CommandHash::of("test"),
        actor: ActorRef::System,
        correlation_id: Uuid::now_v7(),
        causation_id: Uuid::now_v7(),
        traceparent: None,
        source: "/test".to_owned(),
    }
}

/// Different events in each of so many partitions, from offset 0 on.
pub fn in_partitions(partitions: u32, events: usize) -> Vec<Vec<LoggedEvent>> {
    let of = |partition: u32| {
        let events = placed(Story::new(70 + u64::from(partition), 3).take(events), 0);
        events.into_iter().map(|event| LoggedEvent { partition, ..event }).collect()
    };
    (0..partitions).map(of).collect()
}

/// Gives events places in one partition, from an offset on.
pub fn placed(happened: Vec<Happened>, first_offset: u64) -> Vec<LoggedEvent> {
    (first_offset..)
        .zip(happened)
        .map(|(offset, Happened { meta, event })| LoggedEvent { partition: 0, offset, meta, event })
        .collect()
}
