//! The simulator's heart: takes one event after the other and runs its handler to completion.
//!
//! Run to completion, then cut: a handler runs at once, each disk call advances its process's local time
//! by a drawn latency, and each effect is stamped with that time. The process takes no other event before
//! its span ends. When it dies inside its span, the effects stamped later are taken back.

use crate::draw::{Draw, Identity, Purpose, Step, StreamFor, stream, within};
use crate::effect::Effect;
use crate::event::{Event, Message};
use crate::fault::{FaultCount, FaultKind};
use crate::net::Net;
use crate::note::Note;
use crate::process::{CellBox, Node, Process};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::strike::Slot;
use crate::syscall::Scope;
use crate::trace::{Trace, What};
use contract::cell::Stop;
use contract::plan::Plan;
use contract::time::nanos;
use contract::{Halt, Mark, NodeId, Observed, Payload, ProcessId, Time};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Why [`World::run_until`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The time is up; events remain.
    Reached,
    /// Nothing is left to happen.
    Idle,
    /// More events than [`Settings::events_max`]: some actor goes round in circles, perhaps without time passing.
    Exhausted,
}

/// A departure from the quiet run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, in true virtual time.
    pub at: u64,
    /// The fault slot that decided.
    pub slot: u32,
    /// The node that was struck, or the sending node of a message.
    pub node: NodeId,
    /// For messages, the path of causes that keys the choice; for strikes the number of the occurrence.
    pub key: u64,
    /// Whether a message met it, rather than an occurrence beginning.
    pub message: bool,
}

/// A whole simulated cluster as a value.
#[derive(Clone)]
pub struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) seed: u64,
    pub(crate) draw: Draw,
    pub(crate) now: u64,
    pub(crate) queue: Queue<Event>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) processes: Vec<Process>,
    /// Node of each process: kept apart, since sending reads nothing else of the receiver.
    pub(crate) node_of: Vec<NodeId>,
    /// Processes of each node.
    pub(crate) on_node: Arc<Vec<Vec<ProcessId>>>,
    /// Random stream of each process, apart from what every event reads.
    pub(crate) streams: Vec<ChaCha8Rng>,
    pub(crate) net: Net,
    pub(crate) slots: Vec<Slot>,
    /// How many slots wait for a mark.
    pub(crate) armed: u32,
    pub(crate) counts: Vec<FaultCount>,
    /// Nodes on which durable data has been destroyed.
    pub(crate) damaged: BTreeSet<NodeId>,
    /// Whether faults still happen; healing ends them for good.
    pub(crate) storm: bool,
    pub(crate) marks: VecDeque<Observed>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) choices: BTreeMap<&'static str, (u64, u64)>,
    pub(crate) trace: Trace,
    /// Effects since they were last taken, while somebody lists them.
    pub(crate) effects: Option<Vec<Effect>>,
    deliveries: u64,
    /// A message whose identity has none of these bits moves as bytes.
    pub(crate) codec_mask: u64,
    scratch: Vec<u8>,
}

