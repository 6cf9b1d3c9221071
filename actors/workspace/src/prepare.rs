//! The directories of a workspace, made and made safe before anything is promised.

use crate::places::Places;
use crate::turn::{Step, Turn};
use contract::DiskError;

/// Makes the directories that are missing and makes their names safe. To be called at every start: what an earlier
/// process made is not safe before somebody has synced it.
///
/// # Errors
/// Whatever the disk says; that a directory cannot be synced at all is none ([`is_unsupported`]).
pub fn prepare(turn: &mut Turn<'_>, places: &Places) -> Step<Result<(), DiskError>> {
    let below = [places.temporaries(), places.locks(), places.states(), places.snapshots()];
    for path in std::iter::once(places.root()).chain(below.iter().map(String::as_str)) {
        match turn.mkdir(path)? {
            Ok(()) | Err(DiskError::Exists) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    for path in [places.root(), places.parent()] {
        match turn.sync_dir(path)? {
            Err(error) if !is_unsupported(error) => return Ok(Err(error)),
            _ => {}
        }
    }
    Ok(Ok(()))
}

/// Whether the error of a directory's sync says that this file system cannot sync directories, and nothing else.
pub const fn is_unsupported(error: DiskError) -> bool {
    matches!(error, DiskError::Invalid | DiskError::IsDirectory)
}
