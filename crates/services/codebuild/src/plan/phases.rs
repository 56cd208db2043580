//! A build's phases, as it is shown: each begins where the one before it ends.

use neargate_api_codebuild as api;
use neargate_base::Timestamp;

pub const SUBMITTED: &str = "SUBMITTED";
pub const QUEUED: &str = "QUEUED";
pub const PROVISIONING: &str = "PROVISIONING";
pub const DOWNLOAD_SOURCE: &str = "DOWNLOAD_SOURCE";
pub const UPLOAD_ARTIFACTS: &str = "UPLOAD_ARTIFACTS";
pub const FINALIZING: &str = "FINALIZING";
pub const COMPLETED: &str = "COMPLETED";

pub const IN_PROGRESS: &str = "IN_PROGRESS";
pub const SUCCEEDED: &str = "SUCCEEDED";
pub const FAILED: &str = "FAILED";
pub const FAULT: &str = "FAULT";
pub const TIMED_OUT: &str = "TIMED_OUT";
pub const STOPPED: &str = "STOPPED";

/// A phase begins; it is the current one.
pub fn begin(build: &mut api::Build, phase: &str, now: Timestamp) {
    build.current_phase = Some(phase.to_owned());
    let phases = build.phases.get_or_insert_default();
    phases.push(api::BuildPhase {
        phase_type: Some(phase.to_owned()),
        start_time: Some(now),
        ..Default::default()
    });
}

/// The phase that goes on.
fn open(build: &mut api::Build) -> Option<&mut api::BuildPhase> {
    let phases = build.phases.as_mut()?;
    phases.iter_mut().rev().find(|p| p.phase_status.is_none())
}

/// Why the phase that goes on fails, or what else is to be said of it.
pub fn context(build: &mut api::Build, code: &str, message: &str) {
    if let Some(phase) = open(build) {
        let contexts = phase.contexts.get_or_insert_default();
        contexts.push(api::PhaseContext {
            status_code: Some(code.to_owned()),
            message: Some(message.to_owned()),
        });
    }
}

/// The phase that goes on ends.
pub fn end(build: &mut api::Build, status: &str, now: Timestamp) {
    if let Some(phase) = open(build) {
        let began = phase.start_time.unwrap_or(now);
        let now = now.max(began);
        phase.phase_status = Some(status.to_owned());
        phase.end_time = Some(now);
        phase.duration_in_seconds = i64::try_from(now.since(began).as_secs()).ok();
        // AWS shows an empty context where there is nothing to say.
        let contexts = phase.contexts.get_or_insert_default();
        if contexts.is_empty() {
            contexts.push(api::PhaseContext {
                status_code: Some(String::new()),
                message: Some(String::new()),
            });
        }
    }
}

/// One phase ends well and the next begins.
pub fn turn(build: &mut api::Build, phase: &str, now: Timestamp) {
    end(build, SUCCEEDED, now);
    begin(build, phase, now);
}

/// Did every phase that has ended end well?
pub fn all_well(build: &api::Build) -> bool {
    let phases = build.phases.iter().flatten();
    let mut ended = phases.filter_map(|p| p.phase_status.as_deref());
    ended.all(|status| status == SUCCEEDED)
}

/// It has ended as `status`.
pub fn complete(build: &mut api::Build, status: &str, now: Timestamp) {
    build.build_status = Some(status.to_owned());
    build.build_complete = Some(true);
    build.end_time = Some(now);
    build.current_phase = Some(COMPLETED.to_owned());
    let phases = build.phases.get_or_insert_default();
    phases.push(api::BuildPhase {
        phase_type: Some(COMPLETED.to_owned()),
        start_time: Some(now),
        ..Default::default()
    });
}
