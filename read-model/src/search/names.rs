use crate::{Projection, SEARCH};

/// The indexes of one installation, told from those of others on the same servers by what their names begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchNames {
    prefix: String,
    projection: Projection,
}

impl SearchNames {
    /// Of the first version.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), projection: SEARCH }
    }

    /// The same installation in another version.
    #[must_use]
    pub fn in_version(&self, version: u32) -> Self {
        Self { prefix: self.prefix.clone(), projection: self.projection.in_version(version) }
    }

    pub fn projection(&self) -> Projection {
        self.projection
    }

    /// [`super::SearchPost`] by id, as this version of the projection writes them.
    pub fn posts(&self) -> String {
        format!("{}_{}", self.prefix, self.projection.posts())
    }

    /// The posts of the version that is live, for people.
    pub fn posts_alias(&self) -> String {
        format!("{}_posts", self.prefix)
    }

    /// [`crate::Checkpoint`] of every version, by [`Projection::checkpoint_id`], and [`crate::Versions`] by the projection's name.
    pub fn checkpoints(&self) -> String {
        format!("{}_search_{}", self.prefix, self.projection.checkpoints())
    }

    /// [`crate::DeadLetterDoc`] by partition and offset.
    pub fn dead_letters(&self) -> String {
        format!("{}_{}", self.prefix, self.projection.dead_letters())
    }

    /// All indexes of this version.
    pub fn indexes(&self) -> [String; 3] {
        [self.posts(), self.checkpoints(), self.dead_letters()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_installation_and_version() {
        let names = SearchNames::new("groot");
        assert_eq!(names.posts(), "groot_posts_v1");
        assert_eq!(names.posts_alias(), "groot_posts");
        assert_eq!(names.checkpoints(), "groot_search_checkpoints");
        assert_eq!(names.dead_letters(), "groot_search_dead_letters_v1");
    }
}
