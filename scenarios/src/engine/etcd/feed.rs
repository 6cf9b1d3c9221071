//! Watches: one background watch of everything that is ours, and long polls that it answers.
//!
//! What the log of a feed holds is complete from `floor` to `seen`, because etcd tells the changes of a watch in
//! order and never parts those of one revision. `seen` comes from changes only, never from headers or progress
//! notifications, which may be ahead of changes that are still to come.

use super::Finished;
use super::space::{Room, Space};
use consensus::rcs::message::{Answer, Change, Refusal, Reply, Watch};
use contract::Addr;
use host::Door;
use host::gateway::etcd::{Etcd, EtcdError, Event, Read, Watcher};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A poll is answered after so long, also if there is nothing to tell.
const POLL: Duration = Duration::from_secs(1);
/// A poll waits so long for the background watch to reach what the store has reached; longer only where others use the
/// same etcd, whose changes the watch does not see.
const FRESH: Duration = Duration::from_millis(200);
/// How often polls are looked at when nothing changes, and the pause after an error.
const TICK: Duration = Duration::from_millis(50);
/// How long a poll of the past waits for etcd to tell it.
const PAST: Duration = Duration::from_millis(500);
/// Changes that are kept; older ones are asked of etcd.
const CHANGES_MAX: usize = 10_000;
/// Their bytes.
const BYTES_MAX: usize = 16 << 20;
/// Polls that wait at a time; of more, each is answered at once.
const POLLS_MAX: usize = 4_096;

/// A background watch and those who wait for it; clones are the same.
#[derive(Clone)]
pub struct Feed {
    etcd: Arc<Etcd>,
    space: Space,
    door: Door,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    log: Log,
    polls: Vec<Poll>,
}

struct Poll {
    watch: Watch,
    call: u64,
    reply_to: Addr<Reply>,
    asked: Instant,
    /// The store had reached this revision when the poll was asked: whoever wrote before asks about that, too.
    reached: u64,
}

/// What is known of the recent past.
struct Log {
    /// The first revision whose changes are all here; none are before the first word of etcd.
    floor: u64,
    /// The last one.
    seen: u64,
    changes: VecDeque<Change>,
    bytes: usize,
}

/// What a log says to a poll.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// There are changes.
    Changes(Answer),
    /// There are none yet.
    Nothing(Answer),
    /// It asks for what the log does not hold.
    Past,
}

impl Feed {
    /// Starts the background watch.
    pub fn start(etcd: Arc<Etcd>, space: Space, door: Door) -> Result<Feed, String> {
        let feed = Feed { etcd, space, door, shared: Arc::default() };
        let watching = feed.clone();
        let thread = std::thread::Builder::new().name("etcd-watch".to_owned()).spawn(move || watching.run());
        thread.map_err(|error| format!("no thread for the watch of etcd: {error}"))?;
        Ok(feed)
    }

    /// The answer to a poll, or `None`: then it comes through the door later.
    pub fn ask(&self, watch: Watch, call: u64, reply_to: Addr<Reply>) -> Option<Answer> {
        let reached = match self.reached(&watch) {
            Ok(reached) => reached,
            Err(answer) => return Some(answer),
        };
        let mut shared = self.lock();
        let poll = Poll { watch, call, reply_to, asked: Instant::now(), reached };
        match shared.log.tell(&poll.watch) {
            Told::Changes(answer) if shared.log.seen >= reached => Some(answer),
            Told::Past => {
                drop(shared);
                Some(self.past(&poll.watch))
            }
            Told::Changes(_) | Told::Nothing(_) if shared.polls.len() < POLLS_MAX => {
                shared.polls.push(poll);
                None
            }
            _ => Some(Answer::Retry { leader: None }),
        }
    }

    /// The revision that the store has reached, or a refusal if it has forgotten what is asked for: all gateways forget at
    /// the same revision.
    fn reached(&self, watch: &Watch) -> Result<u64, Answer> {
        let read = Read { keys: self.space.all(), revision: watch.from.max(1), limit: 1, linearizable: true };
        match self.etcd.range(&read) {
            Ok(page) => Ok(page.revision),
            Err(EtcdError::Future) => Ok(0),
            Err(EtcdError::Compacted(_)) => Err(match self.etcd.floor() {
                Ok(floor) => Answer::Refused(Refusal::Compacted(floor)),
                Err(_) => Answer::Retry { leader: None },
            }),
            Err(_) => Err(Answer::Retry { leader: None }),
        }
    }

