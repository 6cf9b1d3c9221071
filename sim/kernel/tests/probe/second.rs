//! The probe's other build: it writes the same file and speaks the first protocol with a type of its own, and now and
//! then the second protocol, which the first build does not know.

use super::{ROUND, found};
use contract::plan::Directory;
use contract::{Actor, Addr, Context, DiskError, Halt, Open, ProcessId, inbox, mark, message};
use serde::{Deserialize, Serialize};

/// The note of the first build as this one declares it: another type, the same bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OldNote {
    /// Counts the sender's notes over one life.
    pub serial: u64,
    /// Padding.
    pub text: Box<str>,
}
message!(OldNote = "test.probe/1");

/// A note with one field more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewNote {
    /// Counts the sender's notes over one life.
    pub serial: u64,
    /// Padding.
    pub text: Box<str>,
    /// Which build sent it.
    pub build: u8,
}
message!(NewNote = "test.probe/2");

inbox! {
    pub enum Inbox { Old(OldNote), New(NewNote) }
}

/// One note in this many is of the second protocol.
const NEW_EVERY: u64 = 4;

/// The second build of a probe.
#[derive(Clone, Debug)]
pub struct Second {
    next: ProcessId,
    serial: u64,
}

impl Second {
    fn write(&self, ctx: &mut Context<'_, Self>) -> Result<(), DiskError> {
        let mut disk = ctx.disk();
        let file = disk.open("probe.log", Open::Create)?;
        disk.append_all(file, &[self.serial as u8; 700])?;
        disk.sync(file)?;
        disk.close(file);
        Ok(())
    }
}

impl Actor for Second {
    type Config = ProcessId;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(next: &ProcessId, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer((), ROUND);
        let found = found(ctx);
        ctx.mark(mark!("probe.boot", pid = ctx.identity().pid.0, host_boot = ctx.identity().boot, build = 2u64));
        if let Some(last) = found {
            ctx.mark(mark!("probe.found", last = last, build = 2u64));
        }
        Ok(Second { next: *next, serial: 0 })
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let (serial, protocol) = match message {
            Inbox::Old(note) => (note.serial, 1u64),
            Inbox::New(note) => (note.serial, 2u64),
        };
        ctx.mark(mark!("probe.heard", from = from.0, serial = serial, protocol = protocol, build = 2u64));
        Ok(())
    }

    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.serial += 1;
        ctx.set_timer((), ROUND);
        let (serial, text) = (self.serial, "x".repeat(40).into_boxed_str());
        if serial.is_multiple_of(NEW_EVERY) {
            let to: Addr<NewNote> = Directory::known(self.next);
            ctx.send(to, NewNote { serial, text, build: 2 });
        } else {
            let to: Addr<OldNote> = Directory::known(self.next);
            ctx.send(to, OldNote { serial, text });
        }
        let (mono, wall) = (ctx.now().0, ctx.wall().0 as u64);
        ctx.mark(mark!("probe.round", serial = serial, mono = mono, wall = wall, build = 2u64));
        if let Err(error) = self.write(ctx) {
            ctx.mark(mark!("probe.error", call = "write", error = error.to_string()));
        }
        Ok(())
    }
}
