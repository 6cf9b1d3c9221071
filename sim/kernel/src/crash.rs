//! Ends of processes and nodes: kills, power losses, pauses, and what each takes back.

use crate::draw::{StreamFor, index, stream};
use crate::event::Event;
use crate::fault::{FaultKind, FaultSpec, Scope};
use crate::process::Ambush;
use crate::queue::Revision;
use crate::trace::What;
use crate::world::World;
use contract::time::nanos;
use contract::{Mark, NodeId, ProcessId, Time};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// A crash lies in wait for one of this many next effects.
const AMBUSH_EFFECTS: u64 = 12;
/// Marks the stream that decides what a power loss leaves.
const LOSS_STREAM: u32 = 1 << 31;

impl World {
    /// Kills a process by hand, for drivers and debuggers; it starts again after `down_for`.
    pub fn crash(&mut self, victim: ProcessId, down_for: contract::Duration) {
        self.end(victim, "crash", nanos(down_for));
    }

    /// Takes a node's power away by hand, for drivers and debuggers; its processes start again after
    /// `down_for`. `variant` chooses among what may be left of unsynced changes.
    pub fn power_loss(&mut self, node: NodeId, down_for: contract::Duration, variant: u32) {
        let mut rng = stream(self.seed, StreamFor::Fault, u64::MAX >> 8 ^ u64::from(variant));
        self.switch_off(node, nanos(down_for), &mut rng);
    }

    /// Half of the crashes strike now; the others lie in wait for an effect of the victim.
    pub(crate) fn crash_or_ambush(
        &mut self,
        slot: usize,
        spec: &FaultSpec,
        target: NodeId,
        lasts: u64,
        rng: &mut ChaCha8Rng,
    ) {
        let all = &self.on_node[target.0 as usize];
        let Some(&drawn) = all.get(index(rng.next_u64(), all.len())) else { return };
        // Whose mark the fault waited for is in the middle of what followed it: in its recovery, for example.
        let witness = self.slots[slot].witness.filter(|process| all.contains(process));
        let victim = witness.unwrap_or(drawn);
        let power = spec.kind == FaultKind::PowerLoss;
        // What strikes many at once strikes them in the same instant, and what has waited for a mark right after it.
        let may_wait = spec.scope == Scope::Node && spec.after.is_none();
        let waits = rng.next_u64().is_multiple_of(2) && may_wait;
        let effects_left = (rng.next_u64() % AMBUSH_EFFECTS) as u32;
        if waits {
            let ambush = Ambush { slot: slot as u32, effects_left, down_for: lasts, power };
            self.processes[victim.0 as usize].ambush = Some(ambush);
        } else if power {
            self.lose_power(slot, target, lasts);
        } else {
            self.kill(slot, victim, lasts);
        }
    }

    /// A crash that lay in wait strikes.
    pub(crate) fn spring(&mut self, victim: ProcessId, incarnation: u32, ambush: Ambush) {
        let it = &self.processes[victim.0 as usize];
        if !self.storm || it.incarnation != incarnation {
            return;
        }
        let (slot, node) = (ambush.slot as usize, it.node);
        if ambush.power {
            self.lose_power(slot, node, ambush.down_for);
        } else {
            self.kill(slot, victim, ambush.down_for);
        }
    }

    /// Kills one process; it starts again after `lasts`.
    fn kill(&mut self, slot: usize, victim: ProcessId, lasts: u64) {
        if self.processes[victim.0 as usize].is_up() {
            self.counts[slot].fired += 1;
            self.end(victim, "crash", lasts);
        }
    }

    /// Ends an incarnation now: what it would have done later in its span never happens.
    pub(crate) fn end(&mut self, victim: ProcessId, reason: &'static str, down_for: u64) {
        let incarnation = self.processes[victim.0 as usize].incarnation;
        let was_up = self.processes[victim.0 as usize].is_up();
        self.cut(victim);
        self.release(victim);
        if was_up {
            let event = self.trace.record(What::Crash, self.now, 0, victim.0, 0, incarnation, 0);
            self.state(victim, self.now, event, Mark::new("system.exit").with("reason", reason));
        }
        self.queue.push(self.now + down_for, Event::Boot { process: victim, after: incarnation });
    }

    /// Takes back the effects that `victim` would have had after now.
    fn cut(&mut self, victim: ProcessId) {
        let now = self.now;
        let it = &mut self.processes[victim.0 as usize];
        if it.busy_until <= now {
            return;
        }
        it.busy_until = now;
        it.hung_until = now;
        self.nodes[it.node.0 as usize].disk.cut(victim, now);
        self.marks.retain(|mark| mark.process != victim || mark.at.0 <= now);
        self.queue.revise(|_, event| match event {
            Event::Message(message) if message.from == victim && message.sent > now => Revision::Drop,
            _ => Revision::Keep,
        });
    }

