//! Cores, a network that does what it is told, disks that do what they are told, and clocks.

use crate::disk::Disk;
use crate::judge::{Judge, command};
use crate::render;
use consensus::planted::Planted;
use consensus::raft::{
    Body, Change, Configuration, Core, Effect, Entry, MemberId, NotTaken, Position, Recovered, Snapshot, Tuning, Turn,
};
use contract::{Blob, Duration, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender.
    pub from: MemberId,
    /// The receiver.
    pub to: MemberId,
    /// As in an envelope.
    pub term: u64,
    /// What is said.
    pub body: Body,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who it is.
    pub id: MemberId,
    /// `None` while it is down.
    pub core: Option<Core>,
    /// Its disk.
    pub disk: Disk,
    /// The commands that it has applied, and up to which index.
    pub state: (u64, Vec<u64>),
    /// How its clock runs, in millionths: 1,000,000 is exact.
    pub rate: u64,
    /// Writes on their way, at most.
    pub writes: usize,
}

/// A cluster in a box.
#[derive(Clone, Debug)]
pub struct Net {
    /// True time, in nanoseconds.
    pub now: u64,
    /// The machines.
    pub nodes: Vec<Node>,
    /// Messages on their way, in the order of sending.
    pub flying: VecDeque<Letter>,
    /// Links that lose everything: from, to.
    pub cut: BTreeSet<(usize, usize)>,
    /// The five properties.
    pub judge: Judge,
    /// What came of reads: the index, or `None` if the read was lost.
    pub reads: BTreeMap<u64, Option<u64>>,
    /// Marks that were seen, and how often.
    pub marks: BTreeMap<String, u64>,
    /// What happened, one line each.
    pub story: Vec<String>,
    /// Whether to write the story.
    pub telling: bool,
    tuning: Tuning,
    planted: Planted,
    genesis: Configuration,
    random: u64,
    commands: u64,
    contexts: u64,
    /// Whether cores take rare choices.
    pub choosy: bool,
}

/// Times and limits as a quiet cluster has them.
pub fn tuning() -> Tuning {
    Tuning {
        election_least: Duration::from_millis(150),
        election_most: Duration::from_millis(300),
        heartbeat: Duration::from_millis(50),
        lease_reads: false,
        drift_ppm: 1_000,
        append_entries: 16,
        append_bytes: 4_096,
        in_flight: 4,
        uncommitted: 64,
        keep_entries: 2,
        page_bytes: 16,
    }
}

/// The member on the n-th machine, with its first disk.
pub fn member(n: usize) -> MemberId {
    MemberId { slot: n as u32, disk: n as u64 + 1 }
}

