//! What an instance starts from: its local state, a snapshot, or nothing. Whichever it is, it answers as the one before.

use std::path::Path;

use command_api::partition::stored;
use event_log::position::Position;
use event_log::state::{
    Checkpoint, LocalConfig, LocalStates, Provenance, Snapshots, StateBatch, StateSchema, StateStore, connect_objects,
};
use groot_tests::s3::S3;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::token::Role;

use super::process::{Instance, pause, run_to_end};
use super::world::{Answer, POSTS, Token, World, answer, draft, soon};

/// Commands that were answered: each under its key.
struct Made {
    method: &'static str,
    path: String,
    key: String,
    body: Option<Value>,
    answer: Answer,
}

/// Posts that were created, edited, published and scheduled, each command under a key.
async fn write(world: &World, base: &str, author: &Token) -> Vec<Made> {
    let mut made = Vec::new();
    for n in 0..12 {
        let key = format!("create {n}");
        let created = world.send(base, "POST", POSTS, author, &[("idempotency-key", &key)], Some(&draft())).await;
        let path = format!("{POSTS}/{}", created.is(201).id());
        made.push(Made { method: "POST", path: POSTS.to_owned(), key, body: Some(draft()), answer: created });
        let edit = ("PATCH", path.clone(), Some(json!({ "title": format!("Title {n}") })));
        let then = match n % 3 {
            0 => ("POST", format!("{path}/publish"), None),
            1 => ("POST", format!("{path}/schedule"), Some(json!({ "at": "2100-01-01T00:00:00Z" }))),
            _ => ("DELETE", path, None),
        };
        for (step, (method, path, body)) in [edit, then].into_iter().enumerate() {
            let key = format!("step {step} of {n}");
            let headers = [("idempotency-key", key.as_str())];
            let answer = world.send(base, method, &path, author, &headers, body.as_ref()).await;
            answer.is(200);
            made.push(Made { method, path, key, body, answer });
        }
    }
    made
}

/// Every command gets its first answer again, and appends nothing.
async fn assert_remembered(world: &World, base: &str, author: &Token, made: &[Made]) {
    let ends = world.ends().await;
    for Made { method, path, key, body, answer } in made {
        let again = world.send(base, method, path, author, &[("idempotency-key", key)], body.as_ref()).await;
        assert_eq!((again.status, &again.body), (answer.status, &answer.body), "{method} {path}");
        let other = json!({ "title": "Else", "content": "Else" });
        if *method == "PATCH" {
            let reused = world.send(base, method, path, author, &[("idempotency-key", key)], Some(&other)).await;
            reused.is_problem(422, "idempotency-key-reused");
        }
    }
    assert_eq!(world.ends().await, ends, "a repeated command appends nothing");
}

async fn until_a_snapshot_is_stored(objects: &Path) {
    let stored = || walk(objects).iter().any(|name| name.ends_with(".zst"));
    soon("a snapshot", async {
        while !stored() {
            pause().await;
        }
    })
    .await;
}

fn walk(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}

async fn start_of(instance: &Instance, world: &World) -> (String, u64, u64) {
    let start = instance.here(world, 0).await["start"].clone();
    let number = |name: &str| start[name].as_u64().unwrap_or_else(|| panic!("{name} of {start}"));
    (start["from"].as_str().unwrap().to_owned(), number("offset"), number("folded"))
}

fn local(directory: &Path, world: &World, schema: StateSchema) -> LocalStates {
    let provenance = Provenance { log_id: world.identity.log_id, schema };
    let directory = directory.to_owned();
    let config = LocalConfig { directory, partitions: 1, provenance, block_cache: 1 << 20, write_buffers: 1 << 20 };
    LocalStates::open(&config).unwrap()
}