impl World {
    /// A cluster that is about to boot.
    pub fn new(plan: Arc<Plan>, settings: &Settings, seed: u64) -> World {
        let node_of: Vec<NodeId> = plan.processes.iter().map(|process| process.node).collect();
        let mut on_node = vec![Vec::new(); plan.nodes.len()];
        for (process, node) in node_of.iter().enumerate() {
            on_node[node.0 as usize].push(ProcessId(process as u32));
        }
        let mut world = World {
            on_node: Arc::new(on_node),
            draw: Draw::new(seed),
            seed,
            now: 0,
            queue: Queue::default(),
            nodes: plan.nodes.iter().map(|_| Node::new(&settings.disk)).collect(),
            processes: plan.processes.iter().map(|p| Process::new(p.node, Arc::clone(&p.blueprint))).collect(),
            streams: node_of.iter().map(|_| stream(seed, StreamFor::Process, 0)).collect(),
            node_of,
            net: Net::new(&settings.network),
            slots: settings.faults.iter().map(|_| Slot::default()).collect(),
            armed: 0,
            counts: vec![FaultCount::default(); settings.faults.len()],
            damaged: BTreeSet::new(),
            storm: true,
            marks: VecDeque::new(),
            decisions: Vec::new(),
            choices: BTreeMap::new(),
            trace: Trace::new(settings.trace_capacity, settings.narrate),
            effects: None,
            deliveries: 0,
            codec_mask: match settings.codec_sample {
                0 => u64::MAX,
                sample => sample.next_power_of_two() - 1,
            },
            scratch: Vec::with_capacity(256),
            settings: Arc::new(settings.clone()),
            plan,
        };
        for process in 0..world.processes.len() as u32 {
            // Machines are never switched on in the same nanosecond.
            let at = within(world.draw.bits(Identity::boot(process, 0), Purpose::Restart), 0, 1_000_000);
            world.queue.push(at, Event::Boot { process: ProcessId(process), after: 0 });
        }
        world.schedule_first_strikes();
        world
    }

    /// What runs in it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// True virtual time since the start.
    pub fn now(&self) -> Time {
        Time(self.now)
    }

    /// Handles one event; its number, or `None` when nothing is left to happen.
    pub fn step(&mut self) -> Option<u64> {
        let before = self.trace.events();
        loop {
            let (time, event) = self.queue.pop()?;
            assert!(time >= self.now, "time never goes back");
            self.now = time;
            self.dispatch(event);
            if self.trace.events() > before {
                return Some(self.trace.events());
            }
        }
    }

    /// Handles every event up to and including `limit`, then stands at `limit`.
    pub fn run_until(&mut self, limit: Time) -> Progress {
        while let Some(time) = self.queue.next_time() {
            if time > limit.0 {
                self.now = self.now.max(limit.0);
                return Progress::Reached;
            }
            if self.trace.events() >= self.settings.events_max {
                return Progress::Exhausted;
            }
            let Some((time, event)) = self.queue.pop() else { break };
            self.now = time;
            self.dispatch(event);
        }
        self.now = self.now.max(limit.0);
        Progress::Idle
    }

    /// Handles events until `count` messages have been delivered in all, or nothing is left.
    pub fn run_deliveries(&mut self, count: u64) {
        while self.deliveries < count {
            let Some((time, event)) = self.queue.pop() else { break };
            self.now = time;
            self.dispatch(event);
        }
    }

    /// Starts listing the effects of handlers; a copy of the world lists on.
    pub fn list_effects(&mut self) {
        self.effects = Some(Vec::new());
    }

    /// Moves out the effects listed since the last call, in the order in which handlers had them. Those of
    /// the last handlers may lie in the future.
    pub fn take_effects(&mut self, into: &mut Vec<Effect>) {
        if let Some(effects) = &mut self.effects {
            into.append(effects);
        }
    }

    /// Whether nothing is left to happen.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Moves out the marks that can no longer be cut, in the order of their times.
    pub fn take_marks(&mut self, into: &mut Vec<Observed>) {
        while self.marks.front().is_some_and(|mark| mark.at.0 <= self.now) {
            into.extend(self.marks.pop_front());
        }
    }

    /// A hash over every event so far: equal runs have equal fingerprints after each step.
    pub fn fingerprint(&self) -> u64 {
        self.trace.fingerprint()
    }

    /// Events handled so far.
    pub fn events(&self) -> u64 {
        self.trace.events()
    }

