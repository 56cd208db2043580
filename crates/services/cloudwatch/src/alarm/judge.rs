//! From datapoints to a state: M out of N, and what is missing
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>).

use neargate_domain::alarm::AlarmState;

/// How missing data are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `missing`: without data the state is INSUFFICIENT_DATA.
    Insufficient,
    Ignore,
    Breaching,
    NotBreaching,
}

impl Missing {
    /// By AWS's word.
    pub fn of(word: Option<&str>) -> Option<Missing> {
        match word {
            None | Some("missing") => Some(Missing::Insufficient),
            Some("ignore") => Some(Missing::Ignore),
            Some("breaching") => Some(Missing::Breaching),
            Some("notBreaching") => Some(Missing::NotBreaching),
            Some(_) => None,
        }
    }
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// `None`: it stays in the state that it is in.
    pub state: Option<AlarmState>,
    /// The datapoints that were looked at, by their places, newest first.
    pub seen: Vec<usize>,
    /// How many that are missing were filled in.
    pub filled: usize,
}

/// The datapoints of the evaluation range, newest first: does each breach the threshold, or is it missing?
/// `needed` of them are looked at, and `to_alarm` of those must breach.
pub fn judge(
    range: &[Option<bool>],
    needed: usize,
    to_alarm: usize,
    missing: Missing,
) -> Judgement {
    let real = range
        .iter()
        .enumerate()
        .filter_map(|(at, point)| Some((at, (*point)?)));
    let real: Vec<(usize, bool)> = real.take(needed).collect();
    let breaching = real.iter().filter(|(_, breaches)| *breaches).count();
    let filled = needed - real.len();
    let is = |alarm: bool| {
        Some(if alarm {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        })
    };
    let state = if filled == 0 {
        is(breaching >= to_alarm)
    } else {
        match missing {
            Missing::Breaching => is(breaching + filled >= to_alarm),
            Missing::NotBreaching => is(breaching >= to_alarm),
            Missing::Insufficient if real.is_empty() => Some(AlarmState::InsufficientData),
            Missing::Ignore if real.is_empty() => None,
            _ if breaching >= to_alarm => is(true),
            // A datapoint within the threshold decides.
            _ if breaching < real.len() => is(false),
            Missing::Ignore => None,
            // "Alarms are designed to always go into ALARM state when the oldest available breaching datapoint
            // is at least as old as the value of Datapoints to Alarm, and all other more recent data points are
            // breaching or missing." Else the next datapoint may not breach.
            Missing::Insufficient => {
                let oldest = real.last().map_or(0, |(at, _)| at + 1);
                (oldest >= to_alarm).then_some(AlarmState::Alarm)
            }
        }
    };
    Judgement {
        state,
        seen: real.into_iter().map(|(at, _)| at).collect(),
        filled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALARM: Option<AlarmState> = Some(AlarmState::Alarm);
    const OK: Option<AlarmState> = Some(AlarmState::Ok);
    const NONE: Option<AlarmState> = Some(AlarmState::InsufficientData);
    const KEEP: Option<AlarmState> = None;

    /// Datapoints as the documentation writes them, oldest first.
    fn range(text: &str) -> Vec<Option<bool>> {
        let point = |word: &str| match word {
            "0" => Some(false),
            "X" => Some(true),
            _ => None,
        };
        let mut points: Vec<Option<bool>> = text.split(' ').map(point).collect();
        points.reverse();
        points
    }

    /// The tables of "How alarm state is evaluated when data is missing": filled in; then missing, ignore,
    /// breaching, notBreaching.
    #[test]
    fn the_documentations_tables() {
        let three_of_three = [
            ("0 - X - X", 0, [OK, OK, OK, OK]),
            ("0 - - - -", 2, [OK, OK, OK, OK]),
            ("- - - - -", 3, [NONE, KEEP, ALARM, OK]),
            ("0 X X - X", 0, [ALARM, ALARM, ALARM, ALARM]),
            ("- - X - -", 2, [ALARM, KEEP, ALARM, OK]),
            // "The alarm does not go immediately into ALARM state."
            ("- - - - X", 2, [KEEP, KEEP, ALARM, OK]),
            ("- - - X -", 2, [KEEP, KEEP, ALARM, OK]),
            ("- - - X 0", 1, [OK, OK, OK, OK]),
        ];
        let two_of_three = [
            ("0 - X - X", 0, [ALARM, ALARM, ALARM, ALARM]),
            ("0 0 X 0 X", 0, [ALARM, ALARM, ALARM, ALARM]),
            ("0 - X - -", 1, [OK, OK, ALARM, OK]),
            ("- - - - 0", 2, [OK, OK, ALARM, OK]),
            ("- - - X -", 2, [ALARM, KEEP, ALARM, OK]),
        ];
        let tables = [(3, three_of_three.as_slice()), (2, two_of_three.as_slice())];
        let treatments = [
            Missing::Insufficient,
            Missing::Ignore,
            Missing::Breaching,
            Missing::NotBreaching,
        ];
        for (to_alarm, table) in tables {
            for (text, filled, states) in table {
                for (missing, state) in treatments.into_iter().zip(states) {
                    let judged = judge(&range(text), 3, to_alarm, missing);
                    let found = (judged.state, judged.filled);
                    assert_eq!(
                        found,
                        (*state, *filled),
                        "{to_alarm} of 3: {text} {missing:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_newest_count() {
        let judged = judge(&range("X X 0 0 X"), 2, 1, Missing::Insufficient);
        assert_eq!((judged.state, judged.seen), (ALARM, vec![0, 1]));
        assert_eq!(
            judge(&range("X X X 0 0"), 2, 1, Missing::Insufficient).state,
            OK
        );
    }
}
