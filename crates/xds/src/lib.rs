//! What Envoy is told: the snapshot of one proxy's resources, and the server of the aggregated discovery
//! service (ADS) that sends it.
//! <https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol>

pub mod snapshot;

pub use envoy_types;
pub use snapshot::Snapshot;
