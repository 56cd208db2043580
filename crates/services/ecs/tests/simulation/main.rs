//! Services on a simulated fleet: the real controllers, scheduler and embedded store, with nodes
//! that only pretend to run containers, on a clock that jumps from event to event.
//!
//! Every change of the store is held against the invariants in [`invariants`]. A run is decided by
//! its seed, which is printed when it fails; `NEARGATE_SIMULATION_SEED` runs that one again, and
//! `NEARGATE_SIMULATION=full cargo test --release -p neargate-ecs --test simulation` is the
//! whole size: 1,000 nodes, 100,000 tasks, one service of 10,000.

mod clock;
mod clock_set;
mod durable;
mod follow;
mod invariants;
mod nodes;
mod scenarios;
mod size;
mod world;
