//! Floor 4: what stands between VPCs and everybody else, in a process of its own that outlives the
//! control plane. Today that is the resolver of names; it sees `base` and `domain` only.
//!
//! Invariants: it goes on with what it was told last; what a task sends can neither end it nor keep
//! it from answering others; the process goes when nobody needs it any more.

pub mod dns;
pub mod load_balancer;
pub mod place;
pub mod process;
