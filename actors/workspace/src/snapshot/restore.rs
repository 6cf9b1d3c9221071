//! Going back to a snapshot: all of it or, until it is finished, nothing that anybody may use.
//!
//! An intent (`restore.json`) is written before the first file is touched and removed after the last. While it is
//! there the workspace is a mixture: nobody may append or save, and whoever meets it finishes the restore first
//! ([`finish`]). Doing it again changes nothing: each file is a copy that replaces its target whole.

use super::manifest::Manifest;
use super::{SnapshotError, saved, verify};
use crate::places::Places;
use crate::turn::{Step, Turn};
use crate::whole::{self, Failed, ok, on};
use contract::DiskError;
use serde::{Deserialize, Serialize};

/// Longer intents are no intents, in bytes.
const INTENT_BYTES_MAX: u64 = 4_096;

/// What is being restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Intent {
    snapshot: String,
}

/// Puts the workspace back to snapshot `id`. The caller holds the locks of [`super::domains`].
///
/// Versions of saved files and event ids go back with it: this is the one operation that may.
///
/// # Errors
/// When there is no such snapshot or it is damaged: then nothing was changed. When the disk refuses: then the restore
/// is unfinished, and [`finish`] goes on with it.
pub fn restore(turn: &mut Turn<'_>, places: &Places, id: &str) -> Step<Result<Manifest, SnapshotError>> {
    let manifest = ok!(verify(turn, places, id)?);
    let intent = serde_json::to_vec(&Intent { snapshot: id.to_owned() });
    // A name has a JSON text.
    let intent = intent.expect("a structure of texts can be written as JSON");
    ok!(whole::replace(turn, places, places.root(), &places.restoring(), &intent)?);
    ok!(put_back(turn, places, id, &manifest)?);
    Ok(Ok(manifest))
}

/// Whether a restore is unfinished. One call; to be asked under the lock, before anything is changed.
///
/// # Errors
/// When the disk refuses.
pub fn unfinished(turn: &mut Turn<'_>, places: &Places) -> Step<Result<bool, Failed>> {
    match turn.stat(&places.restoring())? {
        Ok(_) => Ok(Ok(true)),
        Err(DiskError::NotFound) => Ok(Ok(false)),
        Err(error) => Ok(Err(on("look at", &places.restoring())(error))),
    }
}

/// Finishes the restore that a crash cut short, if there is one: returns its snapshot. The caller holds the locks.
///
/// To be called at every open and by whoever takes a lock over from the dead. Where no restore is seen, the last one
/// may have ended without the end being safe: power loss would bring the intent back and undo what others do now.
///
/// # Errors
/// When its snapshot is damaged by now (restore another one), or the disk refuses.
pub fn finish(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Option<String>, SnapshotError>> {
    let Some(snapshot) = ok!(intent(turn, places)?) else {
        ok!(whole::sync_dir(turn, places.root())?);
        return Ok(Ok(None));
    };
    let manifest = ok!(verify(turn, places, &snapshot)?);
    ok!(put_back(turn, places, &snapshot, &manifest)?);
    Ok(Ok(Some(snapshot)))
}

/// Which snapshot is being restored.
pub(super) fn intent(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Option<String>, SnapshotError>> {
    let Some(bytes) = ok!(whole::read(turn, &places.restoring(), INTENT_BYTES_MAX)?) else { return Ok(Ok(None)) };
    let Ok(Intent { snapshot }) = serde_json::from_slice(&bytes) else {
        let problem = "restore.json does not say which snapshot was being restored".to_owned();
        return Ok(Err(SnapshotError::Damaged("?".to_owned(), vec![problem])));
    };
    Ok(Ok(Some(snapshot)))
}

/// Replaces each file by its copy, removes saved files that the snapshot does not have, and ends the intent.
fn put_back(turn: &mut Turn<'_>, places: &Places, id: &str, manifest: &Manifest) -> Step<Result<(), Failed>> {
    let (root, snapshot, temporary) = (places.root(), places.snapshot(id), places.temporary("restore"));
    // What it says about the old ledger must not be read as being about the new one.
    ok!(whole::remove(turn, &places.watermark())?);
    for entry in &manifest.files {
        ok!(whole::copy(turn, &format!("{snapshot}/{}", entry.path), &temporary)?);
        let target = format!("{root}/{}", entry.path);
        ok!(turn.rename(&temporary, &target)?.map_err(on("replace", &target)));
    }
    // No power loss brings the temporary files back once it is said that all is done.
    ok!(whole::sync_dir(turn, &places.temporaries())?);
    let kept = |path: &str| manifest.files.iter().any(|entry| entry.path == path);
    let present = ok!(saved(turn, &places.states())?).into_iter().map(|name| format!("state/{name}.json"));
    let files = ["events.jsonl".to_owned(), "format.json".to_owned()].into_iter().chain(present);
    for path in files.filter(|path| !kept(path)) {
        ok!(whole::remove(turn, &format!("{root}/{path}"))?);
    }
    ok!(whole::sync_dir(turn, &places.states())?);
    ok!(whole::sync_dir(turn, root)?);
    // From here on the workspace is the snapshot, durably; only then may the intent go.
    ok!(whole::remove(turn, &places.restoring())?);
    whole::sync_dir(turn, root)
}
