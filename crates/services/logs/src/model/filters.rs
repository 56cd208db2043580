//! The filters of a log group, one record a group. It is written by the API alone, together with
//! the condition that the group is there.

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// "The maximum number of metric filters that can be associated with a log group is 100."
pub const MAX_METRIC_FILTERS: usize = 100;
/// "There is also a quota of five regular expression patterns per log group."
pub const MAX_REGEXES: usize = 5;
/// "One metric filter can include as many as three dimensions."
pub const MAX_DIMENSIONS: usize = 3;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// Filters of another group, which had the name before, are none.
    pub group_id: String,
    /// In order of their names.
    #[serde(default)]
    pub metric: Vec<MetricFilter>,
}

impl Resource for Filters {
    const KIND: &'static str = "logs/filters";
}

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_MetricFilter.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricFilter {
    pub name: String,
    pub pattern: String,
    pub created: Timestamp,
    pub transformation: Transformation,
    #[serde(default)]
    pub apply_on_transformed_logs: Option<bool>,
    #[serde(default)]
    pub emit_system_fields: Vec<String>,
}

/// What a match is worth
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_MetricTransformation.html>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transformation {
    pub name: String,
    pub namespace: String,
    /// A number, `$.selector` or `$field`.
    pub value: String,
    #[serde(default)]
    pub default: Option<f64>,
    /// Names, and the `$.selector` or `$field` that has the value.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    #[serde(default)]
    pub unit: Option<String>,
}
