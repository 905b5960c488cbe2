use bytes::Bytes;

use super::*;
use crate::record::{Headers, Stamp};

/// A log that keeps what is appended to it, and delivers nothing by itself.
#[derive(Default)]
struct Recorder {
    appended: Vec<(Lane, AppendId, Vec<RecordDraft>)>,
    left: Vec<Lane>,
}

impl Log for Recorder {
    fn open(&mut self, _: u32, _: u64) {}
    fn close(&mut self, _: u32) {}
    fn append(&mut self, _: u32, lane: Lane, id: AppendId, records: Vec<RecordDraft>) {
        self.appended.push((lane, id, records));
    }
    fn leave(&mut self, _: u32, lane: Lane) {
        self.left.push(lane);
    }
}

/// An owner, its log, and what of it has landed.
struct Scene {
    owner: Owner,
    log: Recorder,
    landed: u64,
}

const CONFIG_DEADLINE: Duration = Duration::from_secs(8);

impl Scene {
    fn new() -> Self {
        let config = OwnerConfig { owner: "me".to_owned(), ..OwnerConfig::default() };
        Self { owner: Owner::new(config, 0, Position::START, 1), log: Recorder::default(), landed: 0 }
    }

    fn assigned() -> Self {
        let mut scene = Self::new();
        scene.assign(1);
        scene
    }

    fn serving() -> Self {
        let mut scene = Self::assigned();
        scene.land_last();
        scene.acknowledge_last();
        assert!(matches!(scene.told()[..], [Told::Serving(_)]));
        scene
    }

    /// Told to hand over, with a commit that is past its deadline.
    fn in_doubt_while_handing_over() -> Self {
        let mut scene = Self::serving();
        scene.owner.hand_over(&mut scene.log);
        scene.propose(1, 1).unwrap();
        scene.tick(CONFIG_DEADLINE);
        scene
    }

    fn assign(&mut self, generation: i32) {
        self.owner.assign(&mut self.log, at(0), generation);
    }

    fn propose(&mut self, commit: u128, events: usize) -> Result<(), NotServing> {
        self.prepare(commit, events)?;
        self.owner.flush(&mut self.log);
        Ok(())
    }

    /// Proposes, and does not append yet.
    fn prepare(&mut self, commit: u128, events: usize) -> Result<(), NotServing> {
        let event = RecordDraft { key: None, value: Some(Bytes::from_static(b"event")), headers: Headers::default() };
        self.owner.propose(at(0), Uuid::from_u128(commit), vec![event; events])
    }

    /// How many records each append on its way has, claims apart.
    fn appends_since(&self, claims: usize) -> Vec<usize> {
        self.log.appended[claims..].iter().map(|(_, _, records)| records.len()).collect()
    }

    fn land(&mut self, records: Vec<RecordDraft>) {
        for draft in records {
            let record = LogRecord {
                partition: 0,
                offset: self.landed,
                timestamp: 0,
                key: draft.key,
                value: draft.value,
                headers: draft.headers,
            };
            self.landed += 1;
            self.owner.record(&mut self.log, at(0), record);
        }
    }

    /// Lets the `back`th append from the last get into the log and be read.
    fn land_append(&mut self, back: usize) {
        let appended = &self.log.appended;
        let (_, _, records) = appended[appended.len() - 1 - back].clone();
        self.land(records);
    }

    fn land_last(&mut self) {
        self.land_append(0);
    }

    fn land_claim_of(&mut self, owner: &str, generation: i32) {
        let nonce = Nonce(Uuid::from_u128(0xC1A1_0000 + u128::from(self.landed)));
        self.land(vec![record::claim(nonce, owner, generation)]);
    }

    fn last_id(&self) -> AppendId {
        self.log.appended.last().unwrap().1
    }

    fn acknowledge_last(&mut self) {
        self.owner.appended(self.last_id());
    }

    fn tick(&mut self, now: Now) {
        self.owner.tick(&mut self.log, now);
    }

    fn told(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.owner.poll()).collect()
    }

    fn claims(&self) -> usize {
        let is_claim =
            |(_, _, records): &&(Lane, AppendId, Vec<RecordDraft>)| matches!(stamp(&records[0]), Stamp::Claim { .. });
        self.log.appended.iter().filter(is_claim).count()
    }
}

fn at(seconds: u64) -> Now {
    Duration::from_secs(seconds)
}

fn stamp(draft: &RecordDraft) -> Stamp {
    LogRecord { partition: 0, offset: 0, timestamp: 0, key: None, value: None, headers: draft.headers.clone() }.stamp()
}

