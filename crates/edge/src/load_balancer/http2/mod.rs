//! HTTP/2 with clients and with targets, as gRPC needs it.

pub mod body;
pub mod client;
pub mod upstream;