    /// Asks etcd itself for what the log does not hold.
    fn past(&self, watch: &Watch) -> Answer {
        let told = self.etcd.watch(&self.space.all(), watch.from.max(1)).and_then(|mut watcher| watcher.next(PAST));
        match told {
            Ok(events) => {
                let seen = events.last().map_or(0, Event::revision);
                let changes: Vec<Change> = events.into_iter().filter_map(|event| self.space.change(event)).collect();
                page(watch, changes.iter(), seen).1
            }
            Err(EtcdError::Compacted(floor)) => Answer::Refused(Refusal::Compacted(floor)),
            Err(_) => Answer::Retry { leader: None },
        }
    }

    /// Watches for ever; whatever fails is begun again.
    fn run(&self) {
        let mut watcher = None;
        loop {
            let told = match &mut watcher {
                None => self.begin().map(|begun| watcher = Some(begun)).map(|()| Vec::new()),
                Some(watcher) => watcher.next(TICK),
            };
            match told {
                Ok(events) => self.heard(events),
                Err(error) => {
                    watcher = None;
                    if let EtcdError::Compacted(_) = error {
                        // What is missing will never come: begin with the present.
                        self.lock().log = Log::default();
                    }
                    self.heard(Vec::new());
                    std::thread::sleep(TICK);
                }
            }
        }
    }

    /// A watch behind what was seen, or, at first, behind the present.
    fn begin(&self) -> Result<Watcher, EtcdError> {
        let begun = self.lock().log.seen;
        if begun == 0 {
            let keys = self.space.all();
            let now = self.etcd.range(&Read { keys, revision: 0, limit: 1, linearizable: true })?.revision;
            self.lock().log.begin(now);
        }
        let seen = self.lock().log.seen;
        self.etcd.watch(&self.space.all(), seen + 1)
    }

    /// Remembers changes and answers whom they or the time concern.
    fn heard(&self, events: Vec<Event>) {
        let mut shared = self.lock();
        for event in events {
            let revision = event.revision();
            shared.log.push(revision, self.space.change(event));
        }
        shared.log.bound();
        let Shared { log, polls } = &mut *shared;
        let now = Instant::now();
        polls.retain(|poll| {
            let waited = now.saturating_duration_since(poll.asked);
            let answer = match log.tell(&poll.watch) {
                Told::Changes(answer) if log.seen >= poll.reached || waited >= FRESH => answer,
                Told::Nothing(answer) if waited >= POLL => answer,
                Told::Changes(_) | Told::Nothing(_) => return true,
                Told::Past => Answer::Retry { leader: None },
            };
            // An answer that is lost is asked for again.
            self.door.put(Finished { reply_to: poll.reply_to, reply: Reply { call: poll.call, answer } });
            false
        });
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // After a panic the log is as whole as before it: it is changed last.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { floor: u64::MAX, seen: 0, changes: VecDeque::new(), bytes: 0 }
    }
}

impl Log {
    /// Begins behind `revision`.
    fn begin(&mut self, revision: u64) {
        (self.floor, self.seen) = (revision + 1, revision);
    }

    /// Takes the next event; `None` for one that concerns no client.
    fn push(&mut self, revision: u64, change: Option<Change>) {
        assert!(revision >= self.seen, "etcd tells changes in order");
        self.seen = revision;
        if let Some(change) = change {
            self.bytes += size(&change);
            self.changes.push_back(change);
        }
    }

    /// Forgets the oldest revisions, whole ones, until the log is short again.
    fn bound(&mut self) {
        while self.changes.len() > CHANGES_MAX || self.bytes > BYTES_MAX {
            let Some(first) = self.changes.front().map(revision) else { return };
            self.floor = first + 1;
            while self.changes.front().is_some_and(|change| revision(change) == first) {
                self.bytes -= self.changes.pop_front().as_ref().map_or(0, size);
            }
        }
    }

