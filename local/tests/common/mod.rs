//! A directory of its own for each test, and events.

#![allow(dead_code, reason = "each test file uses what it needs")]

use local::{Cursor, Event, NewEvent, Workspace};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Removed at the end of the test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stormproof-local-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// Where the test's workspace is.
    pub fn workspace(&self) -> PathBuf {
        self.0.join("w")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An event with that key.
pub fn event(key: &str) -> NewEvent {
    NewEvent { domain: "tx".to_owned(), key: key.to_owned(), payload: "{\"sum\":3}".to_owned() }
}

/// Everything in the ledger.
pub fn all(workspace: &Workspace) -> Vec<Event> {
    let (mut cursor, mut events) = (Cursor::START, Vec::new());
    loop {
        let page = workspace.read(cursor, 64 * 1024).unwrap();
        events.extend(page.events);
        cursor = page.cursor;
        if !page.more {
            return events;
        }
    }
}

/// The keys in the ledger, whose numbers must be 1, 2, 3 and so on.
pub fn keys(workspace: &Workspace) -> Vec<String> {
    let events = all(workspace);
    assert!(events.iter().zip(1..).all(|(event, id)| event.id == id), "numbers are gapless: {events:?}");
    events.into_iter().map(|event| event.key).collect()
}

pub fn append_to(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}
