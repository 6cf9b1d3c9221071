//! The contract's system calls for a plain program: no actor, no runtime, no network.
//!
//! What is promised is what [`contract::host::Host`] says, with three differences that a single program has:
//! it is process 0 of a system of one, what it sends goes nowhere, and alarms never ring.

use crate::marks::MarkSink;
use crate::storage::DirStorage;
use crate::{clock, identity, random};
use contract::disk::Storage;
use contract::host::{Host, Identity, Liveness};
use contract::timer::Alarm;
use contract::{Duration, Mark, Observed, Payload, Pid, ProcessId, Time, Wall};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::io;
use std::path::Path;

/// This program's view of its machine, with the files below one directory.
pub struct Local {
    identity: Identity,
    storage: DirStorage,
    rng: ChaCha8Rng,
    marks: Box<dyn MarkSink>,
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl MarkSink for Silent {
    fn state(&mut self, _: &Observed) {}
}

impl Local {
    /// Opens the directory `data_dir`, which is made if it is missing. At most `open_files_max` files are open at
    /// once; what is stated goes to `marks`.
    ///
    /// # Errors
    /// When the directory cannot be used, or the system tells neither who this process is nor gives random bytes.
    pub fn open(data_dir: &Path, open_files_max: usize, marks: Box<dyn MarkSink>) -> io::Result<Local> {
        let storage = DirStorage::open_dir(data_dir, open_files_max)?;
        Ok(Local { identity: identity::identity()?, storage, rng: random::generator()?, marks })
    }

    /// Blocks the calling thread.
    pub fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Host for Local {
    fn me(&self) -> ProcessId {
        ProcessId(0)
    }
    fn identity(&self) -> Identity {
        self.identity
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        identity::liveness(pid)
    }
    fn now(&self) -> Time {
        clock::monotonic()
    }
    fn wall(&self) -> Wall {
        clock::wall()
    }
    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
    fn send(&mut self, _: ProcessId, _: Box<dyn Payload>) {}
    fn arm(&mut self, _: Alarm, _: Duration) {}
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }
    fn mark(&mut self, mark: Mark) {
        self.marks.state(&Observed { at: clock::monotonic(), process: ProcessId(0), incarnation: 1, event: 0, mark });
    }
    fn choose(&mut self, _site: &'static str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::mark;
    use std::sync::mpsc;

    #[test]
    fn a_program_sees_itself_alive_and_its_marks_arrive() {
        let dir = std::env::temp_dir().join(format!("stormproof-local-{}", std::process::id()));
        let (sender, marks) = mpsc::channel();
        let mut local = Local::open(&dir, 8, Box::new(crate::Channel(sender))).unwrap();
        let me = local.identity();
        assert_eq!(local.liveness(me.pid), Liveness::Alive { started: me.started });
        local.mark(mark!("test.here", pid = me.pid.0));
        assert_eq!(marks.try_recv().unwrap().mark.number("pid"), Some(u64::from(me.pid.0)));
        assert_ne!(local.random(), Local::open(&dir, 8, Box::new(Silent)).unwrap().random());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
