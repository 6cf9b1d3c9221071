//! The append process's files: a record that is read says where it stands, and is written back as it was.
#![no_main]

use consensus::wal::record::{self, Name, Page, Place, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = Name::Log(1);
    let parsed = record::parse::<Step<'static>>(bytes, file);
    assert!(parsed.good <= bytes.len() as u64, "records lie inside");
    if let (Some(disk), [first, ..], false) = (parsed.disk, parsed.records.as_slice(), parsed.holes) {
        let mut again = Vec::new();
        record::write(Place { disk, file, offset: 0 }, first, &mut again).expect("what was read fits");
        let again = record::parse::<Step<'static>>(&again, file);
        assert_eq!(again.records, [first.clone()]);
    }
    let _ = record::parse::<Page>(bytes, Name::Snapshot(Default::default()));
});
