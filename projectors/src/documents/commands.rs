//! The commands that write batches, of many statements each, and what the server's answers to them say.

use mongodb::bson::{Document, RawArrayBuf, RawDocumentBuf, rawdoc};
use read_model::Projection as Names;

use crate::documents::batch::Batch;
use crate::documents::change::PostWrite;
use crate::documents::response::CommentWrite;
use crate::documents::statements;
use crate::documents::write::Failure;
use crate::projection::StoreFailure;
use crate::together::Write;

/// Bytes of statements in one command; a command may take 16 MiB.
const COMMAND_BYTES: usize = 8 << 20;
const DUPLICATE_KEY: i32 = 11000;

/// Whether what a batch creates is taken to be new to the store.
///
/// Since the checkpoint moves in the same transaction, it is, unless a checkpoint was taken away to read the log again. A
/// plain insert takes a fraction of what a guarded update does, and the first one that meets a document which is there
/// ends the transaction, after which the batch is written the other way.
#[derive(Clone, Copy, PartialEq)]
pub enum Novelty {
    Expected,
    Unknown,
}

/// A write command of many statements.
pub struct Command {
    pub text: RawDocumentBuf,
    pub statements: i64,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Insert,
    /// With what needs a look if a statement changed nothing.
    Update(Check),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Check {
    /// Its statements need nothing to be there before.
    Nothing,
    Posts,
    Comments,
    Counts,
}

/// What the batches write, in an order in which it can be written.
pub fn commands(names: Names, writes: &[Write<Batch>], novelty: Novelty) -> Result<Vec<Command>, StoreFailure> {
    let mut commands = Vec::new();
    let (posts, people, history) = (names.posts(), names.people(), names.post_events());
    let (comments, likes, slugs) = (names.comments(), names.likes(), names.slugs());
    match novelty {
        Novelty::Expected => {
            let whole = of(writes, |batch| &batch.posts).filter_map(PostWrite::whole).map(statements::document);
            pack(&mut commands, &posts, Kind::Insert, whole)?;
            let parts = of(writes, |batch| &batch.posts).filter(|write| write.whole().is_none());
            pack(&mut commands, &posts, Kind::Update(Check::Posts), parts.map(statements::post))?;
            let whole = of(writes, |batch| &batch.comments).filter_map(CommentWrite::whole);
            pack(&mut commands, &comments, Kind::Insert, whole.map(statements::document))?;
            let parts = of(writes, |batch| &batch.comments).filter(|write| write.whole().is_none());
            pack(&mut commands, &comments, Kind::Update(Check::Comments), parts.map(statements::comment))?;
            let (first, later): (Vec<_>, Vec<_>) = of(writes, |batch| &batch.likes).partition(|like| like.version == 1);
            pack(&mut commands, &likes, Kind::Insert, first.into_iter().map(statements::document))?;
            pack(&mut commands, &likes, Kind::Update(Check::Nothing), later.into_iter().map(statements::like))?;
            let all = of(writes, |batch| &batch.people).map(statements::document);
            pack(&mut commands, &people, Kind::Insert, all)?;
            let all = of(writes, |batch| &batch.history).map(statements::document);
            pack(&mut commands, &history, Kind::Insert, all)?;
            let by_novelty = writes.iter().map(|write| write.changes.batch.slugs_by_novelty());
            let (new, others): (Vec<_>, Vec<_>) = by_novelty.unzip();
            let (new, others) = (new.into_iter().flatten(), others.into_iter().flatten());
            pack(&mut commands, &slugs, Kind::Insert, new.map(statements::document))?;
            pack(&mut commands, &slugs, Kind::Update(Check::Nothing), others.map(statements::slug))?;
        }
        Novelty::Unknown => {
            let all = of(writes, |batch| &batch.posts).map(statements::post);
            pack(&mut commands, &posts, Kind::Update(Check::Posts), all)?;
            let all = of(writes, |batch| &batch.comments).map(statements::comment);
            pack(&mut commands, &comments, Kind::Update(Check::Comments), all)?;
            let all = of(writes, |batch| &batch.likes).map(statements::like);
            pack(&mut commands, &likes, Kind::Update(Check::Nothing), all)?;
            let all = of(writes, |batch| &batch.people).map(statements::person);
            pack(&mut commands, &people, Kind::Update(Check::Nothing), all)?;
            let all = of(writes, |batch| &batch.history).map(statements::event);
            pack(&mut commands, &history, Kind::Update(Check::Nothing), all)?;
            let all = of(writes, |batch| &batch.slugs).map(statements::slug);
            pack(&mut commands, &slugs, Kind::Update(Check::Nothing), all)?;
        }
    }
    // Numbers are of posts that are there.
    let counts = of(writes, |batch| &batch.counts).map(statements::count);
    pack(&mut commands, &posts, Kind::Update(Check::Counts), counts)?;
    Ok(commands)
}

/// What all batches have in one of their lists.
fn of<'a, T: 'a>(writes: &'a [Write<Batch>], list: fn(&Batch) -> &Vec<T>) -> impl Iterator<Item = &'a T> {
    writes.iter().flat_map(move |write| list(&write.changes.batch))
}

pub fn pack<E: std::fmt::Display>(
    commands: &mut Vec<Command>,
    collection: &str,
    kind: Kind,
    statements: impl Iterator<Item = Result<RawDocumentBuf, E>>,
) -> Result<(), StoreFailure> {
    let mut packed = RawArrayBuf::new();
    let mut held = 0;
    let mut flush = |packed: &mut RawArrayBuf, held: &mut i64| {
        if *held > 0 {
            let packed = std::mem::take(packed);
            let text = match kind {
                Kind::Insert => rawdoc! { "insert": collection, "documents": packed, "ordered": true },
                Kind::Update(_) => {
                    rawdoc! { "update": collection, "updates": packed, "ordered": true }
                }
            };
            commands.push(Command { text, statements: std::mem::take(held), kind });
        }
    };
    for statement in statements {
        let statement =
            statement.map_err(|error| StoreFailure::Halt(format!("a document cannot be stored: {error}")))?;
        let bytes = packed.as_bytes().len() + statement.as_bytes().len();
        if bytes > COMMAND_BYTES {
            flush(&mut packed, &mut held);
        }
        packed.push(statement);
        held += 1;
    }
    flush(&mut packed, &mut held);
    Ok(())
}

/// How many documents a command inserted or changed. Its errors stand in an answer that is otherwise well.
pub fn changed(answer: &Document) -> Result<i64, Failure> {
    if let Ok(errors) = answer.get_array("writeErrors")
        && let Some(first) = errors.first()
    {
        if first.as_document().is_some_and(|first| count(first, "code") == i64::from(DUPLICATE_KEY)) {
            return Err(Failure::NotNew);
        }
        return Err(StoreFailure::Unavailable(format!("MongoDB refused a write: {first}")).into());
    }
    let modified = count(answer, "nModified");
    let inserted = answer.get_array("upserted").map_or(0, |upserted| upserted.len() as i64);
    Ok(modified + inserted)
}

pub fn count(answer: &Document, field: &str) -> i64 {
    answer.get_i32(field).map(i64::from).or_else(|_| answer.get_i64(field)).unwrap_or(0)
}
