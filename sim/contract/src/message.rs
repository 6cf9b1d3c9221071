//! Messages: typed at both ends, type-erased in between.
//!
//! A [`Message`] is one protocol's wire enum or struct. An [`Inbox`] is the enum of all protocols that a
//! process accepts. A host moves `Box<dyn Payload>`; the receiving inbox turns it back into its own type
//! by protocol, from a value or from bytes.

use crate::codec::{self, CodecError};
use serde::{Serialize, de::DeserializeOwned};
use std::any::Any;
use std::fmt::Debug;

/// A protocol's tag on the wire: a hash of its name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
pub struct Protocol(pub u32);

impl Protocol {
    /// The 32-bit FNV-1a hash of `name`; the [`inbox!`](crate::inbox) macro refuses an inbox in which two collide.
    pub const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash: u32 = 0x811c_9dc5;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        Protocol(hash)
    }
}

/// One protocol's messages in one direction. Implement it with [`message!`](crate::message!).
pub trait Message: Clone + Debug + Serialize + DeserializeOwned + Send + 'static {
    /// The protocol's name with its version, for example `"edge.ingest/1"`.
    const NAME: &'static str;
    /// The tag that travels with each message.
    const PROTOCOL: Protocol = Protocol::of(Self::NAME);
}

/// A message whose type was erased for transport. Every [`Message`] is one.
pub trait Payload: Debug + Send {
    /// The tag of the message's protocol.
    fn protocol(&self) -> Protocol;
    /// The name of the message's protocol.
    fn name(&self) -> &'static str;
    /// A copy, for duplicated delivery and for copies of the world.
    fn clone_box(&self) -> Box<dyn Payload>;
    /// Reads a little of the message, so that it is in the cache when it is handled soon.
    fn touch(&self);
    /// Appends the wire encoding (without a frame) to `out`.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;
    /// The value, for the inbox to take back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<M: Message> Payload for M {
    fn protocol(&self) -> Protocol {
        M::PROTOCOL
    }
    fn name(&self) -> &'static str {
        M::NAME
    }
    fn clone_box(&self) -> Box<dyn Payload> {
        Box::new(self.clone())
    }
    #[inline]
    fn touch(&self) {
        // Reading an enum's tag is the one thing that can be done to any type without knowing it.
        std::hint::black_box(std::mem::discriminant(self));
    }
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode_into(self, out)
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl Clone for Box<dyn Payload> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// Why an inbox did not take a message. Never a panic: the sender may be of another build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No variant of this inbox speaks that protocol.
    UnknownProtocol(Protocol),
    /// The bytes are not a message of the protocol.
    Malformed(CodecError),
}

/// The enum of everything a process accepts. Define it with [`inbox!`](crate::inbox).
pub trait Inbox: Debug + Send + Sized + 'static {
    /// Takes a message that moved as a value.
    fn from_payload(payload: Box<dyn Payload>) -> Result<Self, Refused>;
    /// Takes a message that moved as bytes.
    fn from_bytes(protocol: Protocol, bytes: &[u8]) -> Result<Self, Refused>;
    /// Whether some variant speaks `protocol`.
    fn accepts(protocol: Protocol) -> bool;
}

/// Names the protocol of a message type: `message!(Request = "edge.ingest/1");`
#[macro_export]
macro_rules! message {
    ($type:ty = $name:literal) => {
        impl $crate::Message for $type {
            const NAME: &'static str = $name;
        }
    };
}

/// Defines an inbox: `inbox! { pub enum Inbox { Client(Request), Ledger(primary::Reply) } }`
///
/// Gives `From<T>` for each protocol and decoding by tag; two protocols with one tag do not compile:
///
/// ```compile_fail,E0080
/// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Hello;
/// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Bye;
/// contract::message!(Hello = "doc.same/1");
/// contract::message!(Bye = "doc.same/1");
/// contract::inbox! { pub enum Inbox { Greeted(Hello), Left(Bye) } }
/// ```
#[macro_export]
macro_rules! inbox {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident($type:ty)),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis enum $name { $($(#[$variant_meta])* $variant($type)),+ }

        $(impl From<$type> for $name {
            fn from(message: $type) -> Self {
                $name::$variant(message)
            }
        })+

        const _: () = {
            let tags = [$(<$type as $crate::Message>::PROTOCOL.0),+];
            let mut a = 0;
            while a < tags.len() {
                let mut b = a + 1;
                while b < tags.len() {
                    assert!(tags[a] != tags[b], "two protocols of one inbox have the same tag: rename one");
                    b += 1;
                }
                a += 1;
            }
        };

        impl $crate::Inbox for $name {
            fn from_payload(payload: Box<dyn $crate::Payload>) -> Result<Self, $crate::message::Refused> {
                let protocol = payload.protocol();
                $(if protocol == <$type as $crate::Message>::PROTOCOL {
                    return match payload.into_any().downcast::<$type>() {
                        Ok(message) => Ok($name::$variant(*message)),
                        Err(_) => Err($crate::message::Refused::UnknownProtocol(protocol)),
                    };
                })+
                Err($crate::message::Refused::UnknownProtocol(protocol))
            }
            fn from_bytes(protocol: $crate::Protocol, bytes: &[u8]) -> Result<Self, $crate::message::Refused> {
                $(if protocol == <$type as $crate::Message>::PROTOCOL {
                    return $crate::codec::decode::<$type>(bytes)
                        .map($name::$variant)
                        .map_err($crate::message::Refused::Malformed);
                })+
                Err($crate::message::Refused::UnknownProtocol(protocol))
            }
            fn accepts(protocol: $crate::Protocol) -> bool {
                $(protocol == <$type as $crate::Message>::PROTOCOL)||+
            }
        }
    };
}
