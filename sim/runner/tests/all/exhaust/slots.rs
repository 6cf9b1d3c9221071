//! Fixed slots that are written in place: damage to one must not take the others with it.

use super::{assert_right, caught};
use contract::codec::{RecordAt, read_record, write_record};
use contract::file_protocol::Event;
use contract::{Disk, DiskError, File, FileProtocol, Open};
use kernel::Profile;
use std::collections::BTreeSet;

const NAME: &str = "slots";
const SLOT: usize = 512;
const COUNT: usize = 3;

/// Each operation writes the next slot, round and round, and so forgets what was there.
struct Slots {
    /// A recovery takes the first bad slot for the end of the file; else it goes on behind it.
    stops_at_damage: bool,
}

#[derive(Clone)]
struct Running {
    file: File,
    next: usize,
}

/// What each slot may hold: a value, or nothing readable.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Model(Vec<BTreeSet<Option<u8>>>);

fn slot(value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_record(&[value; 8], &mut bytes).unwrap();
    bytes.resize(SLOT, 0);
    bytes
}

impl Slots {
    fn start(&self, disk: &mut Disk<'_>) -> Result<(Running, Vec<Option<u8>>), DiskError> {
        let file = disk.open(NAME, Open::Create)?;
        disk.sync_dir(".")?;
        if disk.len(file)? < (COUNT * SLOT) as u64 {
            for number in 0..COUNT {
                disk.write_at(file, (number * SLOT) as u64, &slot(100 + number as u8))?;
            }
        }
        let bytes = disk.read_all(file)?;
        let read = |chunk: &[u8]| match read_record(chunk, 0) {
            RecordAt::Record(body, _) => Some(body[0]),
            _ => None,
        };
        let mut values: Vec<Option<u8>> = bytes.chunks(SLOT).map(read).collect();
        if self.stops_at_damage
            && let Some(bad) = values.iter().position(Option::is_none)
        {
            values[bad..].fill(None);
            disk.truncate(file, (bad * SLOT) as u64)?;
            disk.truncate(file, (COUNT * SLOT) as u64)?;
        }
        disk.sync(file)?;
        Ok((Running { file, next: 0 }, values))
    }
}

impl FileProtocol for Slots {
    type Op = u8;
    type Ack = usize;
    type State = Running;
    type Found = Vec<Option<u8>>;
    type Model = Model;

    fn name(&self) -> &'static str {
        "slots"
    }
    fn about(&self) -> &'static str {
        "a few slots, each written in place"
    }
    fn operations(&self, step: usize) -> Vec<u8> {
        vec![step as u8 + 1]
    }
    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Self::Found), String> {
        self.start(disk).map_err(|error| error.to_string())
    }
    fn apply(&self, running: &mut Running, value: &u8, disk: &mut Disk<'_>) -> Result<usize, String> {
        let number = running.next;
        let written = disk.write_at(running.file, (number * SLOT) as u64, &slot(*value));
        written.and_then(|_| disk.sync(running.file)).map_err(|error| error.to_string())?;
        running.next = (number + 1) % COUNT;
        Ok(number)
    }
    fn judge(&self, Model(slots): &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(value, number) => slots[*number] = BTreeSet::from([Some(*value)]),
            // Only one slot was being written, but the model does not know which: it is told by what is found.
            Event::Cut(value) => slots.push(BTreeSet::from([Some(*value)])),
            Event::Found(found) => {
                let cut: BTreeSet<Option<u8>> = slots.drain(COUNT.min(slots.len())..).flatten().collect();
                let wrong = slots.iter().zip(found).filter(|(allowed, value)| !allowed.contains(value));
                let wrong: Vec<Option<u8>> = wrong.map(|(_, value)| *value).collect();
                let excused = wrong.iter().all(|value| value.is_none() || cut.contains(value));
                if wrong.len() > usize::from(!cut.is_empty()) || !excused {
                    return Err(format!("{} slots are wrong", wrong.len()));
                }
                *slots = found.iter().map(|value| BTreeSet::from([*value])).collect();
            }
        }
        Ok(())
    }
}

#[test]
fn slots_that_are_read_past_damage_are_right_under_every_profile() {
    assert_right(&Slots { stops_at_damage: false });
}

#[test]
fn truncating_at_the_first_bad_checksum_is_caught() {
    let failure = caught(&Slots { stops_at_damage: true }, Profile::PosixMin);
    assert!(failure.why.contains("slots are wrong"), "{failure:#?}");
    assert!(failure.crash.unwrap().changes[0].contains("garbage"));
}
