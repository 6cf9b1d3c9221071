//! The workspace's ledger: lines, batches, the end, watermarks. What is read as an event was sealed as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use workspace::ledger::batch::{self, End, Seen};
use workspace::ledger::watermark::Watermarks;
use workspace::ledger::{NewEvent, line};

fuzz_target!(|bytes: &[u8]| {
    let _ = Watermarks::parse(bytes);
    if let Some(event) = line::read(bytes) {
        let line::Event { id, domain, at, key, payload, batch, .. } = event;
        let mut again = Vec::new();
        line::write(&NewEvent { domain, key, payload }, id, at, batch, &mut again).expect("what was read fits");
        let again = line::read(&again).expect("what was written is read");
        assert_eq!((again.id, again.at, again.batch), (id, at, batch));
    }
    for before in [Some(0), None] {
        let Seen::End(End { end, last }) = batch::end(bytes, before) else { continue };
        assert!(end <= bytes.len(), "the end lies inside");
        if end > 0 {
            assert_eq!(bytes[end - 1], b'\n', "the end lies behind a line");
            assert_eq!(
                batch::end(&bytes[end..], Some(last)),
                Seen::End(End { end: 0, last }),
                "nothing complete follows"
            );
        }
    }
});
