//! What a build's record becomes by the time that passes, and by what its script told.

use super::phases::{self, DOWNLOAD_SOURCE, FAILED, PROVISIONING, QUEUED, SUCCEEDED, TIMED_OUT};
use super::progress::Told;
use crate::model::{Build, Stage};
use neargate_api_codebuild as api;
use neargate_base::Timestamp;
use std::time::Duration;

/// The end of a phase that ends the build.
pub struct End<'a> {
    pub status: &'a str,
    pub context: Option<(&'a str, &'a str)>,
}

/// It has waited, or run, for too long.
pub fn overdue(build: &Build, now: Timestamp) -> Option<End<'static>> {
    let minutes = |n: Option<i32>, default: u64| {
        let n = n.and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
        Duration::from_secs(n * 60)
    };
    let phases = build.shown.phases.iter().flatten();
    let began = |name: &str| {
        let mut of = phases
            .clone()
            .filter(|p| p.phase_type.as_deref() == Some(name));
        of.next().and_then(|p| p.start_time)
    };
    let (since, most, why) = match build.stage {
        Stage::Queued => (
            began(QUEUED)?,
            minutes(build.shown.queued_timeout_in_minutes, 480),
            "Build has timed out. The build was in the queue for too long.",
        ),
        _ => (
            began(PROVISIONING)?,
            minutes(build.shown.timeout_in_minutes, 60),
            "Build has timed out. ",
        ),
    };
    (now.since(since) >= most).then_some(End {
        status: TIMED_OUT,
        context: Some(("BUILD_TIMED_OUT", why)),
    })
}

/// The phases that the script told of take the place of those that were known.
pub fn take_up(build: &mut Build, told: &[Told]) {
    let shown = &mut build.shown.0;
    let phases = shown.phases.get_or_insert_default();
    let known = phases.iter();
    let before = known
        .take_while(|p| {
            !["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"]
                .contains(&p.phase_type.as_deref().unwrap_or_default())
        })
        .count();
    if told.is_empty() {
        return;
    }
    phases.truncate(before);
    for one in told {
        match one {
            Told::Began(phase, at) => {
                // The source was there before the first phase began.
                let last = shown.phases.iter().flatten().last();
                let from = last.and_then(|p| p.start_time);
                let at = from.map_or(*at, |from| from.max(*at));
                if last.is_some_and(|p| p.phase_type.as_deref() == Some(DOWNLOAD_SOURCE)) {
                    phases::end(shown, SUCCEEDED, at);
                }
                // A phase that is tried again goes on.
                let again = shown.current_phase.as_deref() == Some(phase)
                    && shown.phases.iter().flatten().any(|p| {
                        p.phase_type.as_deref() == Some(phase) && p.phase_status.is_none()
                    });
                if !again {
                    phases::begin(shown, phase, at);
                }
            }
            Told::Failed(_, why) => phases::context(shown, "COMMAND_EXECUTION_ERROR", why),
            Told::Retried(_) => {
                if let Some(phase) = shown.phases.iter_mut().flatten().last() {
                    phase.contexts = None;
                }
            }
            Told::Ended(_, at, well) => {
                phases::end(shown, if *well { SUCCEEDED } else { FAILED }, *at);
            }
            Told::Broken(why) => phases::context(shown, "CLIENT_ERROR", why),
        }
    }
}

/// What the script did not end has failed.
pub fn finish_phases(build: &mut Build, told: &[Told], now: Timestamp) {
    let broken = told.iter().any(|one| matches!(one, Told::Broken(_)));
    let status = if broken || told.is_empty() {
        FAILED
    } else {
        SUCCEEDED
    };
    let phases = build.shown.phases.iter().flatten();
    if phases.clone().any(|p| p.phase_status.is_none()) {
        phases::end(&mut build.shown, status, now);
    }
}

/// The values of the variables that the build exports, of those that its script told.
pub fn exported(
    build: &Build,
    files: Vec<(String, String)>,
) -> Option<Vec<api::ExportedEnvironmentVariable>> {
    let names = build.kept.as_ref().map(|kept| kept.exported.clone());
    let names = names.unwrap_or_default();
    let of = |name: String| {
        let (_, value) = files.iter().find(|(known, _)| *known == name)?;
        Some(api::ExportedEnvironmentVariable {
            name: Some(name),
            value: Some(value.clone()),
        })
    };
    Some(names.into_iter().filter_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build that entered the queue and was provisioned at these seconds.
    fn build(stage: Stage, provisioned: Option<i64>) -> Build {
        let golden = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/codebuild.build.v1.json"
        );
        let text = std::fs::read_to_string(golden).expect("a golden file");
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut build: Build = serde_json::from_value(value["r"].take()).expect("a build");
        build.stage = stage;
        let shown = &mut build.shown.0;
        shown.phases = Some(Vec::new());
        (shown.queued_timeout_in_minutes, shown.timeout_in_minutes) = (Some(5), Some(10));
        phases::begin(shown, QUEUED, Timestamp::from_millis(0));
        if let Some(at) = provisioned {
            let at = Timestamp::from_millis(at * 1_000);
            phases::end(shown, SUCCEEDED, at);
            phases::begin(shown, PROVISIONING, at);
        }
        build
    }

    #[test]
    fn a_build_waits_and_runs_so_long_and_no_longer() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let status = |build: &Build, seconds| overdue(build, at(seconds)).map(|end| end.status);
        let waiting = build(Stage::Queued, None);
        assert_eq!(status(&waiting, 299), None);
        assert_eq!(status(&waiting, 300), Some(TIMED_OUT));
        // What it waited does not count as time that it ran.
        let running = build(Stage::Running, Some(200));
        assert_eq!(status(&running, 799), None);
        assert_eq!(status(&running, 800), Some(TIMED_OUT));
    }
}