    /// Messages delivered to handlers so far.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    pub(crate) fn dispatch(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.arrive(message),
            Event::Alarm { process, incarnation, .. } => {
                let it = &self.processes[process.0 as usize];
                if it.incarnation == incarnation && it.is_up() {
                    if self.must_wait(process) { self.park(process, event) } else { self.handle(event) }
                }
            }
            Event::Boot { process, after } => self.boot(process, after),
            Event::Wake(process) => self.wake(process),
            Event::Strike(slot) => self.strike(slot as usize),
            Event::Relief(slot) => self.relieve(slot as usize),
            Event::Ambush { process, incarnation, ambush } => self.spring(process, incarnation, ambush),
        }
    }

    fn arrive(&mut self, message: Message) {
        let to = message.to;
        if !self.net.cuts.is_empty() {
            let (a, b) = (self.node_of[message.from.0 as usize], self.node_of[to.0 as usize]);
            if let Some(slot) = self.net.cut_between(a, b).filter(|_| a != b) {
                self.meets(slot, a, message.identity);
                return self.lose(&message);
            }
        }
        if let Some(slot) = message.copied_by {
            self.counts[slot as usize].fired += 1;
        }
        if !self.processes[to.0 as usize].is_up() {
            return self.lose(&message);
        }
        if self.must_wait(to) {
            if !self.net.slow.is_empty() && self.overflows(&message) {
                return self.lose(&message);
            }
            self.park(to, Event::Message(message));
        } else {
            self.deliver(message);
        }
    }

    #[cold]
    pub(crate) fn lose(&mut self, message: &Message) {
        let tag = message.payload.protocol().0;
        let event = self.trace.record(
            What::Drop,
            self.now,
            message.cause,
            message.to.0,
            message.from.0,
            tag,
            message.identity.0,
        );
        if self.trace.narrates() {
            self.trace.note(event, Note::of(message));
        }
    }

    #[inline]
    fn must_wait(&self, process: ProcessId) -> bool {
        let it = &self.processes[process.0 as usize];
        it.busy_until > self.now || !it.mailbox.is_empty()
    }

    fn park(&mut self, process: ProcessId, event: Event) {
        self.processes[process.0 as usize].mailbox.push_back(event);
        self.schedule_wake(process);
    }

    /// Makes sure that a process whose mailbox is not empty takes the next event as soon as it is free.
    pub(crate) fn schedule_wake(&mut self, process: ProcessId) {
        let it = &mut self.processes[process.0 as usize];
        let free = it.busy_until.max(self.now);
        if !it.mailbox.is_empty() && it.wake_at.is_none_or(|at| at > free) {
            it.wake_at = Some(free);
            self.queue.push(free, Event::Wake(process));
        }
    }

    fn wake(&mut self, process: ProcessId) {
        let it = &mut self.processes[process.0 as usize];
        if it.wake_at != Some(self.now) {
            return; // A crash, a pause or its end has made another wake-up the right one.
        }
        it.wake_at = None;
        if it.busy_until <= self.now
            && it.is_up()
            && let Some(event) = it.mailbox.pop_front()
        {
            self.handle(event);
        }
        self.schedule_wake(process);
    }

    /// Runs the handler of a message or an alarm for a process that is up and free.
    fn handle(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.deliver(message),
            Event::Alarm { process, alarm, cause, identity, .. } => {
                let it = &mut self.processes[process.0 as usize];
                let Some(mut cell) = it.cell.take() else { return };
                if !cell.0.is_live(alarm) {
                    it.cell = Some(cell);
                    return;
                }
                let event = self.trace.record(What::Timer, self.now, cause, process.0, 0, alarm.slot, identity.0);
                let mut scope = Scope::new(self, process, event, identity);
                let result = scope.run(|host| cell.0.fire(alarm, host)).map(|_| ());
                let local = scope.end();
                self.finish(process, cell, local, result);
            }
            _ => unreachable!("only messages and alarms have handlers"),
        }
    }

    fn deliver(&mut self, message: Message) {
        let Message { from, to, cause, identity, .. } = message;
        let Some(mut cell) = self.processes[to.0 as usize].cell.take() else { return };
        let protocol = message.payload.protocol();
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        encode(&*message.payload, &mut bytes);
        let event = self.trace.record(What::Deliver, self.now, cause, to.0, from.0, protocol.0, xxh3_64(&bytes));
        if self.trace.narrates() {
            self.trace.note(event, Note::of(&message));
        }
        let payload = message.payload;
        self.deliveries += 1;
        let as_bytes = identity.0 & self.codec_mask == 0;
        let mut scope = Scope::new(self, to, event, identity);
        let result = if as_bytes {
            scope.run(|host| cell.0.deliver_bytes(from, protocol, &bytes, host))
        } else {
            scope.run(|host| cell.0.deliver(from, payload, host))
        };
        let mut local = scope.end();
        self.scratch = bytes;
        if !self.net.slow.is_empty() {
            local += self.slowness(from, to, identity);
        }
        if matches!(result, Err(Stop::Refused(_))) {
            self.refused(from, to);
        }
        self.finish(to, cell, local, result);
    }

    #[inline]
    fn finish(&mut self, process: ProcessId, cell: CellBox, local: u64, result: Result<(), Stop>) {
        let it = &mut self.processes[process.0 as usize];
        it.busy_until = local;
        match result {
            Ok(()) => it.cell = Some(cell),
            Err(Stop::Refused(refused)) => {
                it.cell = Some(cell);
                self.trace.record(What::Refuse, self.now, self.trace.events(), process.0, process.0, 0, 0);
                if self.trace.narrates() {
                    self.trace.narrate(format!("{refused:?}"));
                }
            }
            Err(Stop::Halt(halt)) => self.halt(process, local, &halt),
        }
    }

    /// A process ended itself at the end of its span; its supervisor will start it again.
    fn halt(&mut self, process: ProcessId, local: u64, halt: &Halt) {
        let incarnation = self.processes[process.0 as usize].incarnation;
        let event = self.trace.record(What::Halt, self.now, self.trace.events(), process.0, 0, incarnation, 0);
        if self.trace.narrates() {
            self.trace.narrate(halt.reason.clone());
        }
        let mark = Mark::new("system.exit").with("reason", "halt").with("why", halt.reason.as_str());
        self.state(process, local, event, mark);
        self.release(process);
        let wait = self.restart_wait(process);
        self.queue.push(local + wait, Event::Boot { process, after: incarnation });
    }

    /// How long a supervisor takes to start a process again.
    pub(crate) fn restart_wait(&self, process: ProcessId) -> u64 {
        let (least, most) = (nanos(self.settings.restart.least), nanos(self.settings.restart.most));
        let incarnation = self.processes[process.0 as usize].incarnation;
        within(self.draw.bits(Identity::boot(process.0, incarnation), Purpose::Restart), least, most)
    }

    /// Ends an incarnation's hold on everything but its effects.
    pub(crate) fn release(&mut self, process: ProcessId) {
        let it = &mut self.processes[process.0 as usize];
        it.cell = None;
        it.mailbox.clear();
        it.wake_at = None;
        it.ambush = None;
        let node = &mut self.nodes[it.node.0 as usize];
        for handle in it.handles.drain(..).flatten() {
            node.disk.unpin(handle.ino);
        }
    }

    fn boot(&mut self, process: ProcessId, after: u32) {
        let it = &mut self.processes[process.0 as usize];
        if it.is_up() || it.incarnation != after {
            return;
        }
        let node = &mut self.nodes[it.node.0 as usize];
        let not_before = node.paused_until.max(node.off_until).max(it.busy_until);
        if not_before > self.now {
            return self.queue.push(not_before, Event::Boot { process, after });
        }
        if node.off {
            node.off = false;
            node.boot += 1;
            node.clock.boot(self.now);
        }
        let pid = self.free_pid(process);
        let it = &mut self.processes[process.0 as usize];
        it.incarnation += 1;
        it.pid = pid;
        it.started = self.now;
        it.last_now = 0;
        it.busy_until = self.now;
        let owner = (u64::from(process.0) << 24) | u64::from(it.incarnation);
        self.streams[process.0 as usize] = stream(self.seed, StreamFor::Process, owner);
        let identity = Identity::boot(process.0, it.incarnation);
        let incarnation = it.incarnation;
        let blueprint = Arc::clone(self.build_of(process));
        let event = self.trace.record(What::Boot, self.now, 0, process.0, 0, incarnation, identity.0);
        self.state(process, self.now, event, Mark::new("system.boot"));
        let mut scope = Scope::new(self, process, event, identity);
        let result = scope.run(|host| blueprint.boot(host));
        let local = scope.end();
        match result {
            Ok(cell) => self.finish(process, CellBox(cell), local, Ok(())),
            Err(halt) => {
                self.processes[process.0 as usize].busy_until = local;
                self.halt(process, local, &halt);
            }
        }
    }

    fn free_pid(&mut self, process: ProcessId) -> contract::Pid {
        let node = self.node_of[process.0 as usize].0 as usize;
        loop {
            let pid = self.nodes[node].allocate_pid(self.settings.pid_max.max(self.on_node[node].len() as u32 + 2));
            let mut others = self.on_node[node].iter().map(|other| &self.processes[other.0 as usize]);
            if !others.any(|other| other.is_up() && other.pid == pid) {
                return pid;
            }
        }
    }

    /// Files a mark in the order of its stamp.
    pub(crate) fn state(&mut self, process: ProcessId, at: u64, event: u64, mark: Mark) {
        if self.trace.narrates() {
            self.trace.note(event, Note::Mark { at: Time(at), mark: mark.clone() });
        }
        if self.armed > 0 {
            self.trigger(process, at, &mark.kind);
        }
        let incarnation = self.processes[process.0 as usize].incarnation;
        let observed = Observed { at: Time(at), process, incarnation, event, mark };
        let behind = self.marks.iter().rev().take_while(|other| other.at.0 > at).count();
        self.marks.insert(self.marks.len() - behind, observed);
    }

    /// Counts a fault that met a message, and logs the decision.
    pub(crate) fn meets(&mut self, slot: usize, node: NodeId, message: Identity) {
        self.counts[slot].fired += 1;
        self.decides(slot, node, message);
    }

    /// Logs that a fault meets a message.
    fn decides(&mut self, slot: usize, node: NodeId, message: Identity) {
        self.decisions.push(Decision { at: self.now, slot: slot as u32, node, key: message.0, message: true });
    }

    /// Puts a message on its way from `from`, at its sender's local time.
    #[inline]
    pub(crate) fn send(&mut self, mut message: Message) {
        let from = self.node_of[message.from.0 as usize];
        let Some(&to) = self.node_of.get(message.to.0 as usize) else { return self.lose(&message) };
        if from == to || self.net.is_quiet() {
            let delay = self.net.latency(&self.draw, message.identity, from == to);
            return self.queue.push(message.sent + delay, Event::Message(message));
        }
        let journey = self.net.journey(&self.draw, message.identity, message.sent, from, to);
        for &slot in &journey.struck {
            // A late copy counts as fired when it arrives.
            if self.settings.faults[slot].kind == FaultKind::LateReplay {
                message.copied_by = Some(slot as u32);
                self.decides(slot, from, message.identity);
            } else {
                self.meets(slot, from, message.identity);
            }
        }
        let late = message.copied_by.take();
        if let Some(delay) = journey.again {
            let mut copy = message.clone();
            copy.identity = copy.identity.then(Step::Copy, 0, 0);
            copy.copied_by = late;
            self.queue.push(message.sent + delay, Event::Message(copy));
        }
        match journey.arrives {
            Some(delay) => self.queue.push(message.sent + delay, Event::Message(message)),
            None => self.lose(&message),
        }
    }
}

/// Appends a message's encoding; a type that cannot be encoded is a mistake of whoever defined it.
#[inline]
fn encode(payload: &dyn Payload, out: &mut Vec<u8>) {
    if let Err(error) = payload.encode(out) {
        panic!("a message of {} cannot be encoded ({error}): {payload:?}", payload.name());
    }
}

/// A message's encoding.
pub(crate) fn encoded(payload: &dyn Payload) -> Vec<u8> {
    let mut out = Vec::new();
    encode(payload, &mut out);
    out
}
