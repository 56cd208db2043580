//! The edge as a process of its own (`neargate edge`), which outlives the Neargate that started it:
//! tasks that go on running go on asking for names.
//!
//! A [`Keeper`] finds the process that is there, or starts one, and tells it of every network; the
//! process goes on with what it was told last. It ends by itself once nobody tells it anything and no VPC
//! is left.
//!
//! One of another build, or that was started otherwise, makes room: its socket moves to the directory
//! `leaving`, under its number, and another process is started, which finds it there. As soon as that one
//! is told what there is, it asks for the sockets that are open; the one before finishes what it has
//! and ends. Whichever process is killed at whichever moment, the sockets are with the other, or are
//! made anew.

mod before;
mod keeper;
mod resolver;
mod server;
mod sockets;
mod told;

pub use keeper::{CountedTraffic, Keeper, KeeperConfig};
pub use server::main;
pub use told::without_rules;
