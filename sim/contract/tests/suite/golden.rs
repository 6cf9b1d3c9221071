//! Golden bytes: layouts that peers and disks of other builds hold. A change here is a change of version.

use crate::fake::{Ask, Tell};
use contract::codec::{self, Frame, RecordAt, read_record, write_record};
use contract::host::Identity;
use contract::{DiskError, Message, NodeId, Pid, ProcessId, Time, Wall};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value has these bytes, and these bytes have the value.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, golden: &str) {
    let bytes = codec::encode(value).expect("encodes");
    assert_eq!(hex(&bytes), golden, "{value:?}");
    assert_eq!(codec::decode::<T>(&bytes).as_ref(), Ok(value));
}

#[test]
fn numbers() {
    check(&0_u64, "00");
    check(&250_u64, "fa");
    check(&251_u64, "fbfb00");
    check(&65_536_u64, "fc00000100");
    check(&u64::MAX, "fdffffffffffffffff");
    check(&-1_i64, "01");
    check(&(true, Some(7_u8), None::<u8>), "01010700");
    check(&1.5_f64, "000000000000f83f");
}

#[test]
fn messages() {
    check(&Ask::Get { key: "k1".into() }, "00026b31");
    check(&Ask::Put { key: "k".into(), value: vec![1, 2], expect: Some(300) }, "01016b02010201fb2c01");
    check(&Tell(300), "fb2c01");
}

#[test]
fn identities_and_times() {
    check(&NodeId(1), "01");
    check(&ProcessId(300), "fb2c01");
    check(&Identity { pid: Pid(1), started: 2, boot: 3, host: 4 }, "01020304");
    check(&Time(1_000_000_000), "fc00ca9a3b");
    check(&Wall(-1), "01");
    check(&DiskError::NoSpace, "00");
    check(&DiskError::Other(5), "0a0a");
}

#[test]
fn a_frame() {
    let body = codec::encode(&Tell(300)).expect("encodes");
    let frame = Frame { from: ProcessId(0x0102_0304), to: ProcessId(5), protocol: Tell::PROTOCOL, body };
    let mut bytes = Vec::new();
    frame.write(&mut bytes).expect("a short body");
    // Magic, version, zero | body length | protocol | sender | receiver | body's check | header's check | body.
    let golden = "5350_01_00 03000000 b6f438c1 04030201 05000000 c5d719d58c29c9e0 f384f0b2 fb2c01";
    assert_eq!(hex(&bytes), golden.replace([' ', '_'], ""));
    assert_eq!(Frame::read(&bytes), Ok(Some((frame, bytes.len()))));
}

#[test]
fn an_empty_frame() {
    let frame = Frame { from: ProcessId(0), to: ProcessId(0), protocol: contract::Protocol(0), body: Vec::new() };
    let mut bytes = Vec::new();
    frame.write(&mut bytes).expect("an empty body");
    let golden = "5350_01_00 00000000 00000000 00000000 00000000 c294d3380580062d 1420e73d";
    assert_eq!(hex(&bytes), golden.replace([' ', '_'], ""));
}

#[test]
fn a_record() {
    let mut log = Vec::new();
    write_record(b"storm", &mut log).expect("a short body");
    // Body length | body's check | header's check | body.
    let golden = "05000000 efcba570950a5e8a 1d6e7569 73746f726d";
    assert_eq!(hex(&log), golden.replace(' ', ""));
    assert_eq!(read_record(&log, 0), RecordAt::Record(b"storm", log.len()));
}

/// The checksum's own published vector, so that a changed hash crate is told from a changed layout.
#[test]
fn the_checksum_is_xxh3() {
    assert_eq!(xxhash_rust::xxh3::xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    // By hand: the check of the five bytes in `a_record`.
    assert_eq!(hex(&xxhash_rust::xxh3::xxh3_64(b"storm").to_le_bytes()), "efcba570950a5e8a");
}
