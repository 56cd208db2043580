//! How large a run is.

/// The numbers of the scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub nodes: usize,
    /// Services of the fleet, and the tasks of each.
    pub services: usize,
    pub tasks_each: usize,
    /// The one large service.
    pub large: usize,
    pub rolling: usize,
}

impl Size {
    /// Small in every test run, whole when asked for.
    pub fn chosen() -> Size {
        if std::env::var("NEARGATE_SIMULATION").is_ok_and(|v| v == "full") {
            Size {
                nodes: 1_000,
                services: 100,
                tasks_each: 1_000,
                large: 10_000,
                rolling: 1_000,
            }
        } else {
            Size {
                nodes: 30,
                services: 6,
                tasks_each: 40,
                large: 150,
                rolling: 60,
            }
        }
    }
}

/// The seeds of a run: one that was asked for, else `usual`.
pub fn seeds(usual: &[u64]) -> Vec<u64> {
    let asked = std::env::var("NEARGATE_SIMULATION_SEED").ok();
    asked
        .and_then(|s| s.parse().ok())
        .map_or_else(|| usual.to_vec(), |seed| vec![seed])
}
