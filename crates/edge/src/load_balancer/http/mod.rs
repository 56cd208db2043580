//! HTTP as an application load balancer speaks it.

pub mod answer;
pub mod body;
pub mod carry;
pub mod client;
pub mod cookie;
pub mod desync;
pub mod exchange;
pub mod forward;
pub mod framing;
pub mod head;
pub mod upstream;
