use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, Version};
use axum::routing::post;
use axum::{Json, Router};
use event_log::record::{Epoch, Nonce};
use event_schema::hash::CommandHash;
use event_schema::id::PostId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::domain::post::PostCommand;
use crate::domain::{Actor, Command};
use crate::forward::{HOPS, PATH, PeerReply};
use crate::partition::queue::QueueLimits;
use crate::partition::request::Reply;
use crate::partition::seat::{Mailbox, Phase};
use crate::partition::submission::Receipt;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An instance without partitions, and the table of owners that it knows.
struct Scene {
    routing: Routing,
    hints: watch::Sender<HashMap<u32, OwnerHint>>,
    seats: watch::Sender<Seats>,
}

const OWN: &str = "http://127.0.0.1:1";

impl Scene {
    fn new() -> Self {
        Self::of_partitions(1)
    }

    fn of_partitions(partitions: u32) -> Self {
        let (hints, seats) = (watch::Sender::default(), watch::Sender::new(Seats::new()));
        let peers = Peers::new(None).unwrap();
        let routing = Routing::new(partitions, seats.subscribe(), hints.subscribe(), OWN.to_owned(), peers);
        Self { routing, hints, seats }
    }

    /// A seat of its own, whose task is whoever has the mailbox.
    fn sit(&self) -> Arc<tokio::sync::Mutex<Mailbox>> {
        self.sit_in(0)
    }

    fn sit_in(&self, partition: u32) -> Arc<tokio::sync::Mutex<Mailbox>> {
        let (seat, mailbox) = Seat::new(1, QueueLimits { commands: 10, bytes: 100 });
        self.seats.send_modify(|seats| {
            seats.insert(partition, Arc::new(seat));
        });
        mailbox
    }

    fn partition_of(&self, id: Uuid) -> u32 {
        partition_for(id.to_string().as_bytes(), self.routing.partitions)
    }

    fn tell(&self, address: &str, epoch: u64) {
        let epoch = Epoch { offset: epoch, nonce: Nonce(Uuid::nil()) };
        let hint = OwnerHint { address: address.to_owned(), owner: "owner".to_owned(), epoch };
        self.hints.send_modify(|hints| {
            hints.insert(0, hint);
        });
    }
}

/// An instance that makes every command that reaches it.
#[derive(Clone, Default)]
struct Peer {
    asked: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<(Version, HeaderMap)>>>,
}

impl Peer {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(PATH, post(Self::take)).with_state(self.clone());
        tokio::spawn(service::admin::serve(listener, router, CancellationToken::new()));
        url(address)
    }

    async fn take(
        State(peer): State<Peer>,
        version: Version,
        headers: HeaderMap,
        Json(submission): Json<Submission>,
    ) -> Json<PeerReply> {
        peer.asked.fetch_add(1, Ordering::Relaxed);
        *peer.last.lock().unwrap() = Some((version, headers));
        Json(PeerReply::Answered(done(&submission)))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Takes connections and never says a word, as a process that is paused.
struct Paused {
    address: String,
    connections: watch::Receiver<usize>,
}

impl Paused {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = url(listener.local_addr().unwrap());
        let (count, connections) = watch::channel(0);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                open.push(connection);
                count.send_modify(|count| *count += 1);
            }
        });
        Self { address, connections }
    }

    async fn is_asked(&self) {
        self.connections.clone().wait_for(|count| *count > 0).await.unwrap();
    }
}

/// Where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url(listener.local_addr().unwrap())
}