fn void(commits: &[u128]) -> Told {
    Told::Void(commits.iter().copied().map(Uuid::from_u128).collect())
}

fn is_released(told: &Told, commit: u128) -> bool {
    matches!(told, Told::Released(c) if c.id.as_u128() == commit)
}

#[test]
fn an_assignment_is_claimed_in_its_generation() {
    let mut scene = Scene::new();
    scene.assign(5);
    let Stamp::Claim { owner, generation, .. } = stamp(&scene.log.appended[0].2[0]) else { panic!("no claim") };
    assert_eq!((owner.as_str(), generation), ("me", 5));
    assert!(!scene.owner.is_idle());
}

#[test]
fn a_claim_serves_only_when_it_is_both_read_and_acknowledged() {
    let mut read_first = Scene::assigned();
    read_first.land_last();
    assert_eq!(read_first.told(), []);
    assert_eq!(read_first.propose(1, 1), Err(NotServing));
    read_first.acknowledge_last();
    assert!(matches!(read_first.told()[..], [Told::Serving(_)]));

    let mut acknowledged_first = Scene::assigned();
    acknowledged_first.acknowledge_last();
    assert_eq!(acknowledged_first.told(), []);
    acknowledged_first.land_last();
    assert!(matches!(acknowledged_first.told()[..], [Told::Serving(_)]));
}

#[test]
fn the_events_of_an_epoch_are_numbered_and_framed() {
    let mut scene = Scene::serving();
    let epoch = scene.owner.serving().unwrap();
    scene.propose(1, 2).unwrap();
    scene.propose(2, 1).unwrap();
    let stamps: Vec<_> = scene.log.appended[1..].iter().flat_map(|(_, _, records)| records).map(stamp).collect();
    let expected = [(0, 1, 0, 2), (1, 1, 1, 2), (2, 2, 0, 1)].map(|(seq, commit, index, count)| {
        Stamp::Event(EventStamp { epoch, seq, commit: Uuid::from_u128(commit), index, count })
    });
    assert_eq!(stamps, expected);
}

#[test]
fn what_was_proposed_goes_out_together() {
    let mut scene = Scene::serving();
    for commit in 1..=3 {
        scene.prepare(commit, 2).unwrap();
    }
    assert_eq!(scene.appends_since(1), [0; 0]);
    scene.owner.flush(&mut scene.log);
    scene.owner.flush(&mut scene.log);
    assert_eq!(scene.appends_since(1), [6]);
    scene.land_last();
    let told = scene.told();
    assert!((1..=3).zip(&told).all(|(commit, told)| is_released(told, commit)), "{told:?}");
}

#[test]
fn a_claim_makes_void_also_what_was_not_appended_yet() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.prepare(2, 1).unwrap();
    scene.tick(CONFIG_DEADLINE);
    scene.land_last();
    scene.acknowledge_last();
    let told = scene.told();
    assert_eq!(told[..2], [Told::InDoubt, void(&[1, 2])]);
    scene.owner.flush(&mut scene.log);
    assert_eq!(scene.appends_since(1), [1, 1], "the first commit and the claim");
}

#[test]
fn a_commit_without_events_is_refused() {
    assert_eq!(Scene::serving().propose(1, 0), Err(NotServing));
}

#[test]
fn an_acknowledged_append_is_not_released_before_it_is_read() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.acknowledge_last();
    assert_eq!(scene.told(), []);
    scene.land_last();
    let told = scene.told();
    assert!(is_released(&told[0], 1), "{told:?}");
}

#[test]
fn past_the_deadline_the_epoch_ends_and_a_claim_goes_out_in_another_lane() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    assert_eq!(scene.owner.wake_at(), Some(CONFIG_DEADLINE));
    scene.tick(CONFIG_DEADLINE);
    assert_eq!(scene.told(), [Told::InDoubt]);
    assert_eq!(scene.log.left, [0]);
    assert_eq!((scene.claims(), scene.log.appended.last().unwrap().0), (2, 1));
    assert_eq!(scene.propose(2, 1), Err(NotServing));
}

#[test]
fn what_is_in_doubt_is_void_only_once_the_next_claim_is_read() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.propose(2, 1).unwrap();
    scene.tick(CONFIG_DEADLINE);
    scene.acknowledge_last();
    assert_eq!(scene.told(), [Told::InDoubt]);
    // The first got through after all; the second did not.
    scene.land_append(2);
    let told = scene.told();
    assert!(is_released(&told[0], 1) && told.len() == 1, "{told:?}");
    scene.land_last();
    let told = scene.told();
    assert!(told[0] == void(&[2]) && matches!(told[1], Told::Serving(_)), "{told:?}");
    // It comes too late.
    scene.land_append(1);
    assert_eq!(scene.told(), [Told::Skipped(Skip::Epoch)]);
}

