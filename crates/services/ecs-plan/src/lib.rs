//! What ECS stores ([`model`]), and the planners and rules of ECS ([`plan`]), which are pure: no
//! I/O, no clock, no randomness. What reads and writes for them, and the API, is the crate above,
//! `neargate-ecs` (`ecs::…` in comments).

pub mod error;
pub mod id;
pub mod model;
pub mod plan;
pub mod reference;
pub mod row;
pub mod wording;
