//! The query parameters of a list.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use read_model::{Post, PostStatus, PostType};
use serde_json::{Value, json};
use service::params::{FromParams, Params};
use uuid::Uuid;

use crate::cursor::{Cursor, SortKey};
use crate::page::{Paging, limit, paging};
use crate::path;

/// What a client asks of a list, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ListParams {
    pub filters: Filters,
    pub order: Order,
    pub limit: u32,
    pub paging: Paging,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    pub author: Option<Uuid>,
    pub tag: Option<String>,
    pub post_type: Option<PostType>,
    /// Sorted and without repetition; published alone unless asked otherwise.
    pub statuses: Vec<PostStatus>,
    /// Bounds of `publishedAt`, both inclusive.
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: SortBy,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    PublishedAt,
    Title,
}

const MAX_TAG_CHARS: usize = 50;

impl SortBy {
    const ALL: [SortBy; 4] = [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::PublishedAt, SortBy::Title];

    /// The name of the parameter's value and of the field in the store.
    pub fn field(self) -> &'static str {
        match self {
            SortBy::CreatedAt => "createdAt",
            SortBy::UpdatedAt => "updatedAt",
            SortBy::PublishedAt => "publishedAt",
            SortBy::Title => "title",
        }
    }
}

impl FromParams for ListParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let filters = filters(params);
        let order = order(params);
        let limit = limit(params);
        let paging = paging(params, limit, &list(order, &filters))?;
        Some(Self { filters, order, limit, paging })
    }
}

impl ListParams {
    /// The cursor to the place just after this post.
    pub fn after(&self, post: &Post) -> String {
        place(post, self.order.by).encode(&list(self.order, &self.filters))
    }
}

/// Names the list for its cursors.
fn list(order: Order, filters: &Filters) -> Value {
    json!([order.by.field(), order.descending, filters.names()])
}

fn place(post: &Post, by: SortBy) -> Cursor {
    let key = match by {
        SortBy::CreatedAt => SortKey::Time(post.created_at.timestamp_millis()),
        SortBy::UpdatedAt => SortKey::Time(post.updated_at.timestamp_millis()),
        SortBy::PublishedAt => match post.published_at {
            Some(time) => SortKey::Time(time.timestamp_millis()),
            None => SortKey::None,
        },
        SortBy::Title => SortKey::Text(post.title.clone()),
    };
    Cursor { key, id: post.id }
}

impl Filters {
    /// What the parameters ask for; what is wrong with them is noted.
    pub fn from(params: &mut Params) -> Self {
        filters(params)
    }

    /// All of them, to tell one list from another.
    pub fn names(&self) -> Value {
        json!([self.author, self.tag, self.post_type, self.statuses, self.from, self.to])
    }
}

fn filters(params: &mut Params) -> Filters {
    let author = params.opt_parsed("author", "the id of a person, a UUID with hyphens", path::id);
    let tag = params.opt_parsed("tag", &format!("1 to {MAX_TAG_CHARS} characters"), |text| {
        (1..=MAX_TAG_CHARS).contains(&text.chars().count()).then(|| text.to_owned())
    });
    let post_type = params.opt_choice("type", &PostType::ALL.map(|kind| (kind.as_str(), kind)));
    let names = PostStatus::ALL.map(PostStatus::as_str).join(", ");
    let statuses = format!("one of {names}, or several of them with commas between");
    let statuses: Option<Vec<_>> =
        params.opt_parsed("status", &statuses, |text| text.split(',').map(PostStatus::parse).collect());
    let mut statuses = statuses.unwrap_or_else(|| vec![PostStatus::Published]);
    statuses.sort();
    statuses.dedup();
    let from = bound(params, "from", Bound::From);
    let to = bound(params, "to", Bound::To);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        params.refuse("from", "range", "This must not be later than to.");
    }
    Filters { author, tag, post_type, statuses, from, to }
}

/// The newest publication first, unless asked otherwise; what was never published comes after it, the newest first.
fn order(params: &mut Params) -> Order {
    let by = params.opt_choice("sortBy", &SortBy::ALL.map(|by| (by.field(), by)));
    let descending = params.opt_choice("sortOrder", &[("asc", false), ("desc", true)]);
    Order { by: by.unwrap_or(SortBy::PublishedAt), descending: descending.unwrap_or(true) }
}

#[derive(Clone, Copy)]
enum Bound {
    From,
    To,
}

