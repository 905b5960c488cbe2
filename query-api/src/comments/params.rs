use read_model::Comment;
use serde_json::json;
use service::params::{FromParams, Params};

use crate::cursor::{Cursor, SortKey};
use crate::page::{Paging, limit, paging};

/// What a client asks of the comments of a post, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentParams {
    pub descending: bool,
    pub limit: u32,
    pub paging: Paging,
}

/// By the time of creation, and by id where two have the same.
pub const SORTED_BY: &str = "createdAt";

impl FromParams for CommentParams {
    /// The oldest first, as they are read, unless asked otherwise.
    fn from_params(params: &mut Params) -> Option<Self> {
        let descending = params.opt_choice("sortOrder", &[("asc", false), ("desc", true)]).unwrap_or(false);
        let limit = limit(params);
        let paging = paging(params, limit, &list(descending))?;
        Some(Self { descending, limit, paging })
    }
}

impl CommentParams {
    /// The cursor to the place just after this comment.
    pub fn after(&self, comment: &Comment) -> String {
        let key = SortKey::Time(comment.created_at.timestamp_millis());
        Cursor { key, id: comment.id }.encode(&list(self.descending))
    }
}

/// Names the list for its cursors. A cursor is a time and an id, and stands for the same place under any post.
fn list(descending: bool) -> serde_json::Value {
    json!(["comments", SORTED_BY, descending])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;
    use chrono::DateTime;
    use service::problem::Problem;
    use uuid::Uuid;

    fn parse(query: &str) -> Result<CommentParams, Problem> {
        let mut params = Params::of(query);
        let built = CommentParams::from_params(&mut params);
        params.finish_with(built)
    }

    fn refused(query: &str) -> Vec<String> {
        let mut names: Vec<_> =
            parse(query).unwrap_err().field_errors().iter().map(|error| error.field.clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_asked_is_the_first_page_oldest_first() {
        let paging = Paging::Page(Page { number: 1, limit: 10 });
        assert_eq!(parse("").unwrap(), CommentParams { descending: false, limit: 10, paging });
    }

    #[test]
    fn every_bad_parameter_is_named() {
        assert_eq!(refused("page=0&limit=101&sortOrder=up&sortBy=likes"), ["limit", "page", "sortBy", "sortOrder"]);
        assert_eq!(refused("cursor=&page=1"), ["cursor"]);
    }

    #[test]
    fn a_cursor_goes_on_in_its_own_order_alone() {
        let comment = Comment {
            id: Uuid::from_u128(1),
            post_id: Uuid::from_u128(2),
            author_id: Uuid::from_u128(3),
            content: "c".into(),
            html: "c".into(),
            created_at: DateTime::from_timestamp_millis(7).unwrap(),
            updated_at: DateTime::UNIX_EPOCH,
            deleted_at: None,
            version: 1,
            partition: 0,
            offset: 0,
        };
        let cursor = parse("cursor=").unwrap().after(&comment);
        let place = Cursor { key: SortKey::Time(7), id: comment.id };
        assert_eq!(parse(&format!("cursor={cursor}")).unwrap().paging, Paging::Cursor(Some(place)));
        assert_eq!(refused(&format!("cursor={cursor}&sortOrder=desc")), ["cursor"]);
    }
}
