//! `inbox!` and `message!`: what they define, by protocol.

use crate::fake::{Ask, Foreign, Inbox, Tell};
use contract::message::Refused;
use contract::{Inbox as _, Message, Payload, Protocol};

#[test]
fn each_protocol_has_its_variant_and_its_conversion() {
    let ask = Ask::Get { key: "k".into() };
    assert_eq!(Inbox::from(ask.clone()), Inbox::Asked(ask.clone()));
    assert_eq!(Inbox::from_payload(Box::new(ask.clone())), Ok(Inbox::Asked(ask)));
    assert_eq!(Inbox::from_payload(Box::new(Tell(4))), Ok(Inbox::Told(Tell(4))));
    assert_eq!(Inbox::from_bytes(Tell::PROTOCOL, &[4]), Ok(Inbox::Told(Tell(4))));
}

#[test]
fn an_inbox_accepts_exactly_its_protocols() {
    assert!(Inbox::accepts(Ask::PROTOCOL) && Inbox::accepts(Tell::PROTOCOL));
    assert!(!Inbox::accepts(Foreign::PROTOCOL));
    assert_eq!(Inbox::from_payload(Box::new(Foreign(1))), Err(Refused::UnknownProtocol(Foreign::PROTOCOL)));
}

/// Speaks under the name of `Tell` with another type, as a process built from another version would.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Impostor(String);
contract::message!(Impostor = "test.tell/1");

#[test]
fn the_same_tag_with_another_type_is_refused_and_not_trusted() {
    let refused = Inbox::from_payload(Box::new(Impostor("x".into())));
    assert_eq!(refused, Err(Refused::UnknownProtocol(Tell::PROTOCOL)));
}

/// Published vectors of 32-bit FNV-1a: a changed hash would silently change every protocol's tag.
#[test]
fn a_protocols_tag_is_the_fnv_hash_of_its_name() {
    assert_eq!(Protocol::of(""), Protocol(0x811c_9dc5));
    assert_eq!(Protocol::of("a"), Protocol(0xe40c_292c));
    assert_eq!(Protocol::of("foobar"), Protocol(0xbf9c_f968));
    assert_eq!(Ask::PROTOCOL, Protocol::of("test.ask/1"));
}

#[test]
fn an_erased_message_keeps_its_name_tag_and_value() {
    let erased: Box<dyn Payload> = Box::new(Tell(300));
    let copy = erased.clone();
    assert_eq!((copy.name(), copy.protocol()), ("test.tell/1", Tell::PROTOCOL));
    let mut bytes = Vec::new();
    copy.encode(&mut bytes).expect("encodes");
    assert_eq!(bytes, [0xfb, 0x2c, 0x01], "300 as a variable-length integer");
    assert_eq!(erased.into_any().downcast::<Tell>().ok(), Some(Box::new(Tell(300))));
}
