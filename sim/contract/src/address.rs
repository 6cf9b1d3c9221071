//! Who can be spoken to: nodes, processes and typed addresses.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// A machine: one disk, one clock, one process table, one network interface, one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// A process slot of the cluster plan. It stays the same when the process restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

/// An entry of one node's process table. A restart gets a new one, and old ones may be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pid(pub u32);

/// The address of a process that accepts messages of type `M`.
///
/// Only three places make one: [`crate::Context::addr`] (checked by the compiler),
/// [`crate::plan::Directory::addr`] (checked when the plan is built) and decoding.
pub struct Addr<M> {
    process: ProcessId,
    accepts: PhantomData<fn(M)>,
}

impl<M> Addr<M> {
    pub(crate) fn new(process: ProcessId) -> Self {
        Addr { process, accepts: PhantomData }
    }

    /// The process behind this address.
    pub fn process(self) -> ProcessId {
        self.process
    }
}

// Derives would ask for `M: Clone` and so on, which an address does not need.
impl<M> Clone for Addr<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for Addr<M> {}
impl<M> PartialEq for Addr<M> {
    fn eq(&self, other: &Self) -> bool {
        self.process == other.process
    }
}
impl<M> Eq for Addr<M> {}
impl<M> PartialOrd for Addr<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<M> Ord for Addr<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.process.cmp(&other.process)
    }
}
impl<M> fmt::Debug for Addr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.process.0)
    }
}
impl<M> Serialize for Addr<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.process.serialize(serializer)
    }
}
impl<'de, M> Deserialize<'de> for Addr<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ProcessId::deserialize(deserializer).map(Addr::new)
    }
}