/// What the task of a seat does with the first command that comes.
async fn make_one(mailbox: &tokio::sync::Mutex<Mailbox>) {
    let request = mailbox.lock().await.requests.recv().await.unwrap();
    request.waiter.reply.send(Reply::Answered(done(&request.submission))).unwrap();
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn submission() -> Submission {
    Submission {
        command_id: Uuid::from_u128(1),
        command_hash: CommandHash::of("x"),
        command: Command::Post { id: PostId::new(Uuid::from_u128(7)), command: PostCommand::Delete },
        expected_version: None,
        actor: Actor::System,
        correlation_id: Uuid::nil(),
        traceparent: Some(TRACEPARENT.to_owned()),
    }
}

fn done(submission: &Submission) -> Answer {
    let aggregate_id = submission.command.root_id();
    Answer::Done(Receipt { aggregate_id, version: 2, partition: 0, offset: 9, changed: true })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

async fn serve(mailbox: &tokio::sync::Mutex<Mailbox>) {
    mailbox.lock().await.standing.send_modify(|standing| standing.phase = Phase::Serving);
}

#[tokio::test]
async fn commands_are_passed_on_by_http_2_with_their_hops_and_their_trace() {
    let (scene, peer) = (Scene::new(), Peer::default());
    scene.tell(&peer.start().await, 1);
    assert_eq!(scene.routing.execute(submission()).await, Ok(done(&submission())));
    let (version, headers) = peer.last.lock().unwrap().take().unwrap();
    assert_eq!(version, Version::HTTP_2);
    assert_eq!(headers[HOPS], "1");
    assert_eq!(headers["traceparent"], TRACEPARENT);
}

#[tokio::test]
async fn a_command_that_came_by_one_hop_may_go_by_another_and_no_further() {
    let (scene, peer) = (Scene::new(), Peer::default());
    scene.tell(&peer.start().await, 1);
    assert_eq!(scene.routing.execute_for_peer(submission(), 1, soon()).await, Ok(done(&submission())));
    assert_eq!(peer.last.lock().unwrap().as_ref().unwrap().1[HOPS], "2");
    assert_eq!(scene.routing.execute_for_peer(submission(), MAX_HOPS, soon()).await, Err(Failure::NoOwner));
    assert_eq!(peer.asked(), 1);
}

#[tokio::test]
async fn a_command_is_never_passed_on_to_oneself() {
    let scene = Scene::new();
    // Somebody does answer there.
    let peer = Peer::default();
    let own = peer.start().await;
    let routing = Routing { own_address: own.clone(), ..scene.routing };
    scene.hints.send_modify(|hints| {
        let epoch = Epoch { offset: 1, nonce: Nonce(Uuid::nil()) };
        hints.insert(0, OwnerHint { address: own, owner: "me".to_owned(), epoch });
    });
    assert_eq!(routing.execute_for_peer(submission(), 0, soon()).await, Err(Failure::NoOwner));
    assert_eq!(peer.asked(), 0);
}

#[tokio::test]
async fn a_command_waits_for_an_owner_and_goes_there_once_it_is_known() {
    let (scene, peer) = (Scene::new(), Peer::default());
    let address = peer.start().await;
    let (answer, ()) = tokio::join!(scene.routing.execute(submission()), async {
        tokio::task::yield_now().await;
        scene.tell(&address, 1);
    });
    assert_eq!(answer, Ok(done(&submission())));
}

#[tokio::test]
async fn a_command_at_an_owner_that_is_paused_goes_to_the_next_one_as_soon_as_that_is_known() {
    let (scene, paused, next) = (Scene::new(), Paused::start().await, Peer::default());
    let address = next.start().await;
    scene.tell(&paused.address, 1);
    let (answer, ()) = tokio::join!(scene.routing.execute(submission()), async {
        paused.is_asked().await;
        scene.tell(&address, 2);
    });
    assert_eq!(answer, Ok(done(&submission())));
    assert_eq!(next.asked(), 1);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_leaves_a_command_in_doubt_long_before_its_deadline() {
    let (scene, paused) = (Scene::new(), Paused::start().await);
    let far = Instant::now() + Duration::from_secs(3600);
    let attempt = scene.routing.peers.forward(&paused.address, &submission(), 1, far).await;
    assert!(matches!(attempt, Attempt::InDoubt));
}

#[tokio::test]
async fn a_peer_that_is_not_there_certainly_did_nothing() {
    let attempt = Scene::new().routing.peers.forward(&nobody().await, &submission(), 1, soon()).await;
    assert!(matches!(attempt, Attempt::NotMade));
}

#[tokio::test]
async fn while_a_seat_folds_commands_go_to_the_owner_before_it() {
    let (scene, peer) = (Scene::new(), Peer::default());
    scene.tell(&peer.start().await, 1);
    let mailbox = scene.sit();
    assert_eq!(scene.routing.execute(submission()).await, Ok(done(&submission())));
    assert_eq!(peer.asked(), 1);
    assert!(mailbox.lock().await.requests.try_recv().is_err());
}

#[tokio::test]
async fn where_the_owner_before_it_is_gone_commands_wait_in_the_seat_that_folds() {
    let scene = Scene::new();
    scene.tell(&nobody().await, 1);
    let mailbox = scene.sit();
    let (answer, ()) = tokio::join!(scene.routing.execute(submission()), make_one(&mailbox));
    assert_eq!(answer, Ok(done(&submission())));
}

#[tokio::test]
async fn where_the_owner_before_it_is_paused_commands_are_made_as_soon_as_the_seat_serves() {
    let (scene, paused) = (Scene::new(), Paused::start().await);
    scene.tell(&paused.address, 1);
    let mailbox = scene.sit();
    let (answer, ()) = tokio::join!(scene.routing.execute(submission()), async {
        paused.is_asked().await;
        serve(&mailbox).await;
        make_one(&mailbox).await;
    });
    assert_eq!(answer, Ok(done(&submission())));
}

#[tokio::test]
async fn where_the_owner_before_it_does_not_answer_commands_wait_in_the_seat_that_folds() {
    let (scene, paused) = (Scene::new(), Paused::start().await);
    scene.tell(&paused.address, 1);
    let mailbox = scene.sit();
    let (answer, ()) = tokio::join!(scene.routing.execute(submission()), make_one(&mailbox));
    assert_eq!(answer, Ok(done(&submission())));
}

#[tokio::test]
async fn a_seat_that_serves_is_asked_whatever_is_known_of_other_owners() {
    let (scene, peer) = (Scene::new(), Peer::default());
    scene.tell(&peer.start().await, 1);
    let mailbox = scene.sit();
    serve(&mailbox).await;
    let answer = scene.routing.execute_for_peer(submission(), 0, soon()).await;
    assert_eq!((answer, peer.asked()), (Err(Failure::NoOwner), 0), "nobody takes it out of its mailbox");
}

#[tokio::test]
async fn what_is_made_in_one_turn_falls_to_one_partition_and_turn_by_turn_to_all_that_are_served_here() {
    let scene = Scene::of_partitions(12);
    let served = [3, 5, 8].map(|partition| scene.sit_in(partition));
    for mailbox in &served {
        serve(mailbox).await;
    }
    let mut used = Vec::new();
    for turn in 0..6 {
        let partitions: HashSet<u32> =
            (0..20).map(|_| scene.partition_of(scene.routing.fresh_id_in_turn(turn))).collect();
        assert_eq!(partitions.len(), 1, "{partitions:?}");
        used.extend(partitions);
    }
    assert_eq!(used[..3], used[3..]);
    used.truncate(3);
    used.sort_unstable();
    assert_eq!(used, [3, 5, 8]);
    while scene.partition_of(scene.routing.fresh_id()) != 3 {}
}

#[tokio::test]
async fn nothing_new_falls_to_a_partition_that_is_full_or_that_is_not_served_or_not_for_long() {
    let scene = Scene::of_partitions(12);
    let mut mailboxes: Vec<_> = (0..=5).map(|partition| scene.sit_in(partition)).collect();
    // None of the keys that there are falls to it.
    mailboxes.push(scene.sit_in(12));
    for mailbox in &mailboxes {
        serve(mailbox).await;
    }
    for (number, phase) in [(1, Phase::HandingOver), (2, Phase::Folding), (3, Phase::Halted("cut back".to_owned()))] {
        mailboxes[number].lock().await.standing.send_modify(|standing| standing.phase = phase);
    }
    drop(mailboxes.remove(4));
    let full = scene.seats.borrow()[&5].clone();
    while full.takes_what_is_new() {
        assert!(matches!(full.make(submission(), Instant::now()).await, Attempt::NotMade), "nobody takes it");
    }
    let used: HashSet<u32> = (0..7).map(|turn| scene.partition_of(scene.routing.fresh_id_in_turn(turn))).collect();
    assert_eq!(used, HashSet::from([0]));
}

#[tokio::test]
async fn where_no_partition_is_served_new_ids_fall_to_any() {
    let scene = Scene::of_partitions(12);
    let used: HashSet<u32> = (0..1_000).map(|_| scene.partition_of(scene.routing.fresh_id())).collect();
    assert_eq!(used.len(), 12);
}
