//! Frames of a stream: nothing panics, and what is taken is written back as the same bytes.
#![no_main]

use contract::codec::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((frame, used))) = Frame::read(rest) {
        let mut again = Vec::new();
        frame.write(&mut again).expect("what was read fits");
        assert_eq!(again, rest[..used], "a frame has one spelling");
        rest = &rest[used..];
    }
});
