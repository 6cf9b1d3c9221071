//! Turns a panic inside a simulated world into a finding.
//!
//! The panic hook is the process's; it is installed once and stays silent only on a thread that is
//! inside [`caught`]. The thread-local lives for one call and holds nothing between two runs.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// What it said.
    pub message: String,
    /// The source file and the line, where known.
    pub place: String,
}

impl Caught {
    /// What makes two panics the same: the source file, and the message without its numbers.
    pub fn signature(&self) -> String {
        let file = self.place.rsplit_once(':').map_or(&*self.place, |(file, _)| file);
        format!("panic in {file}: {}", without_numbers(self.message.lines().next().unwrap_or_default()))
    }
}

/// A sentence with each number as `#`: what two failures of one kind have in common.
pub fn without_numbers(sentence: &str) -> String {
    let mut shape = String::new();
    for c in sentence.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if !(c == '#' && shape.ends_with('#')) {
            shape.push(c);
        }
    }
    shape
}

thread_local! {
    static WATCHED: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// Whether a panic now, on this thread, would be caught by [`caught`]: for hooks that do more than print.
pub fn is_watched() -> bool {
    WATCHED.with(|watched| watched.borrow().is_some())
}

static HOOK: Once = Once::new();

/// Runs `body`; a panic in it becomes an error and prints nothing.
///
/// What `body` changed may be half done after a panic: it is for looking at, not for going on with.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Caught> {
    HOOK.call_once(install);
    let nothing = Caught { message: String::new(), place: String::new() };
    WATCHED.with(|watched| *watched.borrow_mut() = Some(nothing.clone()));
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    let seen = WATCHED.with(|watched| watched.borrow_mut().take());
    result.map_err(|_| seen.unwrap_or(nothing))
}

fn install() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let watched = WATCHED.with(|watched| match &mut *watched.borrow_mut() {
            Some(caught) => {
                *caught = describe(info);
                true
            }
            None => false,
        });
        if !watched {
            usual(info);
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> Caught {
    let message = info.payload_as_str().unwrap_or("a panic without a message").to_owned();
    let place =
        info.location().map_or_else(String::new, |at| format!("{}:{}", at.file().replace('\\', "/"), at.line()));
    Caught { message, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_message_and_place_and_grouped_without_numbers() {
        let caught = caught(|| -> u32 { panic!("record 17 of 23 is gone") }).unwrap_err();
        assert_eq!(caught.message, "record 17 of 23 is gone");
        assert!(caught.place.contains("panics.rs:"), "{}", caught.place);
        assert!(caught.signature().ends_with("panics.rs: record # of # is gone"), "{}", caught.signature());
    }
}
