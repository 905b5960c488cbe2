use crate::Projection;
use crate::versions::FIRST;

/// The tables of one version of the projection. The database tells installations and versions apart; views without a version show
/// readers its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnalyticsNames {
    projection: Projection,
}

/// Which events came when, whatever the version that wrote them.
pub const EVENTS: &str = "events_analytics";
/// How many events there were in each hour.
pub const HOURLY: &str = "events_hourly";
/// What posts are now.
pub const POSTS: &str = "posts";
/// What authors are called.
pub const AUTHORS: &str = "authors";
/// The likes and comments of posts.
pub const RESPONSES: &str = "responses";

impl AnalyticsNames {
    pub const fn of(projection: Projection) -> Self {
        Self { projection }
    }

    pub fn projection(self) -> Projection {
        self.projection
    }

    /// The database of this version, where that of the first one has this name.
    pub fn database(self, first: &str) -> String {
        match self.projection.version {
            FIRST => first.to_owned(),
            version => format!("{first}_v{version}"),
        }
    }

    /// Under which name the positions in the topic of activity are kept, whose rows stand in the same tables.
    pub const fn activity(self) -> Projection {
        Projection { name: "activity", version: self.projection.version }
    }

    /// [`super::rows::EventRow`], one for each event and each activity.
    pub fn events(self) -> String {
        self.versioned(EVENTS)
    }

    /// States of counts by hour, type and country, made of the events by a materialized view.
    pub fn hourly(self) -> String {
        self.versioned(HOURLY)
    }

    /// The view that makes the statistics.
    pub fn to_hourly(self) -> String {
        self.versioned("events_to_hourly")
    }

    /// What is inserted here goes into the statistics alone.
    pub fn uncounted(self) -> String {
        self.versioned("events_uncounted")
    }

    /// [`super::rows::PostRow`], many for each post.
    pub fn posts(self) -> String {
        self.versioned(POSTS)
    }

    /// [`super::rows::AuthorRow`] by id.
    pub fn authors(self) -> String {
        self.versioned(AUTHORS)
    }

    /// [`super::rows::ResponseRow`], many for each like and comment.
    pub fn responses(self) -> String {
        self.versioned(RESPONSES)
    }

    /// [`super::rows::CheckpointRow`] of every version, by [`Projection::checkpoint_id`].
    pub fn checkpoints(self) -> String {
        self.projection.checkpoints().to_owned()
    }

    /// [`super::rows::DeadLetterRow`] by partition, key and offset.
    pub fn dead_letters(self) -> String {
        self.projection.dead_letters()
    }

    /// Everything that only this version has: views, and what they are made of behind them.
    pub fn tables(self) -> Vec<String> {
        let views = [EVENTS, HOURLY, POSTS, AUTHORS, RESPONSES].map(str::to_owned);
        let fillers = [self.to_hourly(), self.versioned("events_uncounted_to_hourly"), self.uncounted()];
        let tables =
            [self.events(), self.hourly(), self.posts(), self.authors(), self.responses(), self.dead_letters()];
        views.into_iter().chain(fillers).chain(tables).collect()
    }

    fn versioned(self, table: &str) -> String {
        format!("{table}_v{}", self.projection.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ANALYTICS;

    #[test]
    fn names_carry_the_version() {
        let names = AnalyticsNames::of(ANALYTICS);
        assert_eq!(names.events(), "events_analytics_v1");
        assert_eq!(names.hourly(), "events_hourly_v1");
        assert_eq!(names.posts(), "posts_v1");
        assert_eq!(names.database("groot"), "groot");
        assert_eq!(AnalyticsNames::of(ANALYTICS.in_version(2)).database("groot"), "groot_v2");
        assert_eq!(names.checkpoints(), "checkpoints");
        assert_eq!(names.dead_letters(), "analytics_dead_letters_v1");
    }
}