#[test]
fn a_produce_error_ends_the_epoch() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    let id = scene.last_id();
    scene.owner.append_failed(&mut scene.log, at(0), id);
    assert_eq!(scene.told(), [Told::InDoubt]);
    assert_eq!(scene.claims(), 2);
}

#[test]
fn a_late_produce_error_of_an_earlier_epoch_changes_nothing() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    let old = scene.last_id();
    scene.tick(CONFIG_DEADLINE);
    scene.land_last();
    scene.acknowledge_last();
    scene.propose(2, 1).unwrap();
    scene.told();
    scene.owner.append_failed(&mut scene.log, at(0), old);
    assert_eq!(scene.told(), []);
    assert!(scene.owner.serving().is_some());
}

#[test]
fn a_failed_claim_is_tried_again_after_a_pause_in_another_lane() {
    let mut scene = Scene::assigned();
    let id = scene.last_id();
    scene.owner.append_failed(&mut scene.log, at(0), id);
    assert_eq!(scene.claims(), 1);
    let wake = scene.owner.wake_at().unwrap();
    assert!(wake > at(0));
    scene.tick(wake);
    assert_eq!((scene.claims(), scene.log.appended[1].0), (2, 1));
}

#[test]
fn the_deadline_doubles_with_each_claim_that_fails_and_is_back_after_one_that_stands() {
    let mut scene = Scene::assigned();
    let mut now = at(0);
    for failed in 0..4 {
        let deadline = scene.owner.wake_at().unwrap();
        assert_eq!(deadline - now, CONFIG_DEADLINE * 2_u32.pow(failed));
        now = deadline;
        scene.tick(now);
    }
    scene.land_last();
    scene.acknowledge_last();
    scene.propose(1, 1).unwrap();
    assert_eq!(scene.owner.wake_at(), Some(CONFIG_DEADLINE));
}

#[test]
fn the_claim_of_an_older_generation_deposes_and_is_answered_by_a_claim() {
    let mut scene = Scene::serving();
    scene.assign(3);
    scene.propose(1, 1).unwrap();
    scene.land_claim_of("other", 2);
    let told = scene.told();
    assert_eq!(told[0], void(&[1]));
    assert!(matches!(&told[1], Told::Deposed(claim) if claim.owner == "other"));
    assert_eq!(scene.propose(2, 1), Err(NotServing));
    let wake = scene.owner.wake_at().unwrap();
    scene.tick(wake);
    assert_eq!(scene.claims(), 2);
}

#[test]
fn the_claim_of_a_newer_generation_is_yielded_to_until_a_generation_as_new_is_confirmed() {
    let mut scene = Scene::serving();
    scene.land_claim_of("other", 4);
    assert_eq!(scene.owner.wake_at(), None);
    scene.assign(3);
    assert_eq!(scene.owner.wake_at(), None, "not new enough");
    scene.assign(4);
    let wake = scene.owner.wake_at().unwrap();
    scene.tick(wake);
    assert_eq!(scene.claims(), 2);
}

#[test]
fn whoever_backs_off_yields_to_the_claim_of_a_newer_generation() {
    let mut scene = Scene::serving();
    scene.land_claim_of("other", 1);
    assert!(scene.owner.wake_at().is_some(), "backing off");
    scene.land_claim_of("other", 9);
    assert_eq!(scene.owner.wake_at(), None);
    assert!(!scene.owner.will_serve(), "whoever waits here is sent on");
    assert!(scene.told().iter().all(|told| matches!(told, Told::Deposed(_))));
}

#[test]
fn a_ghost_of_an_own_claim_deposes_as_well() {
    let mut scene = Scene::assigned();
    scene.tick(CONFIG_DEADLINE);
    scene.land_last();
    scene.acknowledge_last();
    assert!(matches!(scene.told()[..], [Told::Serving(_)]));
    scene.land_append(1);
    assert!(matches!(&scene.told()[..], [Told::Deposed(claim)] if claim.owner == "me"));
    assert_eq!(scene.owner.serving(), None);
}

#[test]
fn a_claim_read_before_the_own_one_does_not_depose() {
    let mut scene = Scene::assigned();
    scene.land_claim_of("other", 9);
    scene.land_last();
    scene.acknowledge_last();
    assert!(matches!(scene.told()[..], [Told::Serving(_)]));
}

