//! The routing service: commands of the log, and snapshots. Nothing panics, what is read reads the same again, and a
//! store that is taken from pages does whatever command comes next.
#![no_main]

use consensus::planted::Planted;
use consensus::rcs::message::{Keys, Operation, OperationId, Read, Step, Transaction, Watch};
use consensus::rcs::{Command, Limits, Store};
use contract::Blob;
use contract::codec::{RecordAt, read_record, write_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = Command::decode(bytes) {
        let again = command.encode().expect("a decoded command is not longer than its bytes");
        assert_eq!(Command::decode(&again), Ok(command));
    }
    let _ = Store::from_pages(Limits::default(), Planted::default(), &[bytes.into()]);
    // Behind sound checksums as well, which no mutation finds: each body follows its length. The last is a command.
    let mut bodies = Vec::new();
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first() {
        let (body, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        bodies.push(body);
        rest = tail;
    }
    let command = bodies.pop().and_then(|body| Command::decode(body).ok());
    let Some(page) = page(&bodies) else { return };
    let Ok(mut store) = Store::from_pages(Limits::default(), Planted::default(), &[page]) else { return };
    let again = Store::from_pages(Limits::default(), Planted::default(), &store.pages(64));
    assert_eq!(again.as_ref(), Ok(&store));
    if let Some(command) = command {
        store.apply(store.applied() + 1, &command);
    }
    let keys = || Keys::Prefix(Blob::from(Vec::new()));
    store.read(&Read { keys: keys(), revision: 0, limit: 0, linearizable: true, traced: 0 });
    store.changes(&Watch { keys: keys(), from: store.compacted(), limit: 1 });
});

/// A snapshot with the head and the end of a store that has seen something, and these records between them.
fn page(bodies: &[&[u8]]) -> Option<Blob> {
    let mut store = Store::new(Limits::default(), Planted::default());
    let id = |number| OperationId { session: 1, number, traced: 0 };
    store.apply(1, &Command::Client { id: id(1), operation: Operation::OpenSession });
    for index in 2..50 {
        let put = Step::Put { key: b"k".as_slice().into(), value: Blob::from(Vec::new()), lease: 0 };
        let operation = Operation::Transact(Transaction { then: vec![put], ..Transaction::default() });
        store.apply(index, &Command::Client { id: id(index), operation });
    }
    let pages = store.pages(1 << 20);
    let whole = pages.first()?;
    let RecordAt::Record(head, _) = read_record(whole, 0) else { return None };
    let RecordAt::Record(end, _) = last(whole)? else { return None };
    let mut page = Vec::new();
    for body in [head].iter().chain(bodies).chain(&[end]).filter(|body| !body.is_empty()) {
        write_record(body, &mut page).ok()?;
    }
    Some(page.into())
}

fn last(log: &[u8]) -> Option<RecordAt<'_>> {
    let (mut at, mut last) = (0, None);
    while let found @ RecordAt::Record(_, next) = read_record(log, at) {
        (at, last) = (next, Some(found));
    }
    last
}
