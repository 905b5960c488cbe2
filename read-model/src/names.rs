//! The one place that maps a projection and its version to names in the store.

/// A projection as it stands in the store: two versions of one projection share nothing, so that a new version can be
/// filled beside the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Projection {
    pub name: &'static str,
    pub version: u32,
}

/// The projection of posts, comments, likes, slugs, people and post events into MongoDB documents, in its first version.
pub const DOCUMENTS: Projection = Projection { name: "documents", version: 1 };

/// The projection of posts into Elasticsearch, in its first version.
pub const SEARCH: Projection = Projection { name: "search", version: 1 };

/// The projection of all events and of activity into ClickHouse, in its first version.
pub const ANALYTICS: Projection = Projection { name: "analytics", version: 1 };

impl Projection {
    /// The same projection in another version.
    #[must_use]
    pub const fn in_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// `documents_v1`, which no other projection or version is called.
    pub fn full_name(self) -> String {
        format!("{}_v{}", self.name, self.version)
    }

    /// [`crate::Post`] by id.
    pub fn posts(self) -> String {
        self.versioned("posts")
    }

    /// [`crate::Person`] by id.
    pub fn people(self) -> String {
        self.versioned("people")
    }

    /// [`crate::Comment`] by id.
    pub fn comments(self) -> String {
        self.versioned("comments")
    }

    /// [`crate::Like`] by id, which is made of post and person.
    pub fn likes(self) -> String {
        self.versioned("likes")
    }

    /// [`crate::Slug`] by slug.
    pub fn slugs(self) -> String {
        self.versioned("slugs")
    }

    /// [`crate::PostEventDoc`] by post and version: what `/history` serves.
    pub fn post_events(self) -> String {
        self.versioned("post_events")
    }

    /// [`crate::DeadLetterDoc`] by partition and offset.
    pub fn dead_letters(self) -> String {
        format!("{}_dead_letters_v{}", self.name, self.version)
    }

    /// [`crate::Checkpoint`] of every projection and version, told apart by [`Projection::checkpoint_id`].
    pub fn checkpoints(self) -> &'static str {
        "checkpoints"
    }

    /// `documents_v1:7`, the `_id` of the checkpoint of one partition.
    pub fn checkpoint_id(self, partition: u32) -> String {
        format!("{}{partition}", self.checkpoint_prefix())
    }

    /// `documents_v1:`, with which every checkpoint id of this projection and version begins, and no other one's.
    pub fn checkpoint_prefix(self) -> String {
        format!("{}:", self.full_name())
    }

    /// Every checkpoint id of this projection and version is not less than the first of these and less than the second.
    pub fn checkpoint_ids(self) -> (String, String) {
        // The prefix ends in a colon, and this is the next character.
        (self.checkpoint_prefix(), format!("{};", self.full_name()))
    }

    /// The collections of this version, which no other one shares.
    pub fn collections(self) -> [String; 7] {
        [
            self.posts(),
            self.people(),
            self.comments(),
            self.likes(),
            self.slugs(),
            self.post_events(),
            self.dead_letters(),
        ]
    }

    fn versioned(self, collection: &str) -> String {
        format!("{collection}_v{}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_version_of_the_projection() {
        let next = Projection { name: "documents", version: 2 };
        assert_eq!(DOCUMENTS.posts(), "posts_v1");
        assert_eq!(DOCUMENTS.people(), "people_v1");
        assert_eq!(DOCUMENTS.comments(), "comments_v1");
        assert_eq!(DOCUMENTS.likes(), "likes_v1");
        assert_eq!(DOCUMENTS.slugs(), "slugs_v1");
        assert_eq!(DOCUMENTS.post_events(), "post_events_v1");
        assert_eq!(DOCUMENTS.dead_letters(), "documents_dead_letters_v1");
        assert_eq!(next.posts(), "posts_v2");
    }

    #[test]
    fn checkpoint_ids_of_two_versions_never_share_a_prefix() {
        let eleventh = Projection { name: "documents", version: 11 };
        assert_eq!(DOCUMENTS.checkpoint_id(7), "documents_v1:7");
        assert!(!eleventh.checkpoint_id(0).starts_with(&DOCUMENTS.checkpoint_prefix()));
    }
}
