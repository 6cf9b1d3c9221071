//! The sequential model: what locks and files are, as a history of marks tells it, without crashes.
//!
//! Tests feed it every mark as it is stated; it says at once which invariant a mark breaks. The oracles judge the same
//! invariants under crashes and lost marks; this model is the specification in one page.

use contract::Mark;
use std::collections::BTreeMap;

/// What the marks so far have said.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Who holds each lock that is held.
    holders: BTreeMap<String, String>,
    /// The version and the content of each file.
    files: BTreeMap<String, (u64, u64)>,
    /// Saves that have been acknowledged.
    saves: u64,
}

impl Model {
    /// Takes the next mark.
    ///
    /// # Errors
    /// The id of the invariant that it breaks, and how.
    pub fn observe(&mut self, mark: &Mark) -> Result<(), String> {
        let text = |name: &str| mark.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| mark.number(name).unwrap_or_default();
        match &*mark.kind {
            "lock.taken" => self.taken(text("lock"), text("token")),
            "lock.left" => self.left(&text("lock"), &text("token")),
            "lock.broken" => Err(format!("L2: {} was broken, and nobody has died", text("lock"))),
            "file.writing" => self.writing(text("file"), number("version"), number("digest")),
            "file.saved" => {
                self.saves += 1;
                self.shown(&text("file"), number("version"), number("digest"))
            }
            // A reader that was overtaken shows what was true when it opened the file.
            "file.damaged" => Err(format!("A1: {} was damaged, and nothing has failed", text("file"))),
            "file.residue" if number("count") > 0 => Err(format!("A4: {} files are left", number("count"))),
            _ => Ok(()),
        }
    }

    /// Saves that have been acknowledged.
    pub fn saves(&self) -> u64 {
        self.saves
    }

    /// What must hold at quiescence: nobody holds anything.
    ///
    /// # Errors
    /// The id of the invariant that is broken, and how.
    pub fn at_rest(&self) -> Result<(), String> {
        match self.holders.iter().next() {
            Some((lock, holder)) => Err(format!("L3: {holder} still holds {lock}")),
            None => Ok(()),
        }
    }

    fn taken(&mut self, lock: String, token: String) -> Result<(), String> {
        match self.holders.get(&lock) {
            Some(holder) => Err(format!("L1: {token} took {lock}, which {holder} holds")),
            None => {
                self.holders.insert(lock, token);
                Ok(())
            }
        }
    }

    fn left(&mut self, lock: &str, token: &str) -> Result<(), String> {
        match self.holders.remove(lock) {
            Some(holder) if holder == token => Ok(()),
            other => Err(format!("L1: {token} gave {lock} back, which {other:?} holds")),
        }
    }

    /// Versions follow one another, since the file's lock orders its writers.
    fn writing(&mut self, file: String, version: u64, digest: u64) -> Result<(), String> {
        let before = self.files.get(&file).map_or(0, |(version, _)| *version);
        if version != before + 1 {
            return Err(format!("A3: version {version} of {file} is written after version {before}"));
        }
        self.files.insert(file, (version, digest));
        Ok(())
    }

    fn shown(&self, file: &str, version: u64, digest: u64) -> Result<(), String> {
        match self.files.get(file) {
            Some(known) if *known == (version, digest) => Ok(()),
            known => Err(format!("A2: version {version} of {file} was saved, and {known:?} is there")),
        }
    }
}