#[test]
fn the_pause_after_a_deposition_grows_and_is_bounded() {
    let mut scene = Scene::serving();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        scene.land_claim_of("other", 1);
        let pause = scene.owner.wake_at().unwrap();
        longest = longest.max(pause);
        scene.tick(pause);
        scene.land_last();
        scene.acknowledge_last();
    }
    let config = OwnerConfig::default();
    assert!(longest > config.backoff_base * 8 && longest <= config.backoff_max);
}

#[test]
fn who_hands_over_serves_until_the_claim_of_another_is_read_and_claims_no_more() {
    let mut scene = Scene::serving();
    scene.owner.hand_over(&mut scene.log);
    scene.propose(1, 1).unwrap();
    scene.land_last();
    assert!(is_released(&scene.told()[0], 1));
    scene.propose(2, 1).unwrap();
    scene.land_claim_of("other", 2);
    let told = scene.told();
    assert_eq!(told[0], void(&[2]));
    assert!(matches!(&told[1], Told::Deposed(claim) if claim.owner == "other"));
    assert_eq!(told[2], Told::Stopped { unsettled: vec![] });
    assert!(scene.owner.is_idle());
    assert_eq!(scene.owner.wake_at(), None);
}

#[test]
fn who_hands_over_and_is_in_doubt_settles_that_by_a_claim_of_its_own_and_serves_on() {
    let mut scene = Scene::in_doubt_while_handing_over();
    scene.land_last();
    scene.acknowledge_last();
    assert!(matches!(&scene.told()[..], [Told::InDoubt, voided, Told::Serving(_)] if *voided == void(&[1])));
    scene.land_claim_of("other", 2);
    assert!(scene.owner.is_idle());
}

#[test]
fn who_hands_over_stops_also_if_the_claim_of_another_comes_before_one_of_its_own() {
    let mut scene = Scene::in_doubt_while_handing_over();
    scene.land_claim_of("other", 2);
    assert!(scene.owner.is_idle());
}

#[test]
fn who_is_to_hand_over_and_does_not_serve_stops_at_once() {
    let mut scene = Scene::assigned();
    scene.owner.hand_over(&mut scene.log);
    assert!(scene.owner.is_idle());
    assert_eq!(scene.told(), [Told::Stopped { unsettled: vec![] }]);
}

#[test]
fn a_hand_over_is_taken_back_by_an_assignment() {
    let mut scene = Scene::serving();
    scene.owner.hand_over(&mut scene.log);
    scene.assign(3);
    scene.land_claim_of("other", 2);
    assert!(scene.owner.wake_at().is_some(), "it will claim again");
}

#[test]
fn a_release_settles_what_is_pending_first_and_takes_nothing_new() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.owner.release(&mut scene.log);
    assert_eq!(scene.told(), []);
    assert_eq!(scene.propose(2, 1), Err(NotServing));
    scene.land_last();
    let told = scene.told();
    assert!(is_released(&told[0], 1));
    assert_eq!(told[1], Told::Stopped { unsettled: vec![] });
    assert!(scene.owner.is_idle());
    assert_eq!(scene.log.left, [0]);
}

#[test]
fn a_release_is_taken_back_by_an_assignment() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.owner.release(&mut scene.log);
    scene.assign(2);
    scene.propose(2, 1).unwrap();
    scene.land_append(1);
    assert!(!scene.owner.is_idle());
}

#[test]
fn what_is_abandoned_is_told_as_unsettled() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.owner.abandon(&mut scene.log);
    let unsettled = vec![Uuid::from_u128(1)];
    assert_eq!(scene.told(), [Told::Stopped { unsettled }]);
    assert!(scene.owner.is_idle());
}

#[test]
fn a_log_that_is_not_the_one_read_before_halts_the_owner_for_good() {
    let mut scene = Scene::serving();
    scene.propose(1, 1).unwrap();
    scene.landed += 1;
    scene.land_last();
    let told = scene.told();
    assert!(
        matches!(&told[..], [Told::Stopped { unsettled }, Told::Halted(Halt::Gap { .. })] if unsettled.len() == 1),
        "{told:?}"
    );
    scene.assign(9);
    assert_eq!(scene.claims(), 1, "an assignment does not wake it");
}

#[test]
fn commits_of_others_are_told_as_well() {
    let mut writer = Scene::serving();
    writer.propose(1, 2).unwrap();
    let records: Vec<RecordDraft> = writer.log.appended.iter().flat_map(|(_, _, records)| records.clone()).collect();
    let mut reader = Scene::new();
    reader.land(records);
    let told = reader.told();
    assert!(told.len() == 1 && is_released(&told[0], 1), "{told:?}");
}
