//! What Envoy is told: the snapshot of one proxy's resources, where it comes from ([`Source`]), and the
//! server of the aggregated discovery service (ADS) that sends it ([`serve`]).
//! <https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol>

mod conversation;
mod packed;
mod server;
pub mod snapshot;
mod source;
#[cfg(test)]
mod tests;

pub use envoy_types;
pub use packed::any;
pub use server::serve;
pub use snapshot::Snapshot;
pub use source::{Kind, Proxy, Refusal, Rejected, Source};
