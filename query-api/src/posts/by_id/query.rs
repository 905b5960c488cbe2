use mongodb::bson::doc;
use read_model::{Post, Slug, stored};
use service::problem::{Problem, ProblemType};

use super::page::Page;
use crate::path;
use crate::people::query::names;
use crate::store::{Session, StoreError};
use crate::viewer::{Sight, Viewer};

/// The post that this id or slug names, as far as the viewer may see it: else 404, or 410 if they may know that it was
/// deleted.
pub async fn visible_post(session: &mut Session, id_or_slug: &str, viewer: Viewer) -> Result<Post, Problem> {
    visible(post(session, id_or_slug).await?, |post| viewer.sees(post))
}

/// What was found, if it may be seen.
pub fn visible<T>(found: Option<T>, sight: impl FnOnce(&T) -> Sight) -> Result<T, Problem> {
    let not_found = || Problem::not_found("There is no such post, or none that you may see.");
    let found = found.ok_or_else(not_found)?;
    match sight(&found) {
        Sight::Visible => Ok(found),
        Sight::Gone => {
            Err(Problem::new(ProblemType::Gone).detail("The post was deleted; restore it to read it again."))
        }
        Sight::Hidden => Err(not_found()),
    }
}

/// The post that this id or slug names with its author, as it is answered.
pub async fn page(session: &mut Session, id_or_slug: &str) -> Result<Option<Page>, Problem> {
    let Some(post) = post(session, id_or_slug).await? else { return Ok(None) };
    let names = names(session, [post.author_id]).await?;
    Page::new(post, &names).map(Some)
}

async fn post(session: &mut Session, id_or_slug: &str) -> Result<Option<Post>, StoreError> {
    let names = session.names();
    let id = match path::id(id_or_slug) {
        Some(id) => id,
        // Slug and post are written in one transaction, and the session sees the post at least as new as the slug.
        None => match session.find_one::<Slug>(&names.slugs(), doc! { "_id": id_or_slug }).await? {
            Some(slug) => slug.post_id,
            None => return Ok(None),
        },
    };
    session.find_one(&names.posts(), doc! { "_id": stored::id(id) }).await
}
