//! What a power loss may leave under each profile: against models of its own, and one profile against another.

use contract::{Duration, Open, ProcessId};
use kernel::disk::fates::{Chooser, Sector};
use kernel::disk::{Doer, FileSystem, Ino, ROOT};
use kernel::{DiskSettings, Profile, Settings, Span};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

/// Every file's path and contents.
type State = BTreeMap<String, Vec<u8>>;

const PROFILES: [Profile; 5] =
    [Profile::PosixMin, Profile::Ext4Ordered, Profile::Ext4Noauto, Profile::BtrfsLike, Profile::Strict];

/// Takes every way in turn, like an odometer whose wheels are the choices.
#[derive(Default)]
struct EveryWay {
    wheels: Vec<(usize, usize)>,
    at: usize,
}

impl EveryWay {
    fn turn(&mut self, ways: usize) -> usize {
        if self.at == self.wheels.len() {
            self.wheels.push((0, ways));
        }
        self.at += 1;
        self.wheels[self.at - 1].0
    }

    /// Whether there is another combination.
    fn advance(&mut self) -> bool {
        while let Some((way, ways)) = self.wheels.pop() {
            if way + 1 < ways {
                self.wheels.push((way + 1, ways));
                self.at = 0;
                return true;
            }
        }
        false
    }
}

impl Chooser for EveryWay {
    fn pick(&mut self, weights: &[u32]) -> usize {
        let open: Vec<usize> = (0..weights.len()).filter(|way| weights[*way] > 0).collect();
        open[self.turn(open.len())]
    }
    fn prefix(&mut self, len: usize) -> usize {
        self.turn(len + 1)
    }
    fn sectors(&mut self, count: usize, garbage: bool) -> Vec<Sector> {
        let ways = [Sector::Kept, Sector::Lost, Sector::Garbage(1)];
        (0..count).map(|_| ways[self.turn(2 + usize::from(garbage))]).collect()
    }
}

fn state(disk: &FileSystem) -> State {
    let mut all = State::new();
    for (path, len, _) in disk.survey().into_iter().filter(|(path, ..)| !path.ends_with('/')) {
        let ino = disk.resolve(path.trim_start_matches('/')).expect("it was listed");
        let mut bytes = vec![0; len as usize];
        disk.read(ino, 0, &mut bytes).expect("it is a file");
        all.insert(path[1..].to_owned(), bytes);
    }
    all
}

/// Every state that a power loss at `at` may leave.
fn all_states(disk: &FileSystem, at: u64) -> BTreeSet<State> {
    let (mut every, mut states) = (EveryWay::default(), BTreeSet::new());
    loop {
        let mut left = disk.clone();
        let fates = left.fates(at, &mut every);
        left.leave(at, &fates);
        states.insert(state(&left));
        if !every.advance() {
            return states;
        }
    }
}

fn drawn(disk: &FileSystem, at: u64, seed: u64) -> State {
    let mut left = disk.clone();
    left.power_loss(at, &mut ChaCha8Rng::seed_from_u64(seed));
    state(&left)
}

/// A disk with a clock of its own: every call takes ten nanoseconds.
struct Desk {
    disk: FileSystem,
    now: u64,
}

impl Desk {
    fn new(profile: Profile) -> Desk {
        let disk = DiskSettings { profile, ..Settings::default().disk };
        Desk { disk: FileSystem::of(&disk), now: 0 }
    }
    fn doer(&mut self) -> Doer {
        self.now += 10;
        Doer { process: ProcessId(0), stamp: self.now, event: self.now }
    }
    fn ino(&self, path: &str) -> Ino {
        self.disk.resolve(path).expect("it is there")
    }
    fn create(&mut self, path: &str) {
        let doer = self.doer();
        self.disk.open(path, Open::CreateNew, doer).expect("the name is new");
    }
    fn write(&mut self, path: &str, offset: usize, bytes: &[u8]) {
        let (ino, doer) = (self.ino(path), self.doer());
        self.disk.write(ino, offset, bytes, doer).expect("it is a file");
    }
    fn append(&mut self, path: &str, bytes: &[u8]) {
        let end = self.disk.len(self.ino(path)).expect("it is a file");
        self.write(path, end, bytes);
    }
    fn resize(&mut self, path: &str, len: usize) {
        let (ino, doer) = (self.ino(path), self.doer());
        self.disk.resize(ino, len, doer).expect("it is a file");
    }
    fn rename(&mut self, from: &str, to: &str) {
        let doer = self.doer();
        self.disk.rename(from, to, doer).expect("it is there");
    }
    fn unlink(&mut self, path: &str) {
        let doer = self.doer();
        self.disk.unlink(path, doer).expect("it is there");
    }
    fn mkdir(&mut self, path: &str) {
        let doer = self.doer();
        self.disk.mkdir(path, doer).expect("the name is new");
    }
    fn sync(&mut self, ino: Ino) {
        let doer = self.doer();
        assert!(!self.disk.sync(ino, doer).expect("it is there"), "no phantom writes here");
    }
    /// A file whose name and contents are durable.
    fn durable(&mut self, path: &str, bytes: &[u8]) {
        self.create(path);
        self.append(path, bytes);
        self.sync(self.ino(path));
        self.sync(ROOT);
    }
}

