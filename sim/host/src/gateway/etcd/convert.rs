//! Between the client library's types and ours.

use super::types::{
    Compare, EtcdError, Event, Keys, Range, Read, Relation, Row, Step, StepDone, Target, Transacted, Transaction,
};
use etcd_client as client;

/// gRPC's code for a request that is wrong whatever the state of the server.
const INVALID_ARGUMENT: i32 = 3;

/// etcd counts in `i64`; what it cannot reach it cannot hold either.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// No revision, version or lease of etcd is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn revision(header: Option<&client::ResponseHeader>) -> u64 {
    header.map_or(0, |header| unsigned(header.revision()))
}

pub(super) fn transaction(wanted: &Transaction) -> client::Txn {
    let steps = |steps: &[Step]| steps.iter().map(step).collect::<Vec<_>>();
    let compares: Vec<client::Compare> = wanted.compare.iter().map(compare).collect();
    client::Txn::new().when(compares).and_then(steps(&wanted.then)).or_else(steps(&wanted.otherwise))
}

fn compare(wanted: &Compare) -> client::Compare {
    let relation = match wanted.relation {
        Relation::Equal => client::CompareOp::Equal,
        Relation::NotEqual => client::CompareOp::NotEqual,
        Relation::Less => client::CompareOp::Less,
        Relation::Greater => client::CompareOp::Greater,
    };
    let key = wanted.key.clone();
    match &wanted.target {
        Target::Created(revision) => client::Compare::create_revision(key, relation, signed(*revision)),
        Target::Modified(revision) => client::Compare::mod_revision(key, relation, signed(*revision)),
        Target::Version(version) => client::Compare::version(key, relation, signed(*version)),
        Target::Value(value) => client::Compare::value(key, relation, value.clone()),
        Target::Lease(lease) => client::Compare::lease(key, relation, signed(*lease)),
    }
}

fn step(wanted: &Step) -> client::TxnOp {
    match wanted {
        Step::Put { key, value, lease } => {
            let options = client::PutOptions::new().with_lease(signed(*lease));
            client::TxnOp::put(key.clone(), value.clone(), Some(options))
        }
        Step::Delete(Keys { first, end }) => {
            let options = end.clone().map(|end| client::DeleteOptions::new().with_range(end));
            client::TxnOp::delete(first.clone(), options)
        }
        Step::Range { keys, limit } => client::TxnOp::get(keys.first.clone(), Some(range_options(keys, *limit))),
        Step::Nested(inner) => client::TxnOp::txn(transaction(inner)),
    }
}

fn range_options(keys: &Keys, limit: u64) -> client::GetOptions {
    let options = client::GetOptions::new().with_limit(signed(limit));
    match &keys.end {
        Some(end) => options.with_range(end.clone()),
        None => options,
    }
}

pub(super) fn read_options(read: &Read) -> client::GetOptions {
    let options = range_options(&read.keys, read.limit).with_revision(signed(read.revision));
    if read.linearizable { options } else { options.with_serializable() }
}

pub(super) fn transacted(done: &client::TxnResponse) -> Transacted {
    let step = |response| match response {
        client::TxnOpResponse::Put(_) => StepDone::Put,
        client::TxnOpResponse::Delete(deleted) => StepDone::Deleted(unsigned(deleted.deleted())),
        client::TxnOpResponse::Get(mut found) => StepDone::Range(range(&mut found)),
        client::TxnOpResponse::Txn(inner) => StepDone::Nested(transacted(&inner)),
    };
    Transacted {
        revision: revision(done.header()),
        held: done.succeeded(),
        steps: done.op_responses().into_iter().map(step).collect(),
    }
}

pub(super) fn range(found: &mut client::GetResponse) -> Range {
    let (revision, more) = (revision(found.header()), found.more());
    Range { revision, rows: found.take_kvs().into_iter().map(row).collect(), more }
}

fn row(found: client::KeyValue) -> Row {
    let (created, modified) = (unsigned(found.create_revision()), unsigned(found.mod_revision()));
    let (version, lease) = (unsigned(found.version()), unsigned(found.lease()));
    let (key, value) = found.into_key_value();
    Row { key, value, created, modified, version, lease }
}

/// `None` for an event without a key, which etcd does not send.
pub(super) fn event(seen: &client::Event) -> Option<Event> {
    let found = row(seen.kv()?.clone());
    Some(match seen.event_type() {
        client::EventType::Put => Event::Put(found),
        client::EventType::Delete => Event::Deleted { key: found.key, revision: found.modified },
    })
}

/// What to make of an error. etcd's sentences are part of its interface (`rpctypes/error.go`).
pub(super) fn error(error: &client::Error) -> EtcdError {
    match error {
        client::Error::GRpcStatus(status) => said(status.code() as i32, status.message()),
        client::Error::LeaseKeepAliveError(why) if why.contains("lease not found") => EtcdError::NoLease,
        client::Error::InvalidArgs(why) => EtcdError::Invalid(why.clone()),
        other => EtcdError::Unavailable(other.to_string()),
    }
}

fn said(code: i32, message: &str) -> EtcdError {
    let contains = |words: &str| message.contains(words);
    if contains("required revision has been compacted") {
        EtcdError::Compacted(0)
    } else if contains("required revision is a future revision") {
        EtcdError::Future
    } else if contains("requested lease not found") {
        EtcdError::NoLease
    } else if contains("lease already exists") {
        EtcdError::LeaseExists
    } else if code == INVALID_ARGUMENT || contains("too large lease TTL") {
        EtcdError::Invalid(message.to_owned())
    } else {
        EtcdError::Unavailable(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_what_the_caller_does_next() {
        assert_eq!(said(11, "etcdserver: mvcc: required revision has been compacted"), EtcdError::Compacted(0));
        assert_eq!(said(11, "etcdserver: mvcc: required revision is a future revision"), EtcdError::Future);
        assert_eq!(said(5, "etcdserver: requested lease not found"), EtcdError::NoLease);
        assert_eq!(said(9, "etcdserver: lease already exists"), EtcdError::LeaseExists);
        assert!(matches!(said(3, "etcdserver: duplicate key given in txn request"), EtcdError::Invalid(_)));
        assert!(matches!(said(14, "etcdserver: request timed out"), EtcdError::Unavailable(_)));
        assert!(matches!(said(11, "message too long"), EtcdError::Unavailable(_)));
    }
}