/// State that knows of one aggregate and was derived up to that position.
fn batch(position: Position) -> StateBatch {
    StateBatch {
        checkpoint: Checkpoint { position, log_time: 0, aggregates: 1 },
        aggregates: vec![(Uuid::from_u128(1), b"no aggregate of ours".to_vec())],
        commands: Vec::new(),
        forgotten_before: 0,
        due: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_ends_the_instance_and_what_was_acknowledged_is_there_when_it_can() {
    let world = World::new(2).await;
    let author = world.token(Role::Author);
    let machine = world.new_machine();
    let env = [("GROOT_STATE_DIR", machine.to_str().unwrap())];
    let instance = Instance::start_with(&world, &env).await;
    let mut made = write(&world, &instance.base, &author).await;
    instance.limit_files(1).await;
    for number in 0..1_000 {
        let key = format!("late {number}");
        let request = world.request(&instance.base, "POST", POSTS, &author).header("idempotency-key", &key);
        // In the end nobody listens, or the connection breaks.
        let Ok(response) = request.json(&draft()).send().await else { break };
        let answer = answer(response).await;
        match answer.status {
            201 => made.push(Made { method: "POST", path: POSTS.to_owned(), key, body: Some(draft()), answer }),
            _ => drop(answer.is(503)),
        }
        pause().await;
    }
    let (status, said) = instance.ended().await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("mend the disk"), "{said}");

    let instance = Instance::start_with(&world, &env).await;
    assert_remembered(&world, &instance.base, &author, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_goes_on_from_local_state_and_a_new_machine_from_a_snapshot_and_both_remember() {
    let world = World::new(1).await;
    let author = world.token(Role::Author);
    let machine = world.new_machine();
    let directory = machine.display().to_string();
    let env = [("GROOT_STATE_DIR", directory.as_str()), ("GROOT_SNAPSHOT_RECORDS", "10")];
    let instance = Instance::start_with(&world, &env).await;
    assert_eq!(start_of(&instance, &world).await, ("nothing".to_owned(), 0, 0));
    let made = write(&world, &instance.base, &author).await;
    until_a_snapshot_is_stored(&world.objects()).await;
    instance.kill().await;
    let end = world.ends().await[0];

    let instance = Instance::start_with(&world, &env).await;
    let (from, offset, folded) = start_of(&instance, &world).await;
    assert_eq!(from, "local state");
    assert!(offset >= 10 && offset + folded == end, "{folded} records from {offset} of {end}");
    assert_remembered(&world, &instance.base, &author, &made).await;
    assert!(instance.stop().await.success());

    // A hand-over leaves nothing to fold but what came since: its own claim.
    let end = world.ends().await[0];
    let instance = Instance::start_with(&world, &env).await;
    assert_eq!(start_of(&instance, &world).await, ("local state".to_owned(), end, 0));
    instance.kill().await;

    std::fs::remove_dir_all(&machine).unwrap();
    let instance = Instance::start_with(&world, &env).await;
    let (from, offset, _) = start_of(&instance, &world).await;
    assert_eq!(from, "snapshot");
    assert!(offset >= 10, "{offset}");
    assert_remembered(&world, &instance.base, &author, &made).await;
    let after = instance.here(&world, 0).await["aggregates"].clone();
    assert!(instance.stop().await.success());

    // An independent start from nothing knows as many.
    std::fs::remove_dir_all(world.objects()).unwrap();
    let instance = Instance::start(&world).await;
    assert_eq!(start_of(&instance, &world).await.0, "nothing");
    assert_eq!(instance.here(&world, 0).await["aggregates"], after);
    assert_remembered(&world, &instance.base, &author, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_in_s3_are_what_a_new_machine_starts_from_and_without_s3_the_log_is_folded() {
    let world = World::new(1).await;
    let author = world.token(Role::Author);
    let buckets = tempfile::tempdir().unwrap();
    let s3 = S3::serve(buckets.path()).await;
    let env = s3.env();
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([("GROOT_SNAPSHOT_RECORDS", "10")])
        .collect();
    let instance = Instance::start_with(&world, &env).await;
    let made = write(&world, &instance.base, &author).await;
    until_a_snapshot_is_stored(&buckets.path().join("groot/tests")).await;
    instance.kill().await;

    let instance = Instance::start_with(&world, &env).await;
    let (from, offset, _) = start_of(&instance, &world).await;
    assert_eq!(from, "snapshot");
    assert!(offset >= 10, "{offset}");
    assert_remembered(&world, &instance.base, &author, &made).await;
    instance.kill().await;

    drop(s3);
    let instance = Instance::start_with(&world, &env).await;
    assert_eq!(start_of(&instance, &world).await.0, "nothing");
    assert_eq!(instance.has_said("snapshots cannot be read, the log is folded instead"), 1);
    assert_remembered(&world, &instance.base, &author, &made).await;
    assert!(instance.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_snapshots_of_another_schema_are_discarded_which_is_said_and_the_log_is_folded() {
    let world = World::new(1).await;
    let author = world.token(Role::Author);
    let instance = Instance::start(&world).await;
    let made = write(&world, &instance.base, &author).await;
    assert!(instance.stop().await.success());

    let machine = world.new_machine();
    {
        let states = local(&machine, &world, StateSchema([7; 32]));
        let (mut state, _) = states.partition(0).await.unwrap();
        state.write(batch(Position { next_offset: 20, ..Position::START })).unwrap();
        let snapshots = Snapshots::new(connect_objects(world.objects().to_str().unwrap()).unwrap());
        snapshots.store(&state, 1).await.unwrap().expect("a snapshot");
    }
    let instance = Instance::start_with(&world, &[("GROOT_STATE_DIR", machine.to_str().unwrap())]).await;
    let (from, offset, folded) = start_of(&instance, &world).await;
    assert_eq!((from.as_str(), offset), ("nothing", 0));
    assert!(folded >= 36, "{folded}");
    assert_eq!(instance.has_said("the local state is discarded"), 1);
    assert_eq!(instance.has_said("a snapshot is not used"), 1);
    let metrics = world.http.get(format!("{}/metrics", instance.admin)).send().await.unwrap().text().await.unwrap();
    for from in ["local", "snapshot"] {
        let line = format!("groot_state_discarded_total{{from=\"{from}\",reason=\"schema\"}} 1");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
    assert_remembered(&world, &instance.base, &author, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_the_log_does_not_bear_out_halts_the_partition_until_a_rebuild_is_asked_for() {
    let world = World::new(1).await;
    let author = world.token(Role::Author);
    let instance = Instance::start(&world).await;
    let made = write(&world, &instance.base, &author).await;
    assert!(instance.stop().await.success());

    let end = world.ends().await[0];
    let another = Position { next_offset: 20, last_record: Some(Uuid::from_u128(1)), ..Position::START };
    let beyond = Position { next_offset: end + 10, ..another };
    for position in [another, beyond] {
        let machine = world.new_machine();
        let directory = machine.to_str().unwrap();
        {
            let states = local(&machine, &world, stored::schema());
            let (mut state, _) = states.partition(0).await.unwrap();
            state.write(batch(position)).unwrap();
        }
        let instance = Instance::begin_with(&world, &[("GROOT_STATE_DIR", directory)]).await;
        soon("the halt", async {
            while instance.here(&world, 0).await["phase"] != "halted" {
                pause().await;
            }
        })
        .await;
        let here = instance.here(&world, 0).await;
        assert!(here["reason"].as_str().unwrap().contains("GROOT_REBUILD_STATE"), "{here}");
        assert_eq!(world.http.get(format!("{}/ready", instance.admin)).send().await.unwrap().status(), 503);
        instance.kill().await;

        let env = [("GROOT_STATE_DIR", directory), ("GROOT_REBUILD_STATE", "true")];
        let instance = Instance::start_with(&world, &env).await;
        let (from, offset, _) = start_of(&instance, &world).await;
        assert_eq!((from.as_str(), offset), ("nothing", 0));
        assert_remembered(&world, &instance.base, &author, &made).await;
        instance.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_with_the_same_state_directory_ends_with_a_clear_error() {
    let world = World::new(1).await;
    let machine = world.new_machine();
    let env = [("GROOT_STATE_DIR", machine.to_str().unwrap())];
    let _first = Instance::start_with(&world, &env).await;
    let (status, said) = run_to_end(&world, &env).await;
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("GROOT_STATE_DIR") && said.contains("in use by another process"), "{said}");
}
