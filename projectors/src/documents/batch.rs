//! The writes of a batch of events of one partition, folded: one for each post, and one for its numbers, however many events
//! it had.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use read_model::{Like, Person, PostEventDoc, Slug};
use uuid::Uuid;

use crate::documents::change::{OutOfOrder, PostWrite};
use crate::documents::project::{Writes, project};
use crate::documents::response::{CommentWrite, CountWrite};
use crate::event::LoggedEvent;

/// What a batch writes, each list in the order in which its keys were first met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub posts: Vec<PostWrite>,
    pub comments: Vec<CommentWrite>,
    pub likes: Vec<Like>,
    /// After `posts`: some may be created in the same batch.
    pub counts: Vec<CountWrite>,
    pub people: Vec<Person>,
    pub slugs: Vec<Slug>,
    pub history: Vec<PostEventDoc>,
    post_places: HashMap<Uuid, usize>,
    count_places: HashMap<Uuid, usize>,
}

impl Batch {
    /// Folds the events, which stand in the order of the log.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Result<Self, OutOfOrder> {
        let mut batch = Self::default();
        for event in events {
            batch.add(project(event))?;
        }
        Ok(batch)
    }

    /// Adds what one more event writes. An event that was added before changes nothing.
    pub fn add(&mut self, writes: Writes) -> Result<(), OutOfOrder> {
        let Writes { post, comment, like, count, person, slug, history } = writes;
        if let Some(write) = post {
            match self.post_places.entry(write.id) {
                Entry::Occupied(place) => self.posts[*place.get()].follow(write)?,
                Entry::Vacant(place) => {
                    place.insert(self.posts.len());
                    self.posts.push(write);
                }
            }
        }
        if let Some(count) = count {
            match self.count_places.entry(count.post_id) {
                Entry::Occupied(place) => self.counts[*place.get()].follow(count),
                Entry::Vacant(place) => {
                    place.insert(self.counts.len());
                    self.counts.push(count);
                }
            }
        }
        self.comments.extend(comment);
        self.likes.extend(like);
        self.people.extend(person);
        self.slugs.extend(slug);
        self.history.extend(history);
        Ok(())
    }

    /// Slugs of posts that the batch creates, each once, and all others: those of the first kind nobody has yet, unless somebody chose the same.
    pub fn slugs_by_novelty(&self) -> (Vec<&Slug>, Vec<&Slug>) {
        let mut met = HashSet::new();
        self.slugs.iter().partition(|slug| {
            let place = self.post_places.get(&slug.post_id);
            place.is_some_and(|place| self.posts[*place].whole().is_some()) && met.insert(&slug.slug)
        })
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        // Every event of a post has a place in its history; every like and every comment is there itself.
        self.history.is_empty() && self.comments.is_empty() && self.likes.is_empty() && self.people.is_empty()
    }
}
