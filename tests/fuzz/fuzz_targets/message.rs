//! Messages with every kind of value: nothing panics, and what decodes encodes to something that decodes the same.
#![no_main]

use contract::codec;
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Message {
    Unit,
    Numbers(u8, u16, u32, u64, u128, i64),
    Text { key: String, letter: char, value: Vec<u8>, expect: Option<u64> },
    Nested(Vec<BTreeMap<String, Vec<Option<bool>>>>),
    Array([u16; 5], Box<(u32, String)>),
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = codec::decode::<Message>(bytes) {
        let again = codec::encode(&message).expect("a decoded message is not longer than its bytes");
        assert_eq!(codec::decode::<Message>(&again).as_ref(), Ok(&message));
    }
});
