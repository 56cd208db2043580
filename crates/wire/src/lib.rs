//! Floor 1: AWS protocols, validation and SigV4 as pure functions. It knows no service.

pub mod sigv4;
