//! Recordings of failures: nothing panics, and what is read is written as something that reads the same.
#![no_main]

use contract::codec::write_record;
use libfuzzer_sys::fuzz_target;
use runner::recording::{MAGIC, Recording};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Behind sound checksums as well, which no mutation finds: a head, and one record of samples.
    let Some((cut, bodies)) = bytes.split_first() else { return };
    let (head, samples) = bodies.split_at(usize::from(*cut).min(bodies.len()));
    let mut sound = MAGIC.to_vec();
    for body in [head, samples].into_iter().filter(|body| !body.is_empty()) {
        if write_record(body, &mut sound).is_err() {
            return;
        }
    }
    check(&sound);
});

fn check(bytes: &[u8]) {
    if let Ok(recording) = Recording::decode(bytes) {
        let again = recording.encode().expect("what was read fits");
        assert_eq!(Recording::decode(&again).as_ref(), Ok(&recording));
    }
}
