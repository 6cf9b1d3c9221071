//! Log records: reading ends, gets on, and takes only what would be written the same again.
#![no_main]

use contract::codec::{RecordAt, read_record, write_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|log: &[u8]| {
    let mut offset = 0;
    loop {
        match read_record(log, offset) {
            RecordAt::Record(body, next) => {
                let mut again = Vec::new();
                write_record(body, &mut again).expect("what was read fits");
                assert_eq!(again, log[offset..next], "a record has one spelling");
                offset = next;
            }
            RecordAt::Damaged { resumes_at: Some(next) } => {
                assert!(next > offset, "reading gets on");
                offset = next;
            }
            RecordAt::Damaged { resumes_at: None } | RecordAt::End => break,
        }
    }
});
