//! A metric filter, ready to be asked
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html>).
//!
//! What is stored was found usable when it was put; [`MetricFilter::new`] is what finds it so.

use super::Reading;
use crate::model::filters as stored;
use crate::pattern::{InvalidPattern, Message, Pattern, Reference};
use neargate_base::Timestamp;
use neargate_service::Scope;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// "CloudWatch Logs disables a metric filter if it generates 1,000 different name/value pairs for
/// your specified dimensions": further ones are not published in that hour.
const MAX_SERIES: usize = 1_000;
const HOUR_MILLIS: i64 = 3_600_000;
/// The longest value of a dimension that CloudWatch takes.
const MAX_DIMENSION_VALUE: usize = 1_024;

/// Why a filter cannot be used; `Display` is AWS's message where it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    #[error(
        "Invalid metric transformation: {0} is neither a number nor a field of the filter pattern"
    )]
    Value(String),
    #[error("The specified filter pattern does not support dimensions")]
    NoDimensions,
    #[error(
        "Invalid metric transformation: the dimension {0} is not a field of the filter pattern"
    )]
    Dimension(String),
    #[error(
        "Invalid metric transformation: dimensions and default value are mutually exclusive properties."
    )]
    DimensionsAndDefault,
    #[error("Invalid metric transformation: a metric filter can have no more than {max} dimensions", max = stored::MAX_DIMENSIONS)]
    TooManyDimensions,
    #[error("Invalid system field: {0}")]
    SystemField(String),
}

#[derive(Debug)]
pub struct MetricFilter {
    pub name: String,
    pub metric: String,
    pub namespace: String,
    pub unit: Option<String>,
    pub default: Option<f64>,
    pattern: Pattern,
    value: Operand,
    dimensions: Vec<(String, Reference)>,
    system: Vec<SystemField>,
    series: Mutex<Hour>,
}

/// The dimensions that were published in an hour, by their hashes.
#[derive(Debug, Default)]
struct Hour {
    number: i64,
    seen: HashSet<u64>,
}

#[derive(Debug)]
enum Operand {
    Number(f64),
    Read(Reference),
}

#[derive(Debug, Clone, Copy)]
enum SystemField {
    Account,
    Region,
}

impl MetricFilter {
    pub fn new(filter: &stored::MetricFilter) -> Result<MetricFilter, Unusable> {
        let pattern = Pattern::parse(&filter.pattern)?;
        let transformation = &filter.transformation;
        let of_pattern = |text: &str| Reference::parse(text).filter(|r| pattern.has(r));
        let value = match transformation.value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number),
            _ => {
                let reference = of_pattern(&transformation.value);
                let unknown = || Unusable::Value(transformation.value.clone());
                Operand::Read(reference.ok_or_else(unknown)?)
            }
        };
        let system = filter
            .emit_system_fields
            .iter()
            .map(|field| match &**field {
                "@aws.account" => Ok(SystemField::Account),
                "@aws.region" => Ok(SystemField::Region),
                other => Err(Unusable::SystemField(other.to_owned())),
            });
        let system: Vec<SystemField> = system.collect::<Result<_, _>>()?;
        let count = transformation.dimensions.len() + system.len();
        if count > 0 && transformation.default.is_some() {
            return Err(Unusable::DimensionsAndDefault);
        }
        if count > stored::MAX_DIMENSIONS {
            return Err(Unusable::TooManyDimensions);
        }
        if matches!(pattern, Pattern::Terms(_)) && !transformation.dimensions.is_empty() {
            return Err(Unusable::NoDimensions);
        }
        let dimension = |(name, text): (&String, &String)| {
            let reference = of_pattern(text);
            let reference = reference.ok_or_else(|| Unusable::Dimension(name.clone()))?;
            Ok((name.clone(), reference))
        };
        let dimensions = transformation.dimensions.iter().map(dimension);
        let dimensions = dimensions.collect::<Result<_, Unusable>>()?;
        Ok(MetricFilter {
            name: filter.name.clone(),
            metric: transformation.name.clone(),
            namespace: transformation.namespace.clone(),
            unit: transformation.unit.clone(),
            default: transformation.default,
            pattern,
            value,
            dimensions,
            system,
            series: Mutex::default(),
        })
    }

    pub fn regexes(&self) -> usize {
        self.pattern.regexes()
    }

    /// The value of a message. One that does not match has none, nor has one whose value is not a
    /// number or that lacks the field of a dimension.
    pub(super) fn read(
        &self,
        message: &Message<'_>,
        scope: &Scope,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<Reading<'_>> {
        let matched = self.pattern.read(message)?;
        let value = match &self.value {
            Operand::Number(number) => *number,
            Operand::Read(reference) => matched.value(reference)?.trim().parse().ok()?,
        };
        let dimension = |(name, reference): &(String, Reference)| {
            let value = matched.value(reference)?.into_owned();
            let fits = !value.trim().is_empty() && value.len() <= MAX_DIMENSION_VALUE;
            fits.then(|| (name.clone(), value))
        };
        let mut dimensions: Vec<(String, String)> = self
            .dimensions
            .iter()
            .map(dimension)
            .collect::<Option<_>>()?;
        dimensions.extend(self.system.iter().map(|field| match field {
            SystemField::Account => ("@aws.account".to_owned(), scope.account.to_string()),
            SystemField::Region => ("@aws.region".to_owned(), scope.region.to_string()),
        }));
        if !f64::is_finite(value) || !self.admits(&dimensions, now) {
            return None;
        }
        Some(Reading {
            filter: self,
            dimensions,
            at,
            value,
        })
    }

    fn admits(&self, dimensions: &[(String, String)], now: Timestamp) -> bool {
        if self.dimensions.is_empty() {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        dimensions.hash(&mut hasher);
        let hash = hasher.finish();
        let number = now.as_millis().div_euclid(HOUR_MILLIS);
        let mut hour = self.series.lock();
        if hour.number != number {
            *hour = Hour {
                number,
                seen: HashSet::new(),
            };
        }
        if hour.seen.contains(&hash) {
            return true;
        }
        if hour.seen.len() == MAX_SERIES {
            tracing::warn!(
                filter = self.name,
                "a metric filter has too many dimensions"
            );
            return false;
        }
        hour.seen.insert(hash)
    }
}
