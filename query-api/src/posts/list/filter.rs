//! What a list asks of the store: pure functions from parameters and viewer to MongoDB's filter and sort.

use mongodb::bson::{Bson, Document, doc};
use read_model::{PostStatus, stored};
use uuid::Uuid;

use super::params::{Filters, Order};
use crate::viewer::Viewer;

/// The posts that were asked for and that the viewer may see; `None` if there cannot be any.
pub fn filter(filters: &Filters, viewer: Viewer) -> Option<Document> {
    let mut filter = visible(filters, viewer)?;
    if let Some(tag) = &filters.tag {
        filter.insert("tags", tag);
    }
    if let Some(post_type) = filters.post_type {
        filter.insert("type", post_type.as_str());
    }
    let mut range = Document::new();
    if let Some(from) = filters.from {
        range.insert("$gte", stored::time(from));
    }
    if let Some(to) = filters.to {
        range.insert("$lte", stored::time(to));
    }
    if !range.is_empty() {
        filter.insert("publishedAt", range);
    }
    Some(filter)
}

/// By the field, and by id where two posts have the same.
pub fn sort(order: Order) -> Document {
    let direction = if order.descending { -1 } else { 1 };
    doc! { order.by.field(): direction, "_id": direction }
}

/// Published posts are for everybody, the others for those who may write them.
fn visible(filters: &Filters, viewer: Viewer) -> Option<Document> {
    let published = filters.statuses.contains(&PostStatus::Published);
    match (viewer, filters.author) {
        (viewer, Some(author)) if viewer.reaches_all_of(author) => Some(of_author(author, statuses(&filters.statuses))),
        (Viewer::Editor, _) => Some(doc! { "status": statuses(&filters.statuses) }),
        (_, Some(author)) => published.then(|| of_author(author, PostStatus::Published.as_str().into())),
        (Viewer::Public, None) => published.then(|| doc! { "status": PostStatus::Published.as_str() }),
        (Viewer::Author(own), None) => Some(with_own(&filters.statuses, own)),
    }
}

/// Of those unpublished, an author sees their own. Where both kinds are wanted the statuses stand apart from the
/// choice between them: so the planner walks one index in the wanted order and decides the choice within it.
fn with_own(wanted: &[PostStatus], own: Uuid) -> Document {
    let published = PostStatus::Published;
    if wanted == [published] {
        doc! { "status": published.as_str() }
    } else if !wanted.contains(&published) {
        of_author(own, statuses(wanted))
    } else {
        doc! {
            "status": statuses(wanted),
            "$or": [{ "status": published.as_str() }, { "authorId": stored::id(own) }],
        }
    }
}

fn of_author(author: Uuid, status: Bson) -> Document {
    doc! { "authorId": stored::id(author), "status": status }
}

/// A single status as an equality: the planner then walks the index in the wanted order without merging.
fn statuses(wanted: &[PostStatus]) -> Bson {
    match wanted {
        [one] => one.as_str().into(),
        several => doc! { "$in": several.iter().map(|status| status.as_str()).collect::<Vec<_>>() }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posts::list::params::SortBy;
    use chrono::DateTime as Time;
    use read_model::PostType;

    const OWN: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);
    const AUTHOR: Viewer = Viewer::Author(OWN);

    fn asking(statuses: &[PostStatus], author: Option<Uuid>) -> Filters {
        Filters { author, tag: None, post_type: None, statuses: statuses.to_vec(), from: None, to: None }
    }

    #[test]
    fn the_public_gets_published_posts_whatever_it_asks_for() {
        let published = doc! { "status": "published" };
        assert_eq!(filter(&asking(&[PostStatus::Published], None), Viewer::Public), Some(published.clone()));
        assert_eq!(filter(&asking(&PostStatus::ALL, None), Viewer::Public), Some(published));
        assert_eq!(filter(&asking(&[PostStatus::Draft], None), Viewer::Public), None);
        assert_eq!(filter(&asking(&[PostStatus::Deleted], Some(OTHER)), Viewer::Public), None);
    }

    #[test]
    fn an_author_gets_only_their_own_of_what_is_not_published() {
        let own = |status: &str| doc! { "authorId": stored::id(OWN), "status": status };
        assert_eq!(filter(&asking(&[PostStatus::Draft], None), AUTHOR), Some(own("draft")));
        assert_eq!(filter(&asking(&[PostStatus::Draft], Some(OWN)), AUTHOR), Some(own("draft")));
        assert_eq!(filter(&asking(&[PostStatus::Draft], Some(OTHER)), AUTHOR), None);
        assert_eq!(
            filter(&asking(&[PostStatus::Draft, PostStatus::Published], Some(OTHER)), AUTHOR),
            Some(doc! { "authorId": stored::id(OTHER), "status": "published" })
        );
        assert_eq!(
            filter(&asking(&[PostStatus::Draft, PostStatus::Published], None), AUTHOR),
            Some(doc! {
                "status": { "$in": ["draft", "published"] },
                "$or": [{ "status": "published" }, { "authorId": stored::id(OWN) }],
            })
        );
        assert_eq!(filter(&asking(&[PostStatus::Published], None), AUTHOR), Some(doc! { "status": "published" }));
    }

    #[test]
    fn an_editor_gets_what_is_asked_for() {
        assert_eq!(
            filter(&asking(&[PostStatus::Draft, PostStatus::Deleted], None), Viewer::Editor),
            Some(doc! { "status": { "$in": ["draft", "deleted"] } })
        );
        assert_eq!(
            filter(&asking(&[PostStatus::Draft], Some(OTHER)), Viewer::Editor),
            Some(doc! { "authorId": stored::id(OTHER), "status": "draft" })
        );
    }

    #[test]
    fn tag_type_and_range_narrow_the_list() {
        let day = Time::from_timestamp_millis(-1000).unwrap();
        let filters = Filters {
            tag: Some("war".into()),
            post_type: Some(PostType::Link),
            from: Some(day),
            to: Some(day),
            ..asking(&[PostStatus::Published], None)
        };
        assert_eq!(
            filter(&filters, Viewer::Public),
            Some(doc! {
                "status": "published", "tags": "war", "type": "link",
                "publishedAt": { "$gte": stored::time(day), "$lte": stored::time(day) },
            })
        );
    }

    #[test]
    fn ties_are_broken_by_id_in_the_same_direction() {
        let order = |descending| Order { by: SortBy::Title, descending };
        assert_eq!(sort(order(true)), doc! { "title": -1, "_id": -1 });
        assert_eq!(sort(order(false)), doc! { "title": 1, "_id": 1 });
    }
}
