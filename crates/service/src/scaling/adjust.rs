//! Which capacity a scaling policy asks for
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html>,
//! <https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html>).
//! Pure: it knows no metric, and whose capacity it is.

/// How an adjustment is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustmentType {
    ChangeInCapacity,
    ExactCapacity,
    PercentChangeInCapacity,
}

impl AdjustmentType {
    pub const ALL: [AdjustmentType; 3] = [
        AdjustmentType::ChangeInCapacity,
        AdjustmentType::ExactCapacity,
        AdjustmentType::PercentChangeInCapacity,
    ];

    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            AdjustmentType::ChangeInCapacity => "ChangeInCapacity",
            AdjustmentType::ExactCapacity => "ExactCapacity",
            AdjustmentType::PercentChangeInCapacity => "PercentChangeInCapacity",
        }
    }

    pub fn parse(word: &str) -> Option<AdjustmentType> {
        AdjustmentType::ALL.into_iter().find(|t| t.as_str() == word)
    }
}

/// An adjustment for metrics that are so far from the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// `None`: however far below.
    pub lower: Option<f64>,
    /// `None`: however far above.
    pub upper: Option<f64>,
    pub adjustment: i32,
}

impl Step {
    fn lower(&self) -> f64 {
        self.lower.unwrap_or(f64::NEG_INFINITY)
    }

    fn upper(&self) -> f64 {
        self.upper.unwrap_or(f64::INFINITY)
    }
}

/// What is wrong with the steps of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidSteps {
    /// A lower bound is not below its upper one.
    Reversed,
    Overlap,
    Gap,
}

/// Steps neither overlap nor leave a gap.
///
/// # Errors
/// What they do.
pub fn check(steps: &[Step]) -> Result<(), InvalidSteps> {
    let mut steps = steps.to_vec();
    steps.sort_by(|a, b| a.lower().total_cmp(&b.lower()));
    if steps.iter().any(|step| step.lower() >= step.upper()) {
        return Err(InvalidSteps::Reversed);
    }
    for pair in steps.windows(2) {
        if pair[0].upper() > pair[1].lower() {
            return Err(InvalidSteps::Overlap);
        }
        if pair[0].upper() < pair[1].lower() {
            return Err(InvalidSteps::Gap);
        }
    }
    Ok(())
}

/// The adjustment for a metric that is by `distance` above its threshold.
pub fn step(steps: &[Step], distance: f64) -> Option<i32> {
    let fits = |s: &&Step| match distance >= 0.0 {
        // Above the threshold a step has its lower bound, below it its upper one.
        true => s.lower() <= distance && distance < s.upper(),
        false => s.lower() < distance && distance <= s.upper(),
    };
    steps.iter().find(fits).map(|s| s.adjustment)
}

/// What an adjustment makes of a capacity. A percentage of less than one is one, more is rounded
/// down; it is at least `least`.
pub fn adjusted(current: u32, kind: AdjustmentType, by: i32, least: u32) -> u32 {
    let (now, by) = (i64::from(current), i64::from(by));
    let wanted = match kind {
        AdjustmentType::ChangeInCapacity => now + by,
        AdjustmentType::ExactCapacity => by,
        AdjustmentType::PercentChangeInCapacity => now + percent(now, by, i64::from(least)),
    };
    u32::try_from(wanted.max(0)).unwrap_or(u32::MAX)
}

fn percent(now: i64, by: i64, least: i64) -> i64 {
    let exact = now * by;
    let change = match exact {
        1..=99 => 1,
        -99..=-1 => -1,
        _ => exact / 100,
    };
    match by >= 0 {
        true => change.max(least),
        false => change.min(-least),
    }
}

/// The capacity at which the metric would be at its target, were it in proportion to the load of
/// each: rounded up, so that what is kept is rather too much.
pub fn tracked(current: u32, value: f64, target: f64) -> u32 {
    /// A quotient that is off by rounding alone is whole.
    const EXACT: f64 = 1e-9;
    let wanted = f64::from(current) * value / target;
    // Beyond all bounds, and NaN, a float is cut to what an integer can be.
    (wanted - EXACT).ceil().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_as_documented() {
        for (now, by, expected) in [
            (10, 10, 1),
            (10, 15, 1),
            (10, 1, 1),
            (10, -1, -1),
            (25, -30, -7),
            (0, 50, 0),
        ] {
            assert_eq!(percent(now, by, 0), expected, "{by} % of {now}");
        }
        assert_eq!((percent(4, 25, 2), percent(4, -25, 2)), (2, -2));
        let kind = AdjustmentType::PercentChangeInCapacity;
        assert_eq!(adjusted(4, kind, -200, 0), 0);
    }

    #[test]
    fn a_step_is_found_by_the_distance() {
        let step_of = |lower, upper, adjustment| Step {
            lower,
            upper,
            adjustment,
        };
        let steps = [
            step_of(Some(0.0), Some(10.0), 1),
            step_of(Some(10.0), None, 3),
            step_of(Some(-10.0), Some(0.0), -1),
            step_of(None, Some(-10.0), -3),
        ];
        assert_eq!(check(&steps), Ok(()));
        for (distance, expected) in [
            (0.0, 1),
            (9.9, 1),
            (10.0, 3),
            (1e9, 3),
            (-0.1, -1),
            (-10.0, -3),
            (-11.0, -3),
        ] {
            assert_eq!(step(&steps, distance), Some(expected), "{distance}");
        }
        assert_eq!(step(&steps[..1], 10.0), None);
        assert_eq!(check(&[steps[0], steps[3]]), Err(InvalidSteps::Gap));
        let wide = step_of(Some(5.0), None, 1);
        assert_eq!(check(&[steps[0], wide]), Err(InvalidSteps::Overlap));
        let reversed = step_of(Some(5.0), Some(5.0), 1);
        assert_eq!(check(&[reversed]), Err(InvalidSteps::Reversed));
    }

    #[test]
    fn a_target_is_met_by_rather_too_much() {
        for (current, value, target, expected) in [
            (1, 150.0, 50.0, 3),
            (2, 75.0, 50.0, 3),
            (3, 51.0, 50.0, 4),
            (10, 40.0, 50.0, 8),
            (10, 41.0, 50.0, 9),
            (4, 0.0, 50.0, 0),
            (3, 0.3, 0.1, 9),
            (1, 1e300, 1e-300, u32::MAX),
        ] {
            assert_eq!(
                tracked(current, value, target),
                expected,
                "{current} at {value}"
            );
        }
    }
}