/// A workload, a telling state after it, and the profiles that allow that state.
struct Row {
    what: &'static str,
    work: fn(&mut Desk),
    tells: fn(&State) -> bool,
    allowed: &'static [Profile],
}

const ROWS: [Row; 6] = [
    Row {
        what: "a hole where data was appended",
        work: |desk| {
            desk.durable("f", b"");
            desk.append("f", &[1; 1_000]);
        },
        tells: |state| state["f"].starts_with(&[0; 512]),
        allowed: &[Profile::PosixMin],
    },
    Row {
        what: "one sector of an overwritten page new, the other old",
        work: |desk| {
            desk.durable("f", &[1; 1_024]);
            desk.write("f", 0, &[2; 1_024]);
        },
        tells: |state| state["f"][..512] == [1; 512] && state["f"][512..] == [2; 512],
        allowed: &[Profile::PosixMin, Profile::Ext4Ordered, Profile::Ext4Noauto],
    },
    Row {
        what: "a replaced file empty",
        work: |desk| {
            desk.durable("f", b"old");
            desk.create("tmp");
            desk.append("tmp", b"new");
            desk.rename("tmp", "f");
        },
        tells: |state| state["f"].is_empty(),
        allowed: &[Profile::PosixMin, Profile::Ext4Noauto, Profile::BtrfsLike],
    },
    Row {
        what: "the second of two new names alone",
        work: |desk| {
            desk.create("a");
            desk.create("b");
        },
        tells: |state| state.keys().eq(["b"]),
        allowed: &[Profile::PosixMin, Profile::BtrfsLike],
    },
    Row {
        what: "a new name without the data that another file got before",
        work: |desk| {
            desk.durable("f", b"");
            desk.append("f", b"data");
            desk.create("g");
        },
        tells: |state| state["f"].is_empty() && state.contains_key("g"),
        allowed: &[Profile::PosixMin, Profile::Ext4Ordered, Profile::Ext4Noauto, Profile::BtrfsLike],
    },
    Row {
        what: "both names of a file that was moved between directories",
        work: |desk| {
            desk.mkdir("d");
            desk.sync(ROOT);
            desk.durable("f", b"data");
            desk.rename("f", "d/f");
        },
        tells: |state| state.contains_key("f") && state.contains_key("d/f"),
        allowed: &[Profile::PosixMin],
    },
];

#[test]
fn each_telling_state_comes_up_under_the_profiles_that_allow_it_and_under_no_other() {
    for row in &ROWS {
        for profile in PROFILES {
            let mut desk = Desk::new(profile);
            (row.work)(&mut desk);
            let allowed = row.allowed.contains(&profile);
            let states = all_states(&desk.disk, desk.now + 1);
            assert_eq!(states.iter().any(row.tells), allowed, "{} under {profile:?}", row.what);
            let draws = (0..2_000).map(|seed| drawn(&desk.disk, desk.now + 1, seed));
            let met = draws.filter(|state| (row.tells)(state)).count();
            assert_eq!(met > 20, allowed, "{} under {profile:?}: {met} of 2,000 draws", row.what);
        }
    }
}

