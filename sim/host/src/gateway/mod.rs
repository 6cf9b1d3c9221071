//! Gateways to outside services, as blocking calls: whoever uses them needs no runtime.

#[cfg(feature = "etcd")]
pub mod etcd;
pub mod nats;
