//! The erased actor that hosts hold: boot, delivery as value and as bytes, alarms, copies.

use crate::fake::{Ask, FakeHost, Foreign, Recorder, Tell};
use contract::cell::{Cell, Stop, blueprint};
use contract::codec::CodecError;
use contract::message::Refused;
use contract::timer::Alarm;
use contract::{Halt, Message, Payload, ProcessId};

const PEER: ProcessId = ProcessId(2);

fn booted(host: &mut FakeHost) -> Box<dyn Cell> {
    blueprint::<Recorder>(Ok(())).boot(host).expect("a good configuration boots")
}

#[test]
fn a_bad_configuration_halts_at_boot() {
    let refused = blueprint::<Recorder>(Err("no peers")).boot(&mut FakeHost::default());
    assert_eq!(refused.err(), Some(Halt::new("no peers")));
}

#[test]
fn a_blueprint_boots_again_and_again() {
    let (mut first, mut second) = (FakeHost::default(), FakeHost::default());
    let blueprint = blueprint::<Recorder>(Ok(()));
    let mut used = blueprint.boot(&mut first).expect("boots");
    used.deliver(PEER, Box::new(Tell(1)), &mut first).expect("accepted");
    let fresh = blueprint.boot(&mut second).expect("boots again");
    assert_ne!(fresh.inspect(), used.inspect(), "a restart begins without the old memory");
    assert_eq!(fresh.inspect(), booted(&mut FakeHost::default()).inspect());
}

#[test]
fn a_value_and_its_bytes_arrive_as_the_same_message() {
    let (mut host, message) = (FakeHost::default(), Ask::Get { key: "k".into() });
    let (mut by_value, mut by_bytes) = (booted(&mut host), booted(&mut host));
    by_value.deliver(PEER, Box::new(message.clone()), &mut host).expect("accepted");
    let mut bytes = Vec::new();
    message.encode(&mut bytes).expect("encodes");
    by_bytes.deliver_bytes(PEER, Ask::PROTOCOL, &bytes, &mut host).expect("accepted");
    assert_eq!(by_value.inspect(), by_bytes.inspect());
    assert!(by_value.inspect().contains("Asked"), "the message reached the handler: {}", by_value.inspect());
}

#[test]
fn what_a_peer_gets_wrong_is_refused_and_the_process_goes_on() {
    let mut host = FakeHost::default();
    let mut cell = booted(&mut host);
    let before = cell.inspect();
    let unknown = Stop::Refused(Refused::UnknownProtocol(Foreign::PROTOCOL));
    assert_eq!(cell.deliver(PEER, Box::new(Foreign(1)), &mut host), Err(unknown.clone()));
    assert_eq!(cell.deliver_bytes(PEER, Foreign::PROTOCOL, &[1], &mut host), Err(unknown));
    for bytes in [&[][..], &[9], &[0, 3, b'k'], &[0, 1, b'k', 0]] {
        let refusal = cell.deliver_bytes(PEER, Ask::PROTOCOL, bytes, &mut host);
        let malformed = matches!(refusal, Err(Stop::Refused(Refused::Malformed(CodecError::Invalid(_)))));
        assert!(malformed, "{bytes:?} gave {refusal:?}");
    }
    assert_eq!(cell.inspect(), before);
    assert_eq!(cell.deliver(PEER, Box::new(Tell(1)), &mut host), Ok(()));
}

#[test]
fn a_halt_in_a_handler_comes_out_with_its_reason() {
    let mut host = FakeHost::default();
    let stop = booted(&mut host).deliver(PEER, Box::new(Tell(13)), &mut host);
    assert_eq!(stop, Err(Stop::Halt(Halt::new("thirteen"))));
}

#[test]
fn a_replaced_alarm_runs_nothing_and_the_latest_runs_once() {
    let mut host = FakeHost::default();
    let mut cell = booted(&mut host);
    cell.deliver(PEER, Box::new(Tell(1)), &mut host).expect("accepted; sets the timer again");
    let [(replaced, _), (latest, _)] = host.armed[..] else { panic!("two settings: {:?}", host.armed) };
    assert!(!cell.is_live(replaced) && cell.is_live(latest));
    assert_eq!(cell.fire(replaced, &mut host), Ok(false));
    assert_eq!(cell.fire(latest, &mut host), Ok(true));
    assert_eq!(cell.fire(latest, &mut host), Ok(false), "an alarm fires once");
    assert_eq!(cell.fire(Alarm { slot: 99, generation: 1 }, &mut host), Ok(false), "nobody's alarm");
    assert_eq!(cell.inspect().matches("Page(").count(), 1);
}

#[test]
fn a_copy_lives_its_own_life_with_the_same_alarms() {
    let mut host = FakeHost::default();
    let mut cell = booted(&mut host);
    let (alarm, _) = host.armed[0];
    let mut copy = cell.clone_cell();
    assert_eq!(cell.fire(alarm, &mut host), Ok(true));
    assert_eq!(copy.inspect(), booted(&mut FakeHost::default()).inspect(), "the copy did not hear it");
    assert_eq!(copy.fire(alarm, &mut host), Ok(true));
    assert_eq!(copy.inspect(), cell.inspect());
}
