//! CloudWatch's handlers, a file for each resource.

pub mod alarms;
pub mod dashboards;
pub mod data;
pub mod history;
pub mod list;
pub mod mute_rules;
pub mod put;
mod shown;
pub mod statistics;
pub mod tags;
pub mod widget;
