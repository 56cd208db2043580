//! What App Mesh decides without looking anywhere: what specifications may be ([`spec`]), what may be deleted
//! ([`dependency`]), what proxies are told ([`compile`]).

pub mod compile;
pub mod dependency;
pub mod spec;
pub mod world;