/// The next random bits of a generator.
pub fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Net {
    /// `machines` cores, of which the first `voters` vote.
    pub fn new(machines: usize, voters: usize, tuning: Tuning, planted: Planted, seed: u64) -> Self {
        let genesis = Configuration { voters: (0..voters).map(member).collect(), learners: BTreeSet::new() };
        let mut net = Net {
            now: 0,
            nodes: Vec::new(),
            flying: VecDeque::new(),
            cut: BTreeSet::new(),
            judge: Judge::default(),
            reads: BTreeMap::new(),
            marks: BTreeMap::new(),
            story: Vec::new(),
            telling: false,
            tuning,
            planted,
            genesis,
            random: seed,
            commands: 0,
            contexts: 0,
            choosy: false,
        };
        for n in 0..machines {
            let disk = Disk::new(&net.genesis);
            let state = (0, Vec::new());
            net.nodes.push(Node { id: member(n), core: None, disk, state, rate: 1_000_000, writes: 4 });
        }
        for n in 0..machines {
            net.start(n);
        }
        net
    }

    /// Three voters, quiet limits.
    pub fn three() -> Self {
        Net::new(3, 3, tuning(), Planted::default(), 1)
    }

    /// A cluster of `voters` of which machine 0 leads, everything settled.
    pub fn led(voters: usize) -> Self {
        Net::led_with(voters, tuning())
    }

    /// As [`Net::led`] with other limits.
    pub fn led_with(voters: usize, tuning: Tuning) -> Self {
        let mut net = Net::new(voters, voters, tuning, Planted::default(), 1);
        net.elect(0);
        net.settle();
        assert_eq!(net.leaders(), [0], "the one who stands is elected");
        net
    }

    /// The running core of machine `n`.
    pub fn core(&self, n: usize) -> &Core {
        self.nodes[n].core.as_ref().expect("the machine runs")
    }

    /// What a machine's clock shows.
    pub fn clock(&self, n: usize) -> Time {
        Time((u128::from(self.now) * u128::from(self.nodes[n].rate) / 1_000_000) as u64 + MS)
    }

    fn on<R>(&mut self, n: usize, act: impl FnOnce(&mut Core, &mut Turn<'_>) -> R) -> Option<R> {
        let now = self.clock(n);
        let mut core = self.nodes[n].core.take()?;
        let mut effects = Vec::new();
        let (mut seed, mut choices, choosy) = (draw(&mut self.random), draw(&mut self.random), self.choosy);
        let mut random = || draw(&mut seed);
        let mut choose = |_: &'static str| choosy && draw(&mut choices).is_multiple_of(4);
        let mut turn = Turn { now, random: &mut random, choose: &mut choose, effects: &mut effects };
        let result = act(&mut core, &mut turn);
        self.nodes[n].core = Some(core);
        for effect in effects {
            self.take(n, effect);
        }
        self.write(n);
        Some(result)
    }

    fn take(&mut self, n: usize, effect: Effect) {
        let (id, term) = (self.nodes[n].id, self.nodes[n].core.as_ref().map_or(0, Core::term));
        if self.telling {
            self.story.extend(render::effect(n, &effect));
        }
        match effect {
            Effect::Send { to, term, body } => {
                self.judge.sent(id, term, &body);
                self.judge.promises(&self.nodes[n].disk, (to, term), &body);
                self.flying.push_back(Letter { from: id, to, term, body });
            }
            Effect::Commit(entries) => self.apply(n, &entries, term),
            Effect::Install(snapshot) => self.install(n, &snapshot),
            Effect::ReadAt { context, index } => {
                self.judge.reads(context, index);
                self.reads.insert(context, Some(index));
            }
            Effect::ReadLost { context } => {
                self.reads.insert(context, None);
            }
            Effect::Leader { leader, term } => {
                if leader == Some(id) {
                    let last = Position { term, index: self.core(n).last().index };
                    self.judge.leads(id, term, last);
                }
            }
            Effect::Mark(mark) => *self.marks.entry(mark.kind.into_owned()).or_default() += 1,
        }
    }

    fn apply(&mut self, n: usize, entries: &[Entry], term: u64) {
        for entry in entries {
            assert_eq!(entry.at.index, self.nodes[n].state.0 + 1, "entries are applied in order, each once");
            self.judge.applied(entry, term);
            self.nodes[n].state.0 = entry.at.index;
            self.nodes[n].state.1.extend(command(entry));
        }
    }

    fn install(&mut self, n: usize, snapshot: &Snapshot) {
        let bytes: Vec<u8> = snapshot.pages.iter().flat_map(|page| page.to_vec()).collect();
        let commands = bytes.chunks(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        let (index, commands) = (snapshot.meta.at.index, commands.collect::<Vec<u64>>());
        assert_eq!(commands, self.judge.commands(index), "a snapshot shows what was applied up to it");
        self.nodes[n].state = (index, commands);
    }

    /// Asks for writes, and makes them durable at once unless the disk hangs.
    fn write(&mut self, n: usize) {
        loop {
            let node = &mut self.nodes[n];
            let Some(core) = &mut node.core else { return };
            if node.disk.pending.len() >= node.writes {
                break;
            }
            let Some(write) = core.next_write() else { break };
            self.judge.written(&write.1.entries);
            node.disk.pending.push_back(write);
        }
        if !self.nodes[n].disk.hangs {
            self.sync(n);
        }
    }

    /// The oldest waiting write of machine `n` becomes durable.
    pub fn sync(&mut self, n: usize) {
        if let Some(seq) = self.nodes[n].disk.save_one() {
            self.on(n, |core, turn| core.saved(seq, turn));
        }
    }

    /// The disk of machine `n` works again.
    pub fn unhang(&mut self, n: usize) {
        self.nodes[n].disk.hangs = false;
        self.sync(n);
    }

    /// Machine `n` stops; of the writes on their way the first `kept` become durable.
    pub fn crash(&mut self, n: usize, kept: usize) {
        self.tell(|| format!("n{n} crashes"));
        self.nodes[n].core = None;
        let kept = kept.min(self.nodes[n].disk.pending.len());
        self.nodes[n].disk.crash(kept);
    }

    /// Machine `n` starts from what its disk holds.
    pub fn start(&mut self, n: usize) {
        assert!(self.nodes[n].core.is_none(), "it is down");
        self.nodes[n].state = (0, Vec::new());
        let recovered = self.nodes[n].disk.recovered();
        self.begin(n, recovered);
    }

    fn begin(&mut self, n: usize, recovered: Recovered) {
        let (id, tuning, planted, now) = (self.nodes[n].id, self.tuning, self.planted, self.clock(n));
        let mut effects = Vec::new();
        let mut seed = draw(&mut self.random);
        let mut random = || draw(&mut seed);
        let mut turn = Turn { now, random: &mut random, choose: &mut |_| false, effects: &mut effects };
        let core = Core::new(id, recovered, tuning, planted, &mut turn);
        self.nodes[n].core = Some(core);
        self.tell(|| format!("n{n} starts"));
        for effect in effects {
            self.take(n, effect);
        }
        self.write(n);
    }

    /// A machine gets an empty disk, and with it another name.
    pub fn wipe(&mut self, n: usize) -> MemberId {
        self.nodes[n].core = None;
        self.nodes[n].disk = Disk::new(&self.genesis);
        self.nodes[n].id.disk += 100;
        self.start(n);
        self.nodes[n].id
    }

    /// Time passes; cores whose deadline has come are told.
    pub fn advance(&mut self, span: u64) {
        self.now += span;
        for n in 0..self.nodes.len() {
            let now = self.clock(n);
            if self.nodes[n].core.as_ref().is_some_and(|core| core.deadline() <= now) {
                self.on(n, |core, turn| core.tick(turn));
            }
        }
    }

    /// Milliseconds pass, with everything delivered at once.
    pub fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.advance(MS);
            self.settle();
        }
    }

    /// Machine `n` loses patience now: true time goes on to its deadline, and only it is told.
    pub fn expire(&mut self, n: usize) {
        while self.clock(n) < self.core(n).deadline() {
            self.now += MS;
        }
        self.tell(|| format!("n{n} hears nothing for too long"));
        self.on(n, |core, turn| core.tick(turn));
    }

    /// Everybody forgets whom they heard; then `n` stands and is elected if messages arrive.
    pub fn elect(&mut self, n: usize) {
        self.now += 300 * MS;
        self.expire(n);
    }

    /// Delivers everything in order, and what comes of it, until nothing is on its way.
    pub fn settle(&mut self) {
        let mut left = 100_000;
        while let Some(letter) = self.flying.pop_front() {
            self.deliver(letter);
            left -= 1;
            assert!(left > 0, "messages beget messages without end: {:?}", self.flying);
        }
    }

    /// Delivers the messages that are on their way now and fulfil `wanted`, and not their consequences.
    pub fn step(&mut self, wanted: impl Fn(&Letter) -> bool) {
        let (now, later) = std::mem::take(&mut self.flying).into_iter().partition(|letter| wanted(letter));
        self.flying = later;
        let letters: VecDeque<Letter> = now;
        for letter in letters {
            self.deliver(letter);
        }
    }

    /// Loses the messages on their way that fulfil `unwanted`.
    pub fn lose(&mut self, unwanted: impl Fn(&Letter) -> bool) {
        self.flying.retain(|letter| !unwanted(letter));
    }

    /// Delivers one message, unless its link is cut, its receiver is down or it is meant for another disk.
    pub fn deliver(&mut self, letter: Letter) {
        let Letter { from, to, term, body } = letter;
        let (m, n) = (from.slot as usize, to.slot as usize);
        if self.cut.contains(&(m, n)) || self.nodes[n].id != to || self.nodes[n].core.is_none() {
            return;
        }
        self.tell(|| render::letter(m, n, term, &body));
        self.on(n, |core, turn| core.receive(from, term, body, turn));
    }

    /// Delivers a message that nobody sent now, one of long ago, over whatever is cut.
    pub fn say(&mut self, from: MemberId, to: MemberId, term: u64, body: Body) {
        let cut = std::mem::take(&mut self.cut);
        self.deliver(Letter { from, to, term, body });
        self.cut = cut;
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.telling {
            self.story.push(line());
        }
    }

    /// Cuts or heals both directions between two machines.
    pub fn link(&mut self, a: usize, b: usize, whole: bool) {
        for pair in [(a, b), (b, a)] {
            if whole {
                self.cut.remove(&pair);
            } else {
                self.cut.insert(pair);
            }
        }
    }

    /// Cuts or heals all links of a machine.
    pub fn isolate(&mut self, n: usize, alone: bool) {
        for other in (0..self.nodes.len()).filter(|&other| other != n) {
            self.link(n, other, !alone);
        }
    }

    /// Those that believe that they lead.
    pub fn leaders(&self) -> Vec<usize> {
        let leads = |n: &usize| self.nodes[*n].core.as_ref().is_some_and(Core::leads);
        (0..self.nodes.len()).filter(leads).collect()
    }

    /// A new command is proposed at machine `n`.
    pub fn propose(&mut self, n: usize) -> Option<Position> {
        self.commands += 1;
        let command = Blob::from(self.commands.to_le_bytes().to_vec());
        self.on(n, |core, turn| core.propose(command, turn))?.ok()
    }

    /// A read is asked for at machine `n`; its context.
    pub fn read(&mut self, n: usize) -> u64 {
        self.contexts += 1;
        let context = self.contexts;
        self.judge.asks(context);
        self.on(n, |core, turn| core.read(context, turn));
        context
    }

    /// A step of a configuration change at machine `n`.
    pub fn change(&mut self, n: usize, change: Change) -> Result<Position, NotTaken> {
        self.on(n, |core, turn| core.change(change, turn)).unwrap_or(Err(NotTaken::NotLeader))
    }

    /// A hand-over.
    pub fn transfer(&mut self, n: usize, to: usize) -> Result<(), NotTaken> {
        let to = self.nodes[to].id;
        self.on(n, |core, turn| core.transfer(to, turn)).unwrap_or(Err(NotTaken::NotLeader))
    }

    /// Machine `n` takes a snapshot of all that it has applied.
    pub fn snapshot(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let Some(core) = &mut node.core else { return };
        let (index, commands) = &node.state;
        let bytes: Vec<u8> = commands.iter().flat_map(|command| command.to_le_bytes()).collect();
        let mut pages: Vec<Blob> = bytes.chunks(self.tuning.page_bytes).map(|page| page.to_vec().into()).collect();
        if pages.is_empty() {
            pages.push(Vec::new().into());
        }
        if *index > 0 {
            core.snapshot_taken(*index, pages);
        }
        self.write(n);
    }

    /// How often a mark was seen.
    pub fn marked(&self, kind: &str) -> u64 {
        self.marks.get(kind).copied().unwrap_or(0)
    }

    /// No property was broken.
    pub fn assert_safe(&self) {
        assert!(self.judge.broken.is_empty(), "{:#?}", self.judge.broken);
    }

    /// All running machines have applied the same, everything that was committed.
    pub fn assert_equal(&self) {
        self.assert_safe();
        let index = self.judge.committed();
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.core.is_some()) {
            assert_eq!(node.state, (index, self.judge.commands(index)), "machine {n} differs");
        }
    }
}
