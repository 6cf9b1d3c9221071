//! Runs the contestants round by round and keeps what they report.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::plan::{SECTIONS, STORMPROOF, Section, Share};
use crate::report::{Measured, Row};

/// Runs the whole plan, round after round.
pub fn measure(contestants: &[Contestant], arguments: &Arguments) -> Result<Vec<Measured>> {
    let mut sections: Vec<_> = SECTIONS.iter().map(|section| Running::new(section, contestants, arguments)).collect();
    for round in 0..arguments.rounds {
        for group in sections.chunk_by_mut(|left, right| left.section.group == right.section.group) {
            eprintln!("round {} of {}: {}", round + 1, arguments.rounds, group[0].section.group);
            for contestant in contestants {
                for section in &mut *group {
                    section.run(contestant, round)?;
                }
            }
        }
    }
    Ok(sections.into_iter().map(Running::finish).collect())
}

/// A section while its rounds are run.
struct Running {
    section: &'static Section,
    entries: Vec<Entry>,
}

struct Entry {
    share: Share,
    row: Row,
}

impl Running {
    fn new(section: &'static Section, contestants: &[Contestant], arguments: &Arguments) -> Self {
        let entries = contestants
            .iter()
            .filter_map(|contestant| {
                let share = section.share(&contestant.name, arguments.quick, arguments.rounds)?;
                let row = Row {
                    contestant: contestant.name.clone(),
                    units: share.units,
                    nanos: Vec::new(),
                    times_stormproof: Vec::new(),
                    checksum: serde_json::Value::Null,
                    repeats: true,
                };
                Some(Entry { share, row })
            })
            .collect();
        Self { section, entries }
    }

    /// One contestant's part of one round, if it has any.
    fn run(&mut self, contestant: &Contestant, round: u32) -> Result<()> {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.row.contestant == contestant.name) else {
            return Ok(());
        };
        if entry.share.rounds <= round {
            return Ok(());
        }
        let outcome = contestant.run(&self.section.command_line(entry.share.units), entry.share.units)?;
        let row = &mut entry.row;
        row.units = outcome.units;
        row.nanos.push(outcome.nanos as f64 / outcome.units as f64);
        if row.checksum.is_null() {
            row.checksum = outcome.checksum;
        } else {
            row.repeats &= row.checksum == outcome.checksum;
        }
        Ok(())
    }

    fn finish(self) -> Measured {
        let mut rows: Vec<_> = self.entries.into_iter().map(|entry| entry.row).collect();
        let stormproof = rows.iter().find(|row| row.contestant == STORMPROOF);
        if let Some(reference) = stormproof.map(|row| row.nanos.clone()) {
            for row in &mut rows {
                let pairs = row.nanos.iter().zip(&reference);
                row.times_stormproof = pairs.map(|(nanos, one)| nanos / one).collect();
            }
        }
        Measured { id: self.section.id, title: self.section.title, unit: self.section.unit, rows }
    }
}
