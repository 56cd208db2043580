//! Floor 3: the observe family: CloudWatch Logs now; metrics, events, traces and topics later.

pub mod logs;
