//! Floor 3, the identity family: who calls, and what they may do.

pub mod sts;