    pub(crate) fn lose_power(&mut self, slot: usize, target: NodeId, lasts: u64) {
        // What survives is drawn from the occurrence's own stream, far behind its other draws.
        let owner = LOSS_STREAM | (target.0 & 0xfff) << 18 | self.slots[slot].occurrence;
        let mut rng = self.occurrence_stream(slot, owner);
        if self.switch_off(target, lasts, &mut rng) {
            self.counts[slot].fired += 1;
        }
    }

    /// Ends everything on a node and settles what its disk keeps; whether anybody noticed.
    fn switch_off(&mut self, target: NodeId, lasts: u64, rng: &mut ChaCha8Rng) -> bool {
        let all = self.on_node[target.0 as usize].clone();
        let anyone_up = all.iter().any(|process| self.processes[process.0 as usize].is_up());
        for process in all {
            self.end(process, "power", lasts);
        }
        let node = &mut self.nodes[target.0 as usize];
        node.off = true;
        node.off_until = self.now + lasts;
        let loss = node.disk.power_loss(self.now, rng);
        if self.trace.narrates() {
            let crate::disk::loss::Loss { dropped, torn, kept, .. } = &loss;
            self.trace.narrate(format!("unsynced changes: {dropped} dropped, {torn} torn, {kept} kept"));
        }
        for slot in loss.phantoms {
            self.counts[slot].fired += 1;
        }
        anyone_up || loss.dropped + loss.torn > 0
    }

    /// Freezes a node: what its processes would still do in their spans happens after the pause.
    pub(crate) fn pause(&mut self, slot: usize, target: NodeId, lasts: u64) {
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        node.paused_until = node.paused_until.max(now) + lasts;
        for process in self.on_node[target.0 as usize].clone() {
            let it = &mut self.processes[process.0 as usize];
            if it.is_up() {
                self.counts[slot].fired += 1;
            }
            let inside_a_span = it.busy_until > now;
            if it.hung_until > now {
                it.hung_until += lasts;
            }
            it.busy_until = it.busy_until.max(now) + lasts;
            if inside_a_span {
                self.shift_effects(process, lasts as i64);
            }
        }
    }

    /// Freezes a node together with what it had sent to others: that was still in its own queues, and
    /// leaves when it resumes.
    pub(crate) fn freeze_with_sends(&mut self, slot: usize, target: NodeId, lasts: u64) {
        self.pause(slot, target, lasts);
        let (now, node_of) = (self.now, &self.node_of);
        self.queue.revise(|time, event| match event {
            // A late copy left long ago; what the pause put off has moved with its sender.
            Event::Message(message)
                if message.copied_by.is_none()
                    && message.sent <= now
                    && node_of[message.from.0 as usize] == target
                    && node_of.get(message.to.0 as usize) != Some(&target) =>
            {
                message.sent += lasts;
                Revision::Move(time + lasts)
            }
            _ => Revision::Keep,
        });
    }

    /// Ends a node's pause now: what it put off happens as much earlier as the pause is shorter.
    pub(crate) fn resume(&mut self, target: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[target.0 as usize];
        let rest = node.paused_until.saturating_sub(now);
        node.paused_until = now;
        for process in self.on_node[target.0 as usize].clone() {
            let it = &mut self.processes[process.0 as usize];
            if rest > 0 && it.busy_until > now {
                // Who died in a pause and was then paused again waits for less than the node does.
                it.busy_until = it.busy_until.saturating_sub(rest).max(now);
                it.hung_until = it.hung_until.saturating_sub(rest);
                // Of one that was idle, only what it had sent before may wait.
                self.shift_effects(process, -(rest as i64));
            }
            self.schedule_wake(process);
        }
    }

    /// Moves everything that `process` does after now in its span.
    pub(crate) fn shift_effects(&mut self, process: ProcessId, by: i64) {
        let now = self.now;
        let moved = |time: u64| time.saturating_add_signed(by).max(now);
        self.nodes[self.node_of[process.0 as usize].0 as usize].disk.shift(process, now, by);
        self.queue.revise(|time, event| match event {
            Event::Message(message) if message.from == process && message.sent > now => {
                message.sent = moved(message.sent);
                Revision::Move(moved(time))
            }
            Event::Boot { process: other, .. } if *other == process => Revision::Move(moved(time)),
            _ => Revision::Keep,
        });
        for mark in self.marks.iter_mut().filter(|mark| mark.process == process && mark.at.0 > now) {
            mark.at = Time(moved(mark.at.0));
        }
        self.marks.make_contiguous().sort_by_key(|mark| mark.at);
    }
}
