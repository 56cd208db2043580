//! When scheduled actions happen: at, rate and cron expressions
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html>).

use crate::model::Scheduled;
use neargate_base::Timestamp;
use neargate_service::cron::{self, Cron, Invalid};
use std::time::Duration;

/// A schedule that was understood.
#[derive(Debug)]
pub enum Schedule {
    At(Timestamp),
    Rate(Duration),
    Cron(Box<Cron>),
}

impl Schedule {
    /// # Errors
    /// When it is no such expression, or there is no such time zone.
    pub fn parse(text: &str, time_zone: Option<&str>) -> Result<Schedule, Invalid> {
        let zone = time_zone.unwrap_or("UTC");
        cron::zone(zone)?;
        let (kind, rest) = text.split_once('(').ok_or(Invalid::Expression)?;
        let inner = rest.strip_suffix(')').ok_or(Invalid::Expression)?.trim();
        match kind {
            "at" => cron::at(inner, zone).map(Schedule::At),
            "rate" => rate(inner).map(Schedule::Rate).ok_or(Invalid::Expression),
            "cron" => Cron::parse_quartz(inner, zone).map(|c| Schedule::Cron(c.into())),
            _ => Err(Invalid::Expression),
        }
    }
}

/// `5 minutes`.
fn rate(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_once(char::is_whitespace)?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let count: u32 = count.parse().ok().filter(|n| *n > 0)?;
    Some(Duration::from_secs(u64::from(count) * seconds))
}

impl Scheduled {
    /// When it happens behind `now`, within its start and end; `None`: never again.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let schedule = Schedule::parse(&self.schedule, self.time_zone.as_deref()).ok()?;
        // At the start itself it may happen already.
        let behind = match self.start {
            Some(start) => now.max(start.shift(-1)),
            None => now,
        };
        let next = match schedule {
            Schedule::At(at) => (at > behind).then_some(at),
            Schedule::Rate(every) => Some(self.next_of_rate(every, behind)),
            Schedule::Cron(cron) => cron.after(behind),
        };
        next.filter(|next| self.end.is_none_or(|end| *next <= end))
    }

    /// The first time behind `behind` that is a whole number of intervals from where it counts.
    fn next_of_rate(&self, every: Duration, behind: Timestamp) -> Timestamp {
        let from = self.start.unwrap_or(self.created_at);
        if from > behind {
            return from;
        }
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let passed = (behind.as_millis() - from.as_millis()) / every;
        from.shift((passed + 1).saturating_mul(every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        cron::at(text, "UTC").expect("a time")
    }

    fn next(schedule: &str, zone: Option<&str>, from: Option<&str>, to: Option<&str>) -> String {
        let scheduled = Scheduled {
            id: String::new(),
            created_at: at("2026-11-30T12:00:30"),
            schedule: schedule.into(),
            time_zone: zone.map(Into::into),
            start: from.map(at),
            end: to.map(at),
            min: None,
            max: None,
            next_at: Timestamp::default(),
        };
        let next = scheduled.after(at("2026-11-30T13:00:00"));
        next.map_or("never".into(), |t| t.rfc3339().replace(".000Z", ""))
    }

    #[test]
    fn schedules() {
        let tomorrow = Some("2026-12-01T00:00:00");
        for (schedule, zone, from, to, expected) in [
            (
                "at(2026-11-30T14:00:00)",
                None,
                None,
                None,
                "2026-11-30T14:00:00",
            ),
            (
                "at(2026-11-30T09:00:00)",
                Some("America/New_York"),
                None,
                None,
                "2026-11-30T14:00:00",
            ),
            ("at(2026-11-30T12:59:59)", None, None, None, "never"),
            ("rate(7 minutes)", None, None, None, "2026-11-30T13:03:30"),
            ("rate(1 day)", None, tomorrow, None, "2026-12-01T00:00:00"),
            (
                "rate(1 hour)",
                None,
                Some("2026-11-30T12:15:00"),
                None,
                "2026-11-30T13:15:00",
            ),
            (
                "rate(1 hour)",
                None,
                None,
                Some("2026-11-30T13:00:00"),
                "never",
            ),
            (
                "cron(0 0 * * ? *)",
                None,
                tomorrow,
                None,
                "2026-12-01T00:00:00",
            ),
            (
                "cron(0 9 * * ? *)",
                Some("Asia/Tokyo"),
                None,
                None,
                "2026-12-01T00:00:00",
            ),
            (
                "cron(0 14 * * ? *)",
                None,
                None,
                tomorrow,
                "2026-11-30T14:00:00",
            ),
        ] {
            let found = next(schedule, zone, from, to);
            assert_eq!(found, expected, "{schedule} {zone:?} {from:?} {to:?}");
        }
        for wrong in [
            "",
            "at()",
            "at(2026-11-30)",
            "rate(0 minutes)",
            "rate(5 seconds)",
            "rate(minutes)",
            "cron(0 0 * * *)",
            "* * * * *",
        ] {
            let found = Schedule::parse(wrong, None).map(drop);
            assert_eq!(found, Err(Invalid::Expression), "{wrong}");
        }
        let zone = Schedule::parse("rate(1 day)", Some("Mars/Olympus")).map(drop);
        assert_eq!(zone, Err(Invalid::TimeZone));
    }
}
