//! What App Mesh decides without looking anywhere: what specifications may be ([`spec`]), what may be deleted
//! ([`dependency`]).

pub mod dependency;
pub mod spec;
pub mod world;
