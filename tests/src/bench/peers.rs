//! Other people's systems, each with the database that it is made for. `tests/peers/` holds what they serve.

use anyhow::Result;
use xtask::stack::Stack;

use super::postgres::Postgres;
use super::write::Side;
use crate::program::Program;

/// A peer that is served, and what it stands on.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    pub side: Side,
    _database: Postgres,
}

/// All of them, started and ready.
pub async fn start(stack: &'static Stack) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (name, key, fsync) in
        [("cqrs-es on PostgreSQL", "cqrs-es", true), ("cqrs-es on PostgreSQL without fsync", "cqrs-es-no-fsync", false)]
    {
        let database = Postgres::start(stack, &format!("bench-postgres-{key}"), fsync)?;
        database.listens().await;
        let env = [("DATABASE_URL".to_owned(), database.url.clone())];
        let program = Program::start(stack, &format!("bench-{key}"), "peer-cqrs-es", &[], &env);
        let side = Side::new(program, None)?;
        side.listens().await;
        peers.push(Peer { name, side, _database: database });
    }
    Ok(peers)
}
