//! What Envoy is told: the snapshot of one proxy's resources, where it comes from ([`Source`]), and the
//! server of the aggregated discovery service (ADS) that sends it.
//! <https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol>

pub mod snapshot;
mod source;

pub use envoy_types;
pub use snapshot::Snapshot;
pub use source::{Kind, Proxy, Refusal, Rejected, Source};
