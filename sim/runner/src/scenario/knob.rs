//! Knob values in scenario files: read by the unit and the range that the role declares, and shown the same way.

use crate::diagnostic::{Diagnostic, Sink, unknown};
use crate::scenario::reader::{self, Place};
use crate::units;
use contract::knobs::{Knob, Unit};
use contract::plan::Role;
use contract::time::nanos;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

/// The knobs of one role that a file sets.
pub type Set = BTreeMap<&'static str, u64>;

/// Reads one `knob = value` of `role`; `None` after reporting what is wrong with it.
pub fn read(
    role: &Role,
    name: &str,
    place: Place,
    value: &Spanned<DeValue<'_>>,
    sink: &Sink,
) -> Option<(&'static str, u64)> {
    let Some(knob) = role.knobs.iter().find(|knob| knob.name == name) else {
        let known: Vec<&str> = role.knobs.iter().map(|knob| knob.name).collect();
        sink.push(unknown(&format!("knob of `{}`", role.name), name, place, &known));
        return None;
    };
    let report = |message: String, label: String| {
        let help = format!("{}; default {} = {}", knob.about, knob.name, show(knob, knob.default));
        sink.push(Diagnostic { message, span: value.span(), label, help: Some(help) });
        None
    };
    match number(knob, value.get_ref()) {
        Ok(number) if (knob.least..=knob.most).contains(&number) => Some((knob.name, number)),
        Ok(_) => report(format!("knob `{name}` must lie in {}", range(knob)), "out of range".to_owned()),
        Err(Some(why)) => report(why, "not valid here".to_owned()),
        Err(None) => report(format!("knob `{name}` must be {}", expected(knob.unit)), reader::found(value.get_ref())),
    }
}

/// A knob's value as it would be written in a file.
pub fn show(knob: &Knob, value: u64) -> String {
    match knob.unit {
        Unit::Count => value.to_string(),
        Unit::Bytes => format!("\"{}\"", units::show_bytes(value)),
        Unit::Time => format!("\"{}\"", units::show_nanos(value)),
        Unit::Rate => units::show_ppm(value),
        Unit::Flag => (value != 0).to_string(),
    }
}

/// The legal values, for people.
pub fn range(knob: &Knob) -> String {
    format!("{}..={}", show(knob, knob.least), show(knob, knob.most))
}

/// What to write for a unit, in words.
pub const fn expected(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "a whole number",
        Unit::Bytes => "a size, as in 4096 or \"4KiB\"",
        Unit::Time => "a duration, as in \"250ms\"",
        Unit::Rate => "a number a second, as in 50.0",
        Unit::Flag => "true or false",
    }
}

/// The number in the knob's unit; `Err(None)` for a value of another type.
fn number(knob: &Knob, value: &DeValue<'_>) -> Result<u64, Option<String>> {
    let negative = || Some(format!("knob `{}` must lie in {}", knob.name, range(knob)));
    match knob.unit {
        Unit::Count => reader::integer(value).ok_or(None)?.map_err(|()| negative()),
        Unit::Bytes => match reader::integer(value) {
            Some(number) => number.map_err(|()| negative()),
            None => units::bytes(value.as_str().ok_or(None)?).map_err(Some),
        },
        Unit::Time => units::duration(value.as_str().ok_or(None)?).map(nanos).map_err(Some),
        Unit::Rate => match reader::float(value).ok_or(None)? {
            rate if (0.0..=1e12).contains(&rate) => Ok((rate * 1e6).round() as u64),
            _ => Err(negative()),
        },
        Unit::Flag => value.as_bool().map(u64::from).ok_or(None),
    }
}
