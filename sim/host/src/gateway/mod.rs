//! Gateways to outside services, as blocking calls: whoever uses them needs no runtime.

pub mod nats;
