//! The edge as a process of its own (`neargate edge`), which outlives the Neargate that started it:
//! tasks that go on running go on asking for names.
//!
//! A [`Keeper`] finds the process that is there, or starts one, and tells it of every network; the
//! process goes on with what it was told last. It is replaced when it is of another version or was
//! started otherwise, and ends by itself once nobody tells it anything and no VPC is left.

mod keeper;
mod server;
mod told;

pub use keeper::{Keeper, KeeperConfig};
pub use server::main;
pub use told::without_rules;