#[test]
fn every_two_profiles_are_told_apart() {
    for (nth, one) in PROFILES.iter().enumerate() {
        for other in &PROFILES[nth + 1..] {
            let told = ROWS.iter().any(|row| row.allowed.contains(one) != row.allowed.contains(other));
            assert!(told, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn a_rename_that_a_directory_sync_makes_durable_brings_the_data_along_or_not() {
    for (profile, safe) in [(Profile::Ext4Ordered, true), (Profile::Strict, true), (Profile::Ext4Noauto, false)] {
        let mut desk = Desk::new(profile);
        (ROWS[2].work)(&mut desk);
        desk.sync(ROOT);
        let states = all_states(&desk.disk, desk.now + 1);
        assert!(states.iter().any(|state| state["f"] == b"new"));
        assert_eq!(states.iter().all(|state| state["f"] == b"new"), safe, "{profile:?}");
    }
}

#[test]
fn a_file_created_beyond_the_number_of_inodes_has_no_space_until_another_goes() {
    let settings = DiskSettings { inodes: 3, sync: Span::exactly(Duration::from_nanos(1)), ..Settings::default().disk };
    let mut desk = Desk { disk: FileSystem::of(&settings), now: 0 };
    desk.create("a");
    desk.create("b");
    let doer = desk.doer();
    assert_eq!(desk.disk.open("c", Open::Create, doer), Err(contract::DiskError::NoSpace));
    assert_eq!(desk.disk.mkdir("d", doer), Err(contract::DiskError::NoSpace));
    desk.append("a", b"writes succeed");
    desk.rename("a", "b");
    desk.create("c");
    desk.unlink("c");
    desk.disk.power_loss(desk.now + 1, &mut ChaCha8Rng::seed_from_u64(1));
    let left = state(&desk.disk).len();
    for name in ["x", "y"].iter().take(2 - left) {
        desk.create(name);
    }
    let doer = desk.doer();
    assert_eq!(desk.disk.open("z", Open::Create, doer), Err(contract::DiskError::NoSpace), "{left} were left");
}

#[derive(Clone, Debug)]
enum Op {
    Create(usize),
    Append(usize, u8, usize),
    Overwrite(usize, u8, usize, usize),
    Truncate(usize, usize),
    Rename(usize, usize),
    Unlink(usize),
    Sync(usize),
    SyncDir,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn op(longest: usize, truncates: bool) -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    let truncate = if truncates { 1 } else { 0 };
    prop_oneof![
        2 => name.clone().prop_map(Op::Create),
        4 => (name.clone(), 1u8..255, 1..longest).prop_map(|(name, byte, len)| Op::Append(name, byte, len)),
        2 * truncate => (name.clone(), 1u8..255, 0..longest, 1..longest)
            .prop_map(|(name, byte, from, len)| Op::Overwrite(name, byte, from, len)),
        truncate => (name.clone(), 0..longest).prop_map(|(name, len)| Op::Truncate(name, len)),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => name.clone().prop_map(Op::Unlink),
        1 => name.prop_map(Op::Sync),
        1 => Just(Op::SyncDir),
    ]
}

/// Does what makes sense in this state.
fn act(desk: &mut Desk, op: &Op) {
    let there = |name: &usize| desk.disk.resolve(NAMES[*name]).is_ok();
    match op {
        Op::Create(name) if !there(name) => desk.create(NAMES[*name]),
        Op::Append(name, byte, len) if there(name) => desk.append(NAMES[*name], &vec![*byte; *len]),
        Op::Overwrite(name, byte, from, len) if there(name) => {
            let end = desk.disk.len(desk.ino(NAMES[*name])).expect("it is a file");
            desk.write(NAMES[*name], (*from).min(end), &vec![*byte; *len]);
        }
        Op::Truncate(name, len) if there(name) => desk.resize(NAMES[*name], *len),
        Op::Rename(from, to) if there(from) => desk.rename(NAMES[*from], NAMES[*to]),
        Op::Unlink(name) if there(name) => desk.unlink(NAMES[*name]),
        Op::Sync(name) if there(name) => desk.sync(desk.ino(NAMES[*name])),
        Op::SyncDir => desk.sync(ROOT),
        _ => {}
    }
}

/// The inode behind each name.
fn names(disk: &FileSystem) -> BTreeMap<String, Ino> {
    disk.list("")
        .expect("the root is there")
        .into_iter()
        .map(|name| (name.clone(), disk.resolve(&name).expect("listed")))
        .collect()
}

proptest! {
    /// `strict`: what survives is the state after one of the changes, none older than the last sync.
    #[test]
    fn strict_leaves_a_moment_of_the_past(ops in prop::collection::vec(op(6_000, true), 1..25), seed: u64) {
        let mut desk = Desk::new(Profile::Strict);
        let (mut moments, mut oldest) = (vec![state(&desk.disk)], 0);
        let mut changed = BTreeMap::<Ino, usize>::new();
        for op in &ops {
            let of = |name: &usize| desk.disk.resolve(NAMES[*name]).ok();
            let (changes, synced) = match op {
                Op::Append(name, ..) | Op::Overwrite(name, ..) | Op::Truncate(name, _) => (of(name), None),
                Op::Sync(name) => (None, of(name)),
                Op::SyncDir => (None, Some(ROOT)),
                _ => (Some(ROOT), None),
            };
            act(&mut desk, op);
            let now = state(&desk.disk);
            if let (Some(ino), true) = (changes, Some(&now) != moments.last()) {
                changed.insert(ino, moments.len());
            }
            oldest = oldest.max(synced.and_then(|ino| changed.get(&ino).copied()).unwrap_or(0));
            moments.push(now);
        }
        let left = drawn(&desk.disk, desk.now + 1, seed);
        prop_assert!(moments[oldest..].contains(&left), "{left:?} is none of those since the last sync");
    }

    /// ext4: the names are those of one moment; and where files only grow, each holds a prefix of its bytes,
    /// at least those synced, whatever became of its name.
    #[test]
    fn ext4_leaves_the_names_of_a_moment_and_lengths_with_their_data(
        ops in prop::collection::vec(op(6_000, false), 1..25),
        seed: u64,
        ordered: bool,
    ) {
        let mut desk = Desk::new(if ordered { Profile::Ext4Ordered } else { Profile::Ext4Noauto });
        let (mut moments, mut synced) = (vec![names(&desk.disk)], BTreeMap::<Ino, usize>::new());
        let mut whole = BTreeMap::<Ino, Vec<u8>>::new();
        for op in &ops {
            act(&mut desk, op);
            moments.push(names(&desk.disk));
            for (name, bytes) in state(&desk.disk) {
                let ino = desk.ino(&name);
                if matches!(op, Op::Sync(synced) if NAMES[*synced] == name) {
                    synced.insert(ino, bytes.len());
                }
                whole.insert(ino, bytes);
            }
            if matches!(op, Op::SyncDir) {
                moments.drain(..moments.len() - 1);
            }
        }
        desk.disk.power_loss(desk.now + 1, &mut ChaCha8Rng::seed_from_u64(seed));
        let left = names(&desk.disk);
        prop_assert!(moments.contains(&left), "{left:?} is none of {moments:?}");
        for (name, bytes) in state(&desk.disk) {
            let ino = left[&name];
            prop_assert!(whole[&ino].starts_with(&bytes), "{name} is longer than its data, or has other bytes");
            prop_assert!(bytes.len() >= synced.get(&ino).copied().unwrap_or(0), "{name} lost what was synced");
        }
    }

    /// btrfs: each page of a file that is overwritten and grows is what it was at one moment since the last sync.
    #[test]
    fn btrfs_leaves_whole_pages(
        writes in prop::collection::vec((0usize..12_000, 1usize..9_000, any::<bool>()), 1..12),
        seed: u64,
    ) {
        let mut desk = Desk::new(Profile::BtrfsLike);
        desk.durable("f", &[255; 5_000]);
        let pages = |disk: &FileSystem| state(disk)["f"].chunks(4096).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut moments = vec![pages(&desk.disk)];
        for (nth, (from, len, sync)) in writes.into_iter().enumerate() {
            let end = desk.disk.len(desk.ino("f")).expect("it is a file");
            desk.write("f", from.min(end), &vec![nth as u8; len]);
            moments.push(pages(&desk.disk));
            if sync {
                desk.sync(desk.ino("f"));
                moments.drain(..moments.len() - 1);
            }
        }
        desk.disk.power_loss(desk.now + 1, &mut ChaCha8Rng::seed_from_u64(seed));
        for (number, page) in pages(&desk.disk).iter().enumerate() {
            prop_assert!(moments.iter().any(|moment| moment.get(number) == Some(page)), "page {number} never was like that");
        }
    }

    /// Whatever another profile may leave, `posix-min` may leave too.
    #[test]
    fn posix_min_allows_whatever_another_allows(ops in prop::collection::vec(op(700, true), 1..6)) {
        let states = |profile| {
            let mut desk = Desk::new(profile);
            ops.iter().for_each(|op| act(&mut desk, op));
            all_states(&desk.disk, desk.now + 1)
        };
        let widest = states(Profile::PosixMin);
        for profile in PROFILES {
            let more: Vec<State> = states(profile).difference(&widest).cloned().collect();
            prop_assert!(more.is_empty(), "{profile:?} leaves {more:?}");
        }
    }
}
