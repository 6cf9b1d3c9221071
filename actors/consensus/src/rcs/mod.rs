//! The Routing Coordination Service: etcd's data model on a replicated log (spec 001).

pub mod message;
