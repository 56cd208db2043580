//! What an operator (or a test) may set: registries, limits, patience.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// The mirrors of each registry, keyed by its host as it stands in image names (`docker.io`,
    /// `quay.io`, `host:5000`): URLs that are asked before the registry itself, in order, such as
    /// `http://10.0.0.5:5000` or `https://mirror.example/hub` (a path becomes a prefix of the
    /// repository).
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Hosts (`host` or `host:port`) spoken to without TLS. `localhost` and loopback addresses
    /// always are.
    pub insecure: Vec<String>,
}

/// Bounds on what an image may cost, whatever its registry claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes of one layer, metadata included.
    pub max_layer_bytes: u64,
    /// Uncompressed bytes of all layers that one pull unpacks.
    pub max_image_bytes: u64,
    /// Files, directories and links of one layer.
    pub max_layer_entries: u64,
    /// Layers of one image; the kernel's overlay takes no more than 500.
    pub max_layers: usize,
    /// Unpacking stops as on a full disk when less than this would stay free.
    pub keep_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Limits {
            max_layer_bytes: 20 * GIB,
            max_image_bytes: 64 * GIB,
            max_layer_entries: 1_000_000,
            max_layers: 500,
            keep_free_bytes: GIB / 4,
        }
    }
}

/// How often and how patiently a registry is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first included.
    pub tries: u32,
    pub first_delay: Duration,
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let (first_delay, max_delay) = (Duration::from_millis(500), Duration::from_secs(5));
        Retry {
            tries: 5,
            first_delay,
            max_delay,
        }
    }
}

/// Everything but the registries themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOptions {
    pub limits: Limits,
    pub retry: Retry,
    pub connect_timeout: Duration,
    /// Without any byte for this long, a connection counts as broken.
    pub idle_timeout: Duration,
    /// Layers fetched and unpacked at once, over all pulls.
    pub parallel_layers: usize,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            limits: Limits::default(),
            retry: Retry::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            parallel_layers: 6,
        }
    }
}