    fn tell(&self, watch: &Watch) -> Told {
        if watch.from < self.floor {
            return Told::Past;
        }
        let (some, answer) = page(watch, self.changes.iter(), self.seen);
        if some { Told::Changes(answer) } else { Told::Nothing(answer) }
    }
}

/// As many whole revisions, at least one, as are wanted and fit an answer; and whether there are any. The changes
/// given are all that there are from [`Watch::from`] to `seen`.
fn page<'a>(watch: &Watch, changes: impl Iterator<Item = &'a Change>, seen: u64) -> (bool, Answer) {
    let mut taken: Vec<Change> = Vec::new();
    let mut until = seen.max(watch.from.saturating_sub(1));
    let mut room = Room::new();
    // Where the revision that is being taken began.
    let (mut current, mut start) = (0, 0);
    for change in changes.filter(|change| revision(change) >= watch.from && watch.keys.contains(key(change))) {
        if revision(change) != current {
            (current, start) = (revision(change), taken.len());
        }
        taken.push(change.clone());
        let fits = room.take(size(change));
        let wanted = watch.limit == 0 || taken.len() as u64 <= watch.limit;
        if start > 0 && !(fits && wanted) {
            taken.truncate(start);
            until = current - 1;
            break;
        }
    }
    (!taken.is_empty(), Answer::Changes { from: watch.from, until, changes: taken })
}

fn key(change: &Change) -> &[u8] {
    match change {
        Change::Put(row) => &row.key,
        Change::Deleted { key, .. } => key,
    }
}

fn revision(change: &Change) -> u64 {
    match change {
        Change::Put(row) => row.modified,
        Change::Deleted { revision, .. } => *revision,
    }
}

fn size(change: &Change) -> usize {
    match change {
        Change::Put(row) => row.key.len() + row.value.len(),
        Change::Deleted { key, .. } => key.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::rcs::message::Keys;

    fn deleted(key: &str, revision: u64) -> Change {
        Change::Deleted { key: key.as_bytes().into(), revision }
    }

    fn watch(from: u64, limit: u64) -> Watch {
        Watch { keys: Keys::Prefix((&b"a"[..]).into()), from, limit }
    }

    fn log() -> Log {
        let mut log = Log::default();
        log.begin(10);
        let story = [(11, Some("a1")), (11, Some("a2")), (12, Some("b")), (13, None), (14, Some("a3")), (15, None)];
        for (revision, key) in story {
            log.push(revision, key.map(|key| deleted(key, revision)));
        }
        log
    }

    fn changes(from: u64, until: u64, changes: Vec<Change>) -> Answer {
        Answer::Changes { from, until, changes }
    }

    #[test]
    fn an_answer_claims_no_more_than_it_tells() {
        let log = log();
        let first = vec![deleted("a1", 11), deleted("a2", 11)];
        let both = [first.clone(), vec![deleted("a3", 14)]].concat();
        assert_eq!(log.tell(&watch(11, 0)), Told::Changes(changes(11, 15, both)));
        assert_eq!(log.tell(&watch(11, 2)), Told::Changes(changes(11, 13, first.clone())), "14 is still to come");
        assert_eq!(log.tell(&watch(11, 1)), Told::Changes(changes(11, 13, first)), "a revision is not parted");
        assert_eq!(log.tell(&watch(15, 0)), Told::Nothing(changes(15, 15, vec![])));
        assert_eq!(log.tell(&watch(20, 0)), Told::Nothing(changes(20, 19, vec![])), "20 has not been");
        assert_eq!(log.tell(&watch(10, 0)), Told::Past);
        assert_eq!(Log::default().tell(&watch(1, 0)), Told::Past);
    }

    #[test]
    fn a_log_that_is_too_long_forgets_whole_revisions() {
        let mut log = log();
        for n in 0..CHANGES_MAX as u64 {
            log.push(16 + n / 2, Some(deleted("a", 16 + n / 2)));
        }
        log.bound();
        assert_eq!((log.floor, log.changes.len()), (15, CHANGES_MAX));
        log.push(1 << 40, Some(deleted("a", 1 << 40)));
        log.bound();
        assert_eq!((log.floor, log.changes.len()), (17, CHANGES_MAX - 1));
        assert_eq!(log.bytes, log.changes.iter().map(size).sum::<usize>());
    }
}
