//! Telemetry: what happened to the workspace itself, one line of JSON an event.
//!
//! It is for people. No protocol reads it, nothing waits for it, and where it cannot be written the operation that
//! wanted to tell goes on.

use crate::places::Places;
use crate::turn::{Step, Turn};
use contract::Open;
use serde_json::{Value, json};

/// Appends an event of that name with its facts, which must be an object; the date is added.
pub fn tell(turn: &mut Turn<'_>, places: &Places, event: &str, facts: Value) -> Step<()> {
    let mut line = json!({ "event": event, "at": turn.wall()?.0 / 1_000_000 });
    if let (Value::Object(line), Value::Object(facts)) = (&mut line, facts) {
        line.extend(facts);
    }
    let Ok(file) = turn.open(&places.telemetry(), Open::Create)? else { return Ok(()) };
    // Lost where the disk refuses: a complaint about the telemetry would have nowhere to go.
    let _ = turn.append(file, format!("{line}\n").as_bytes())?;
    turn.close(file)
}
