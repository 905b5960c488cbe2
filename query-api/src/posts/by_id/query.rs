use std::sync::Arc;

use mongodb::bson::doc;
use read_model::{Post, Slug, stored};
use service::problem::{Problem, ProblemType};
use uuid::Uuid;

use super::page::Page;
use crate::path;
use crate::people::query::name;
use crate::store::{Session, StoreError};
use crate::viewer::{Sight, Viewer};

/// The post that this id or slug names, as far as the viewer may see it: else 404, or 410 if they may know that it was
/// deleted.
pub async fn visible_post(session: &mut Session, id_or_slug: &str, viewer: Viewer) -> Result<Post, Problem> {
    let found = match id_of(session, id_or_slug).await? {
        Some(id) => post(session, id).await?,
        None => None,
    };
    visible(found, |post| viewer.sees(post))
}

pub fn not_found() -> Problem {
    Problem::not_found("There is no such post, or none that you may see.")
}

/// What was found, if it may be seen.
pub fn visible<T>(found: Option<T>, sight: impl FnOnce(&T) -> Sight) -> Result<T, Problem> {
    let found = found.ok_or_else(not_found)?;
    match sight(&found) {
        Sight::Visible => Ok(found),
        Sight::Gone => {
            Err(Problem::new(ProblemType::Gone).detail("The post was deleted; restore it to read it again."))
        }
        Sight::Hidden => Err(not_found()),
    }
}

/// The post with this id and its author, as it is answered.
pub async fn page(session: &mut Session, id: Uuid) -> Result<Option<Page>, Problem> {
    let Some(post) = post(session, id).await? else { return Ok(None) };
    let author = name(session, post.author_id).await?;
    Page::new(post, Arc::new(author)).map(Some)
}

/// The id of the post that this id or slug names. Slug and post are written in one transaction, and the session sees the post at least as
/// new as the slug.
pub async fn id_of(session: &mut Session, id_or_slug: &str) -> Result<Option<Uuid>, StoreError> {
    if let Some(id) = path::id(id_or_slug) {
        return Ok(Some(id));
    }
    let slug = session.find_one::<Slug>(&session.names().slugs(), doc! { "_id": id_or_slug }).await?;
    Ok(slug.map(|slug| slug.post_id))
}

pub async fn post(session: &mut Session, id: Uuid) -> Result<Option<Post>, StoreError> {
    session.find_one(&session.names().posts(), doc! { "_id": stored::id(id) }).await
}
