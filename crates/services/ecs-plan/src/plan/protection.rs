//! How long tasks are protected, and when they cannot be any longer
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html>).

use crate::row::Row;
use neargate_base::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Two hours unless the caller says otherwise.
const DEFAULT_MINUTES: i32 = 120;
const MAX_MINUTES: i32 = 2_880;

/// Until when: `None` ends the protection.
///
/// # Errors
/// What is wrong with `minutes`.
pub fn until(
    enabled: bool,
    minutes: Option<i32>,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let minutes = minutes.unwrap_or(DEFAULT_MINUTES);
    match u64::try_from(minutes) {
        Ok(n @ 1..) if minutes <= MAX_MINUTES => {
            Ok(enabled.then(|| now + Duration::from_secs(n * 60)))
        }
        _ => Err(format!(
            "expiresInMinutes must be between 1 and {MAX_MINUTES}."
        )),
    }
}

/// May the protection of `task` not be set or prolonged? It is of an earlier deployment than the
/// service's newest task, and protected tasks of earlier deployments hold the newest one up.
pub fn blocked(task: &Row, of_service: &[Arc<Row>], now: Timestamp) -> bool {
    let deployment = |r: &Row| r.service.as_ref().map(|s| s.deployment.clone());
    let newest = of_service
        .iter()
        .filter(|r| !r.is_stopped())
        .max_by_key(|r| (r.created_at, &r.key));
    let Some(newest) = newest.and_then(|r| deployment(r)) else {
        return false;
    };
    let earlier = |r: &Row| deployment(r).as_ref() != Some(&newest);
    let protected = |r: &Row| r.protection.is_some_and(|p| p.until > now);
    earlier(task)
        && of_service
            .iter()
            .any(|r| !r.is_stopped() && earlier(r) && protected(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes() {
        let now = Timestamp::from_millis(0);
        let at = |minutes: i64| Ok(Some(Timestamp::from_millis(minutes * 60_000)));
        assert_eq!(until(true, None, now), at(120));
        assert_eq!(until(true, Some(1), now), at(1));
        assert_eq!(until(true, Some(2_880), now), at(2_880));
        assert_eq!(until(false, None, now), Ok(None));
        for bad in [0, -1, 2_881, i32::MAX] {
            assert!(until(true, Some(bad), now).is_err(), "{bad}");
        }
    }
}
