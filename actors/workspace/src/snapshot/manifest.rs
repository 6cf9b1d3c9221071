//! The manifest of a snapshot: what belongs to it, byte for byte, and who the authority over what is.
//!
//! The manifest is written last. A snapshot without one does not exist; one whose digest is wrong is damaged.

use serde::{Deserialize, Serialize};

/// The version of manifests that this build writes, and the only one that it reads.
pub const SNAPSHOT_VERSION: u32 = 1;
/// Longer manifests are refused before they are parsed, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The version of this document.
    pub snapshot_version: u32,
    /// When it was taken: ISO 8601, UTC.
    pub created_at: String,
    /// The program that took it.
    pub tool_version: String,
    /// Where the truth about the state is: always `filesystem`.
    pub state_authority: String,
    /// What the projection is kept in: `sqlite`. It is never the truth, and never in a snapshot.
    pub projection_authority: String,
    /// What a restored workspace has exactly as it was; everything else is derived or is left alone.
    pub deterministic_scope: Vec<String>,
    /// The files, in the order of their paths.
    pub files: Vec<Entry>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path below the workspace, and below the snapshot.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// The BLAKE3 hash of its bytes, in hexadecimal.
    pub blake3: String,
}

/// As it is written: the manifest, and the hash of its JSON text, so that it cannot rot unseen either.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    blake3: String,
}

/// The ledger, the format and the saved files: the paths that a manifest may name.
pub const SCOPE: [&str; 3] = ["events.jsonl", "format.json", "state/"];

impl Manifest {
    /// The manifest of `files`, which are sorted here.
    pub fn of(created_at: String, tool_version: String, mut files: Vec<Entry>) -> Manifest {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Manifest {
            snapshot_version: SNAPSHOT_VERSION,
            created_at,
            tool_version,
            state_authority: "filesystem".to_owned(),
            projection_authority: "sqlite".to_owned(),
            deterministic_scope: SCOPE.map(str::to_owned).to_vec(),
            files,
        }
    }

    /// Its JSON text, sealed.
    pub fn encode(&self) -> Vec<u8> {
        let sealed = Sealed { manifest: self.clone(), blake3: self.digest() };
        // Strings, numbers and lists have a JSON text; nothing here can fail.
        let mut bytes = serde_json::to_vec_pretty(&sealed).expect("plain data has a JSON text");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a sealed manifest.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|error| format!("it is no manifest: {error}"))?;
        let manifest = sealed.manifest;
        if manifest.digest() != sealed.blake3 {
            return Err("its own hash does not fit it".to_owned());
        }
        if manifest.snapshot_version != SNAPSHOT_VERSION {
            let found = manifest.snapshot_version;
            return Err(format!("it has version {found}, and this program reads version {SNAPSHOT_VERSION}"));
        }
        if let Some(entry) = manifest.files.iter().find(|entry| !in_scope(&entry.path)) {
            return Err(format!("it names {:?}, which is no file of a workspace", entry.path));
        }
        if !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
            return Err("its files are not in order, or one is named twice".to_owned());
        }
        Ok(manifest)
    }

    /// The hash over its JSON text.
    pub fn digest(&self) -> String {
        // As in `encode`.
        let text = serde_json::to_vec(self).expect("plain data has a JSON text");
        blake3::hash(&text).to_hex().to_string()
    }
}

/// Whether a restore may write that path: a manifest from elsewhere must not reach out of the workspace.
fn in_scope(path: &str) -> bool {
    match path.strip_prefix("state/") {
        Some(name) => name.strip_suffix(".json").is_some_and(|name| !name.is_empty() && !name.contains('/')),
        None => SCOPE[..2].contains(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = |path: &&str| Entry { path: (*path).to_owned(), size: 1, blake3: "00".to_owned() };
        Manifest::of("2026-11-21T00:00:00.000Z".to_owned(), "t 1".to_owned(), paths.iter().map(entry).collect())
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let manifest = manifest(&["state/a.json", "events.jsonl", "format.json"]);
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let manifest = manifest(&["events.jsonl", "state/a.json"]);
        let bytes = manifest.encode();
        for at in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[at] ^= 1;
            // White space between tokens carries no meaning; whatever is still read must mean the same.
            if let Ok(read) = Manifest::decode(&rotten) {
                assert_eq!(read, manifest, "byte {at}");
            }
            assert!(Manifest::decode(&bytes[..at]).is_err() || at == bytes.len() - 1, "cut at {at}");
        }
    }

    #[test]
    fn a_path_outside_the_workspace_is_refused() {
        for path in ["../x", "/etc/passwd", "state/../../x.json", "state/.json", "state/a", "locks/events.lock", ""] {
            assert!(Manifest::decode(&manifest(&[path]).encode()).is_err(), "{path:?}");
        }
        assert!(Manifest::decode(&manifest(&["format.json", "format.json"]).encode()).is_err());
    }
}
