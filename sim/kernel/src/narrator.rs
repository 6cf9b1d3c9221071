//! A handler's view of the world that keeps notes of what the handler does. Only narrated runs have one: it
//! stands between the handler and the [`Scope`] that does the work, so that quiet runs pay nothing for it.

use crate::note::{DiskNote, Note};
use crate::syscall::Scope;
use contract::disk::{Stat, Storage};
use contract::host::{Identity, Liveness};
use contract::timer::Alarm;
use contract::{DiskError, Duration, File, Host, Mark, Open, Payload, Pid, ProcessId, Time, Wall};

impl Scope<'_> {
    /// Runs a handler against this view; with a narrator between them where the run is narrated.
    #[inline]
    pub fn run<T>(&mut self, handler: impl FnOnce(&mut dyn Host) -> T) -> T {
        if self.world.trace.narrates() { handler(&mut Narrator { scope: self }) } else { handler(self) }
    }
}

/// Notes what passes through it, and passes everything on.
struct Narrator<'s, 'w> {
    scope: &'s mut Scope<'w>,
}

impl<'w> Narrator<'_, 'w> {
    /// Notes a disk call, makes it, and notes how it ended.
    fn told<T>(
        &mut self,
        call: &'static str,
        path: &str,
        detail: String,
        act: impl FnOnce(&mut Scope<'w>) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let at = Time(self.scope.local);
        let note = DiskNote { at, until: at, call, path: path.to_owned(), detail, outcome: Ok(()) };
        let (event, nth) = (self.scope.event, self.scope.world.trace.notes(self.scope.event).len());
        self.scope.world.trace.note(event, Note::Disk(note));
        let result = act(self.scope);
        if let Some(Note::Disk(note)) = self.scope.world.trace.note_mut(event, nth) {
            note.until = Time(self.scope.local);
            note.outcome = result.as_ref().map(|_| ()).map_err(|error| *error);
        }
        result
    }

    /// Notes a call that moves up to `wanted` bytes: how many, and how many of them did.
    fn moved(
        &mut self,
        call: &'static str,
        file: File,
        wanted: usize,
        place: &str,
        act: impl FnOnce(&mut Scope<'w>) -> Result<usize, DiskError>,
    ) -> Result<usize, DiskError> {
        let (path, event) = (self.path(file), self.scope.event);
        let nth = self.scope.world.trace.notes(event).len();
        let result = self.told(call, &path, format!("{wanted} bytes{place}"), act);
        if let (Ok(moved), Some(Note::Disk(note))) = (&result, self.scope.world.trace.note_mut(event, nth))
            && *moved < wanted
        {
            note.detail = format!("{moved} of {wanted} bytes{place}");
        }
        result
    }

    /// The path under which this incarnation opened a file.
    fn path(&self, file: File) -> String {
        let handles = &self.scope.world.processes[self.scope.process.0 as usize].handles;
        let Some(handle) = handles.get(file.0 as usize).copied().flatten() else { return format!("#{}", file.0) };
        let disk = &self.scope.world.nodes[self.scope.node.0 as usize].disk;
        disk.path_of(handle.ino).unwrap_or_else(|| format!("#{} (unlinked)", file.0))
    }
}

impl Host for Narrator<'_, '_> {
    fn me(&self) -> ProcessId {
        self.scope.me()
    }
    fn identity(&self) -> Identity {
        self.scope.identity()
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        self.scope.liveness(pid)
    }
    fn now(&self) -> Time {
        self.scope.now()
    }
    fn wall(&self) -> Wall {
        self.scope.wall()
    }
    fn random(&mut self) -> u64 {
        self.scope.random()
    }
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        self.scope.send(to, payload);
    }
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        self.scope.arm(alarm, after);
    }
    fn storage(&mut self) -> &mut dyn Storage {
        self
    }
    fn mark(&mut self, mark: Mark) {
        self.scope.mark(mark);
    }
    fn choose(&mut self, site: &'static str) -> bool {
        let yes = self.scope.choose(site);
        if yes {
            self.scope.world.trace.note(self.scope.event, Note::Text(format!("chose {site}")));
        }
        yes
    }
}

impl Storage for Narrator<'_, '_> {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        let disk = &self.scope.world.nodes[self.scope.node.0 as usize].disk;
        let creates = matches!(mode, Open::Create | Open::CreateNew) && disk.resolve(path).is_err();
        let (call, detail) = if creates { ("create", String::new()) } else { ("open", format!("{mode:?}")) };
        self.told(call, path, detail, |scope| scope.open(path, mode))
    }
    fn close(&mut self, file: File) {
        self.scope.close(file);
    }
    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        self.moved("append", file, bytes.len(), "", |scope| scope.append(file, bytes))
    }
    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let place = format!(" at {offset}");
        self.moved("read", file, into.len(), &place, |scope| scope.read_at(file, offset, into))
    }
    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let place = format!(" at {offset}");
        self.moved("write", file, bytes.len(), &place, |scope| scope.write_at(file, offset, bytes))
    }
    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        let path = self.path(file);
        self.told("truncate", &path, format!("to {len} bytes"), |scope| scope.truncate(file, len))
    }
    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        // It takes no time and cannot be told from what the process knows already.
        self.scope.len(file)
    }
    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        let path = self.path(file);
        self.told("sync", &path, String::new(), |scope| scope.sync(file))
    }
    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        self.told("sync_dir", path, String::new(), |scope| scope.sync_dir(path))
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.told("rename", from, format!("-> {to}"), |scope| scope.rename(from, to))
    }
    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        self.told("link", existing, format!("-> {to}"), |scope| scope.link(existing, to))
    }
    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        self.told("unlink", path, String::new(), |scope| scope.unlink(path))
    }
    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        self.told("mkdir", path, String::new(), |scope| scope.mkdir(path))
    }
    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        self.told("list", path, String::new(), |scope| scope.list(path))
    }
    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        // It takes no time, and programs ask often.
        self.scope.stat(path)
    }
}
