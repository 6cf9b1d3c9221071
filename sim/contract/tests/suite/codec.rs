//! Frames and messages under any bytes: round trips, refusals, and never a panic.

use crate::fake::{Ask, Tell};
use contract::codec::{self, BODY_MAX, CodecError, FRAME_HEADER, FRAME_VERSION, Frame};
use contract::{ProcessId, Protocol};
use proptest::prelude::*;

fn frames() -> impl Strategy<Value = Frame> {
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (any::<u32>(), any::<u32>(), any::<u32>(), body).prop_map(|(from, to, protocol, body)| Frame {
        from: ProcessId(from),
        to: ProcessId(to),
        protocol: Protocol(protocol),
        body,
    })
}

fn written(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes).expect("a short body fits");
    bytes
}

fn asks() -> impl Strategy<Value = Ask> {
    let value = prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        "\\PC{0,20}".prop_map(|key| Ask::Get { key }),
        ("\\PC{0,20}", value, any::<Option<u64>>()).prop_map(|(key, value, expect)| Ask::Put { key, value, expect }),
    ]
}

proptest! {
    #[test]
    fn frames_come_off_a_stream_as_they_went_on(sent in prop::collection::vec(frames(), 0..5)) {
        let stream: Vec<u8> = sent.iter().flat_map(written).collect();
        let mut rest = &stream[..];
        let mut received = Vec::new();
        while let Some((frame, used)) = Frame::read(rest).expect("the stream is sound") {
            received.push(frame);
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(received, sent);
    }

    /// The reader may be called after every byte.
    #[test]
    fn a_torn_frame_asks_for_more_bytes(frame in frames()) {
        let bytes = written(&frame);
        for len in 0..bytes.len() {
            prop_assert_eq!(Frame::read(&bytes[..len]), Ok(None), "{} of {} bytes", len, bytes.len());
        }
    }

    /// At once: a reader that waited for what a damaged length claims would wait for ever.
    #[test]
    fn a_frame_with_any_bit_flipped_is_never_taken(frame in frames(), next in frames()) {
        let bytes = written(&frame);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Frame::read(&flipped);
            prop_assert!(read.is_err(), "bit {}: {:?}", bit, read);
            flipped.extend_from_slice(&written(&next));
            let read = Frame::read(&flipped);
            prop_assert!(!matches!(read, Ok(Some(_))), "bit {} with more behind it: {:?}", bit, read);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_frame(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!matches!(Frame::read(&bytes), Ok(Some(_))));
    }

    /// Behind a right beginning the rest of the reader is reached.
    #[test]
    fn arbitrary_bytes_after_a_right_beginning_are_no_frame(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut stream = vec![b'S', b'P', FRAME_VERSION];
        stream.extend_from_slice(&bytes);
        prop_assert!(!matches!(Frame::read(&stream), Ok(Some(_))));
    }

    #[test]
    fn messages_come_back_as_they_were(ask in asks(), tell in any::<u64>()) {
        let bytes = codec::encode(&ask).expect("encodes");
        prop_assert_eq!(codec::decode::<Ask>(&bytes), Ok(ask));
        let bytes = codec::encode(&Tell(tell)).expect("encodes");
        prop_assert_eq!(codec::decode::<Tell>(&bytes), Ok(Tell(tell)));
    }

    #[test]
    fn a_message_cut_short_or_followed_by_more_is_refused(ask in asks(), extra in any::<u8>()) {
        let mut bytes = codec::encode(&ask).expect("encodes");
        for len in 0..bytes.len() {
            prop_assert!(codec::decode::<Ask>(&bytes[..len]).is_err(), "{} bytes passed for a message", len);
        }
        bytes.push(extra);
        prop_assert!(codec::decode::<Ask>(&bytes).is_err());
    }

    /// What decodes is a value like any other: it encodes again, and that decodes to the same.
    #[test]
    fn arbitrary_bytes_decode_to_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(ask) = codec::decode::<Ask>(&bytes) {
            let again = codec::encode(&ask).expect("encodes");
            prop_assert_eq!(codec::decode::<Ask>(&again), Ok(ask));
        }
        if let Ok(pairs) = codec::decode::<Vec<(u8, Option<String>)>>(&bytes) {
            prop_assert!(pairs.len() <= bytes.len(), "more elements than bytes");
        }
    }
}

/// A receiver must take whatever a sender could encode; lengths around the decoder's own size classes.
#[test]
fn whatever_encodes_also_decodes_up_to_the_longest_body() {
    for len in [0, 1, 250, 65_000, 65_536, 65_537, 131_073, 500_000, BODY_MAX - 5] {
        let numbers = vec![0_u64; len];
        let bytes = codec::encode(&numbers).expect("a byte each");
        assert_eq!(codec::decode::<Vec<u64>>(&bytes).map(|read| read.len()), Ok(len), "small u64");
        let wide = vec![0_u128; len];
        let bytes = codec::encode(&wide).expect("a byte each");
        assert_eq!(codec::decode::<Vec<u128>>(&bytes).map(|read| read.len()), Ok(len), "small u128");
        let text = "x".repeat(len);
        let bytes = codec::encode(&text).expect("a byte each");
        assert_eq!(codec::decode::<String>(&bytes).map(|read| read.len()), Ok(len), "text");
        let nested = vec![(None::<u8>, vec![(); 0]); len / 2];
        let bytes = codec::encode(&nested).expect("two bytes each");
        assert_eq!(codec::decode::<Vec<(Option<u8>, Vec<()>)>>(&bytes).map(|read| read.len()), Ok(len / 2), "nested");
    }
}

#[test]
fn a_value_beyond_the_longest_body_is_refused_and_leaves_the_buffer_alone() {
    let mut out = b"before".to_vec();
    assert_eq!(codec::encode_into(&vec![0_u8; BODY_MAX], &mut out), Err(CodecError::TooLong), "its length counts too");
    assert_eq!(out, b"before");
    assert_eq!(codec::decode::<Vec<u8>>(&vec![0; BODY_MAX + 1]), Err(CodecError::TooLong));
}

#[test]
fn a_body_has_its_limit_in_a_frame_too() {
    let mut frame = Frame { from: ProcessId(1), to: ProcessId(2), protocol: Protocol(3), body: vec![7; BODY_MAX] };
    let bytes = written(&frame);
    assert_eq!(bytes.len(), FRAME_HEADER + BODY_MAX);
    assert_eq!(Frame::read(&bytes), Ok(Some((frame.clone(), bytes.len()))));
    frame.body.push(7);
    let mut out = Vec::new();
    assert_eq!(frame.write(&mut out), Err(CodecError::TooLong));
    assert!(out.is_empty());
}

#[test]
fn what_is_wrong_with_a_frame_is_named() {
    let good = written(&Frame { from: ProcessId(1), to: ProcessId(2), protocol: Protocol(3), body: b"hi".to_vec() });
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Frame::read(&bytes)
    };
    assert_eq!(with(0, b'X'), Err(CodecError::BadMagic));
    assert_eq!(with(2, 9), Err(CodecError::BadVersion(9)));
    assert_eq!(with(3, 1), Err(CodecError::BadChecksum), "the zero byte is not free for use");
    assert_eq!(with(7, 0x80), Err(CodecError::TooLong), "refused at once, without waiting for two gigabytes");
    assert_eq!(with(12, 9), Err(CodecError::BadChecksum));
    assert_eq!(with(good.len() - 1, b'o'), Err(CodecError::BadChecksum));
    assert_eq!(Frame::read(b"GET / HTTP/1.1\r\n"), Err(CodecError::BadMagic), "refused at its first byte");
}
