use std::collections::{BTreeSet, HashMap};

use mongodb::bson::doc;
use mongodb::options::FindOptions;
use read_model::{Person, stored};
use uuid::Uuid;

use crate::store::{Session, StoreError};

/// Names by id; whoever is known only by a token is not among them.
pub type Names = HashMap<Uuid, String>;

pub async fn person(session: &mut Session, id: Uuid) -> Result<Option<Person>, StoreError> {
    session.find_one(&session.names().people(), doc! { "_id": stored::id(id) }).await
}

/// Their name. None for somebody who is known only by a token.
pub async fn name(session: &mut Session, id: Uuid) -> Result<Option<String>, StoreError> {
    Ok(person(session, id).await?.map(|person| person.name))
}

/// The names of these people, in one query.
pub async fn names(session: &mut Session, ids: impl IntoIterator<Item = Uuid>) -> Result<Names, StoreError> {
    let ids: Vec<_> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().map(stored::id).collect();
    if ids.is_empty() {
        return Ok(Names::new());
    }
    let filter = doc! { "_id": { "$in": ids } };
    let people: Vec<Person> = session.find(&session.names().people(), filter, FindOptions::default()).await?;
    Ok(people.into_iter().map(|person| (person.id, person.name)).collect())
}
