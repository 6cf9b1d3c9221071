//! Where a workspace keeps what: paths relative to the data directory.

/// The paths of one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    root: String,
}

impl Places {
    /// How the names of locks end.
    pub const LOCK: &'static str = ".lock";
    /// How the names of guards end, which are locks about locks.
    pub const GUARD: &'static str = ".break";

    /// The workspace in directory `root`, which must not end with a slash.
    pub fn of(root: &str) -> Places {
        assert!(!root.is_empty() && !root.ends_with('/'), "a workspace has a directory of its own: {root:?}");
        Places { root: root.to_owned() }
    }

    /// The workspace's own directory.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The directory that the workspace's own is in.
    pub fn parent(&self) -> &str {
        self.root.rsplit_once('/').map_or(".", |(parent, _)| if parent.is_empty() { "/" } else { parent })
    }

    /// Which format version the files have.
    pub fn format(&self) -> String {
        self.below("format.json")
    }

    /// The ledger: one event a line, append-only, the source of truth.
    pub fn ledger(&self) -> String {
        self.below("events.jsonl")
    }

    /// How far the ledger is durable, for those who share the page cache.
    pub fn watermark(&self) -> String {
        self.below("events.watermark")
    }

    /// What happened to the workspace itself: recoveries, fallbacks. Never read by the protocols.
    pub fn telemetry(&self) -> String {
        self.below("telemetry.jsonl")
    }

    /// Files that are not finished; what nobody alive owns is residue.
    pub fn temporaries(&self) -> String {
        self.below("tmp")
    }

    /// A file that is not finished.
    pub fn temporary(&self, name: &str) -> String {
        self.below(&format!("tmp/{name}"))
    }

    /// The locks.
    pub fn locks(&self) -> String {
        self.below("locks")
    }

    /// The lock of a domain, such as `events`.
    pub fn lock(&self, domain: &str) -> String {
        self.below(&format!("locks/{domain}{}", Self::LOCK))
    }

    /// The files that are saved atomically.
    pub fn states(&self) -> String {
        self.below("state")
    }

    /// A file that is saved atomically.
    pub fn state(&self, name: &str) -> String {
        self.below(&format!("state/{name}.json"))
    }

    /// The snapshots, a directory each.
    pub fn snapshots(&self) -> String {
        self.below("snapshots")
    }

    /// One snapshot.
    pub fn snapshot(&self, id: &str) -> String {
        self.below(&format!("snapshots/{id}"))
    }

    /// What proves that a snapshot is whole.
    pub fn manifest(&self, id: &str) -> String {
        self.below(&format!("snapshots/{id}/manifest.json"))
    }

    /// Which snapshot is being restored; there only while one is.
    pub fn restoring(&self) -> String {
        self.below("restore.json")
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }
}