/// A time, or a day that is taken whole on either end.
fn bound(params: &mut Params, name: &str, end: Bound) -> Option<DateTime<Utc>> {
    params.opt_parsed(name, "a time such as 1790-01-08T12:00:00Z or a day such as 1790-01-08", |text| {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(time.to_utc());
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let midnight = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc());
        match end {
            Bound::From => midnight(day),
            Bound::To => midnight(day.checked_add_days(Days::new(1))?)?.checked_sub_signed(TimeDelta::milliseconds(1)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;
    use crate::viewer::tests::post;
    use chrono::DateTime as Time;
    use service::problem::Problem;

    fn parse(query: &str) -> Result<ListParams, Problem> {
        let mut params = Params::of(query);
        let built = ListParams::from_params(&mut params);
        params.finish_with(built)
    }

    fn refused(query: &str) -> Vec<String> {
        let mut names: Vec<_> =
            parse(query).unwrap_err().field_errors().iter().map(|error| error.field.clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_asked_is_the_first_page_of_published_posts_newest_first() {
        let params = parse("").unwrap();
        assert_eq!(params.paging, Paging::Page(Page { number: 1, limit: 10 }));
        assert_eq!(params.limit, 10);
        assert_eq!(params.filters.statuses, [PostStatus::Published]);
        assert_eq!(params.order, Order { by: SortBy::PublishedAt, descending: true });
    }

    #[test]
    fn every_bad_parameter_is_named() {
        let query = "author=me&tag=&type=poem&status=draft,hidden&from=yesterday&to=1790-13-01&page=0&limit=101\
                     &sortBy=likes&sortOrder=up&colour=red&x=";
        let all =
            ["author", "colour", "from", "limit", "page", "sortBy", "sortOrder", "status", "tag", "to", "type", "x"];
        assert_eq!(refused(query), all);
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        assert_eq!(refused("tag=a&tag=b"), ["tag"]);
    }

    #[test]
    fn an_empty_cursor_begins_and_one_beside_a_page_is_refused() {
        assert_eq!(parse("cursor=").unwrap().paging, Paging::Cursor(None));
        assert_eq!(refused("cursor=&page=1"), ["cursor"]);
        assert_eq!(refused("cursor=nonsense&limit=0"), ["cursor", "limit"]);
    }

    #[test]
    fn the_order_and_each_filter_make_another_list() {
        const ORDER: Order = Order { by: SortBy::Title, descending: false };
        let filters = || parse("tag=war").unwrap().filters;
        let lists = [
            list(ORDER, &filters()),
            list(Order { descending: true, ..ORDER }, &filters()),
            list(Order { by: SortBy::CreatedAt, ..ORDER }, &filters()),
            list(ORDER, &Filters { tag: None, ..filters() }),
            list(ORDER, &Filters { author: Some(Uuid::nil()), ..filters() }),
            list(ORDER, &Filters { post_type: Some(PostType::Link), ..filters() }),
            list(ORDER, &Filters { statuses: vec![PostStatus::Draft], ..filters() }),
            list(ORDER, &Filters { from: Some(Time::UNIX_EPOCH), ..filters() }),
            list(ORDER, &Filters { to: Some(Time::UNIX_EPOCH), ..filters() }),
        ];
        for (index, one) in lists.iter().enumerate() {
            assert!(!lists[..index].contains(one), "{one}");
        }
    }

    #[test]
    fn a_post_never_published_has_a_place_too() {
        let draft = post(PostStatus::Draft, Uuid::nil());
        assert_eq!(place(&draft, SortBy::PublishedAt).key, SortKey::None);
        assert_eq!(place(&draft, SortBy::CreatedAt).key, SortKey::Time(0));
        assert_eq!(place(&draft, SortBy::Title).key, SortKey::Text("A title".into()));
    }

    #[test]
    fn days_are_taken_whole_and_times_exactly() {
        let filters = parse("from=1790-01-08&to=1790-01-08").unwrap().filters;
        assert_eq!(filters.from.unwrap().to_rfc3339(), "1790-01-08T00:00:00+00:00");
        assert_eq!(filters.to.unwrap().to_rfc3339(), "1790-01-08T23:59:59.999+00:00");
        let filters = parse("to=1790-01-08T12:00:00%2B02:00").unwrap().filters;
        assert_eq!(filters.to.unwrap().to_rfc3339(), "1790-01-08T10:00:00+00:00");
        assert_eq!(refused("from=1791-01-01&to=1790-01-01"), ["from"]);
    }

    #[test]
    fn several_statuses_may_be_asked_for_in_any_order() {
        let statuses = parse("status=published,draft,published").unwrap().filters.statuses;
        assert_eq!(statuses, [PostStatus::Draft, PostStatus::Published]);
        assert_eq!(refused("status="), ["status"]);
    }

    #[test]
    fn a_tag_has_at_most_fifty_characters_however_many_bytes_they_take() {
        let tag = |characters| format!("tag={}", "%C3%BC".repeat(characters));
        assert_eq!(parse(&tag(50)).unwrap().filters.tag, Some("\u{fc}".repeat(50)));
        assert_eq!(refused(&tag(51)), ["tag"]);
    }
}
