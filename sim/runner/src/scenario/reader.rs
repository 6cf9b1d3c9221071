//! Reads one table of a scenario file by its declared keys. What is wrong goes to the sink, and reading goes on.

use crate::diagnostic::{Diagnostic, Sink, listed, nearest, unknown};
use crate::scenario::keys::{Form, Key};
use crate::units::{self, Bounds};
use contract::time::Duration;
use kernel::Span;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place in the file.
pub type Place = Range<usize>;

/// One table of the file.
#[derive(Clone)]
pub struct Section<'a> {
    /// As an error names it: `limits`, or nothing for the whole file.
    name: &'static str,
    table: &'a DeTable<'a>,
    place: Place,
    keys: &'static [Key],
    sink: &'a Sink,
}

/// Why a value was not taken.
enum Bad {
    /// It has another type.
    Type,
    /// It has the right type, but says nonsense.
    Content(String),
}

impl<'a> Section<'a> {
    /// The whole file. Unknown keys are reported at once.
    pub fn top(table: &'a DeTable<'a>, keys: &'static [Key], sink: &'a Sink) -> Self {
        let section = Section { name: "", table, place: 0..0, keys, sink };
        section.check_keys();
        section
    }

    /// A table whose other keys the caller checks itself.
    pub fn open(
        name: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        keys: &'static [Key],
        sink: &'a Sink,
    ) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section { name, table, place: value.span(), keys, sink }),
            other => {
                let message = format!("`{name}` must be a table");
                sink.push(Diagnostic { message, span: value.span(), label: found(other), help: None });
                None
            }
        }
    }

    /// Where the table begins: where a missing key is reported.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Its keys with their places and values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Place, &'a Spanned<DeValue<'a>>)> + use<'a> {
        self.table.iter().map(|(key, value)| (&**key.get_ref(), key.span(), value))
    }

    /// The place of a key that is there.
    pub fn key_place(&self, name: &str) -> Option<Place> {
        self.table.get_key_value(name).map(|(key, _)| key.span())
    }

    /// The value of a declared key.
    pub fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "the parser asks for a key that is not declared");
        self.table.get(name)
    }

    /// A duration.
    pub fn time(&self, name: &str) -> Option<Duration> {
        self.read(name, |value| by_text(value, units::duration))
    }

    /// A span.
    pub fn span(&self, name: &str) -> Option<Span> {
        self.read(name, |value| by_text(value, units::span))
    }

    /// A range of seeds.
    pub fn seeds(&self, name: &str) -> Option<Range<u64>> {
        self.read(name, |value| by_text(value, units::seeds))
    }

    /// Text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.read(name, |value| value.as_str().map(str::to_owned).ok_or(Bad::Type))
    }

    /// A whole number within the declared bounds.
    pub fn integer(&self, name: &str) -> Option<u64> {
        let Form::Integer { least, most } = self.form(name) else { return None };
        self.read(name, |value| match integer(value) {
            None => Err(Bad::Type),
            Some(Ok(number)) if (least..=most).contains(&number) => Ok(number),
            Some(_) => Err(Bad::Content(format!("`{name}` must lie in {least}..={most}"))),
        })
    }

    /// A size in bytes, as a number or as text with units, or a span of them.
    pub fn sizes(&self, name: &str) -> Option<Bounds> {
        self.read(name, |value| match integer(value) {
            Some(number) => number.map(Bounds::exactly).map_err(|()| Bad::Content("a size is not negative".to_owned())),
            None => by_text(value, units::sizes),
        })
    }

    /// A whole number within the declared bounds, or a span of them.
    pub fn numbers(&self, name: &str) -> Option<Bounds> {
        let Form::Numbers { least, most } = self.form(name) else { return None };
        self.read(name, |value| {
            let outside = || Bad::Content(format!("`{name}` must lie in {least}..={most}"));
            let bounds = match integer(value) {
                Some(number) => Bounds::exactly(number.map_err(|()| outside())?),
                None => by_text(value, units::numbers)?,
            };
            if least <= bounds.least && bounds.most <= most { Ok(bounds) } else { Err(outside()) }
        })
    }

    /// One of the words that stand for a value; another one is reported with the nearest.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let Form::Name(vocabulary) = self.form(name) else { return None };
        let (word, place) = self.name(name)?;
        let found = words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
            self.sink.push(unknown(vocabulary.noun_alone(), word, place, &known));
        }
        found
    }

    /// A switch.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.read(name, |value| value.as_bool().ok_or(Bad::Type))
    }

    /// A fraction in parts per million.
    pub fn chance_ppm(&self, name: &str) -> Option<u32> {
        self.read(name, |value| {
            let fraction = float(value).ok_or(Bad::Type)?;
            if (0.0..=1.0).contains(&fraction) {
                Ok((fraction * 1e6).round() as u32)
            } else {
                Err(Bad::Content(format!("`{name}` must lie in 0.0..=1.0")))
            }
        })
    }

    /// Numbers of occurrences, from 1.
    pub fn occurrences(&self, name: &str) -> Option<BTreeSet<u32>> {
        self.read(name, |value| {
            let bad = || Bad::Content(format!("`{name}` must hold whole numbers from 1 to {}", u32::MAX));
            let number = |value: &DeValue<'_>| match integer(value).ok_or(Bad::Type)? {
                Ok(number) if number > 0 => u32::try_from(number).map_err(|_| bad()),
                _ => Err(bad()),
            };
            value.as_array().ok_or(Bad::Type)?.iter().map(|item| number(item.get_ref())).collect()
        })
    }

    /// Identities of messages, as they are printed.
    pub fn identities(&self, name: &str) -> Option<BTreeSet<u64>> {
        let all = self.names(name)?;
        let mut read = BTreeSet::new();
        for (text, place) in all {
            match u64::from_str_radix(text, 16) {
                Ok(identity) if text.len() == 16 => drop(read.insert(identity)),
                _ => {
                    let help = Some(format!("for example {name} = {}", Form::Identities.example()));
                    self.push(format!("`{text}` is no identity of a message"), place, "16 hexadecimal digits", help);
                }
            }
        }
        Some(read)
    }

    /// One name with its place.
    pub fn name(&self, name: &str) -> Option<(&'a str, Place)> {
        let value = self.get(name)?;
        self.read(name, |value| value.as_str().ok_or(Bad::Type)).map(|text| (text, value.span()))
    }

    /// One name or a list of names, each with its place.
    pub fn names(&self, name: &str) -> Option<Vec<(&'a str, Place)>> {
        let value = self.get(name)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(vec![(text, value.span())]);
        }
        self.read(name, |value| {
            let list = value.as_array().ok_or(Bad::Type)?;
            list.iter().map(|item| item.get_ref().as_str().map(|text| (text, item.span())).ok_or(Bad::Type)).collect()
        })
    }

    /// A table below this one.
    pub fn section(&self, name: &'static str) -> Option<Section<'a>> {
        let (value, Form::Table(keys)) = (self.get(name)?, self.form(name)) else { return None };
        let section = Section::open(name, value, keys, self.sink)?;
        section.check_keys();
        Some(section)
    }

    /// The tables of an array of tables.
    pub fn sections(&self, name: &'static str, keys: &'static [Key]) -> Vec<Section<'a>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|item| Section::open(name, item, keys, self.sink)).collect(),
            None => {
                let help = format!("write it as [[{name}]], once for each");
                let message = format!("`{name}` must be an array of tables");
                self.push(message, value.span(), found(value.get_ref()), Some(help));
                Vec::new()
            }
        }
    }

    /// Reports each key that is not declared.
    pub fn check_keys(&self) {
        for (name, place, _) in self.entries() {
            if !self.keys.iter().any(|key| key.name == name) {
                self.unknown_key(name, place, &[]);
            }
        }
    }

    /// Reports an unknown key of a table that takes `more` keys than the declared ones.
    pub fn unknown_key(&self, name: &str, place: Place, more: &[&str]) {
        let known = || self.keys.iter().map(|key| key.name).chain(more.iter().copied());
        let label = nearest(name, known())
            .map_or("not a key of this table".to_owned(), |near| format!("did you mean `{near}`?"));
        let table = if self.name.is_empty() { "the file".to_owned() } else { format!("`{}`", self.name) };
        let help = format!("{table} takes {}", listed(known()));
        self.push(format!("unknown key `{name}`"), place, label, Some(help));
    }

    /// Reports a key that must be there.
    pub fn missing(&self, name: &str) {
        let form = self.form(name);
        let label = if self.name.is_empty() { "in this file".to_owned() } else { format!("in this `{}`", self.name) };
        let help = format!("write {name} = {}", form.example());
        self.push(format!("`{name}` is missing"), self.place(), label, Some(help));
    }

    /// Reports something about this table.
    pub fn push(&self, message: String, span: Place, label: impl Into<String>, help: Option<String>) {
        self.sink.push(Diagnostic { message, span, label: label.into(), help });
    }

    /// The sink, for what the caller checks itself.
    pub fn sink(&self) -> &'a Sink {
        self.sink
    }

    fn form(&self, name: &str) -> Form {
        self.keys.iter().find(|key| key.name == name).map_or(Form::Text, |key| key.form)
    }

    fn read<T>(&self, name: &str, take: impl FnOnce(&'a DeValue<'a>) -> Result<T, Bad>) -> Option<T> {
        let value = self.get(name)?;
        let form = self.form(name);
        let example = Some(format!("for example {name} = {}", form.example()));
        match take(value.get_ref()) {
            Ok(taken) => return Some(taken),
            Err(Bad::Type) => {
                self.push(
                    format!("`{name}` must be {}", form.expected()),
                    value.span(),
                    found(value.get_ref()),
                    example,
                );
            }
            Err(Bad::Content(why)) => self.push(why, value.span(), "not valid here", example),
        }
        None
    }
}

/// The number in an integer value: `None` if it is no integer, an error if it is negative or too large.
pub fn integer(value: &DeValue<'_>) -> Option<Result<u64, ()>> {
    let number = value.as_integer()?;
    Some(u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| ()))
}

/// The number in a float or an integer value.
pub fn float(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(_) => integer(value)?.ok().map(|number| number as f64),
        _ => None,
    }
}

/// What a value is, for the label beside the caret.
pub fn found(value: &DeValue<'_>) -> String {
    let kind = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("found {kind}")
}

fn by_text<T>(value: &DeValue<'_>, parse: fn(&str) -> Result<T, String>) -> Result<T, Bad> {
    parse(value.as_str().ok_or(Bad::Type)?).map_err(Bad::Content)
}
