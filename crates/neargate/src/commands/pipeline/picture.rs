//! A pipeline as a picture in a terminal: a line down, its stages on it, their actions beside it. Pure.

use crate::view::{Paint, Tone, age, plain, short};
use neargate_api_codepipeline as api;
use neargate_base::Timestamp;

/// How a state looks: a sign, and its tone.
fn look(status: &str) -> (&'static str, Tone) {
    match status {
        "Succeeded" | "Overridden" => ("✓", Tone::Good),
        "Failed" | "Errored" => ("✗", Tone::Bad),
        "Stopped" | "Abandoned" | "Cancelled" | "Superseded" => ("■", Tone::Bad),
        "Skipped" => ("»", Tone::Quiet),
        "InProgress" | "Stopping" => ("…", Tone::Waiting),
        _ => ("·", Tone::Quiet),
    }
}

pub fn lines(
    state: &api::GetPipelineStateOutput,
    newest: Option<&api::PipelineExecutionSummary>,
    paint: Paint,
    now: Timestamp,
) -> Vec<String> {
    let name = plain(state.pipeline_name.as_deref().unwrap_or_default());
    let mut head = paint.text(&name, Tone::Strong);
    if let Some(newest) = newest {
        let status = newest.status.as_deref().unwrap_or_default();
        let id = newest.pipeline_execution_id.as_deref().unwrap_or_default();
        let since = age(newest.start_time, now);
        let status = paint.text(status, look(status).1);
        head.push_str(&format!(
            "  execution {} {status}, begun {since} ago",
            short(id)
        ));
        let trigger = newest
            .trigger
            .as_ref()
            .and_then(|t| t.trigger_type.as_deref());
        if let Some(trigger) = trigger {
            head.push_str(&format!(" by {trigger}"));
        }
    }
    let mut lines = vec![head];
    for stage in state.stage_states.iter().flatten() {
        transition(stage, paint, &mut lines);
        let run = stage.latest_execution.as_ref();
        let status = run.and_then(|run| run.status.as_deref()).unwrap_or("-");
        let id = run.and_then(|run| run.pipeline_execution_id.as_deref());
        let (sign, tone) = look(status);
        lines.push(format!(
            "{} {}  {}  {}",
            paint.text(sign, tone),
            paint.text(
                &plain(stage.stage_name.as_deref().unwrap_or_default()),
                Tone::Strong
            ),
            paint.text(status, tone),
            paint.text(short(id.unwrap_or_default()), Tone::Quiet),
        ));
        for (what, of) in [
            ("before entry", &stage.before_entry_condition_state),
            ("on success", &stage.on_success_condition_state),
            ("on failure", &stage.on_failure_condition_state),
        ] {
            for condition in of.iter().flat_map(|of| &of.condition_states).flatten() {
                for rule in condition.rule_states.iter().flatten() {
                    rule_line(what, rule, paint, &mut lines);
                }
            }
        }
        for action in stage.action_states.iter().flatten() {
            action_lines(&name, action, paint, now, &mut lines);
        }
    }
    lines
}

/// What is between a stage and the one before it.
fn transition(stage: &api::StageState, paint: Paint, lines: &mut Vec<String>) {
    lines.push(paint.text("│", Tone::Quiet));
    let transition = stage.inbound_transition_state.as_ref();
    if let Some(shut) = transition.filter(|t| t.enabled == Some(false)) {
        let why = plain(shut.disabled_reason.as_deref().unwrap_or_default());
        lines.push(paint.text(&format!("╪ closed: {why}"), Tone::Bad));
    }
    for waiting in stage.inbound_executions.iter().flatten() {
        let id = waiting.pipeline_execution_id.as_deref().unwrap_or_default();
        lines.push(paint.text(&format!("│ {} waits", short(id)), Tone::Waiting));
    }
}

fn rule_line(what: &str, rule: &api::RuleState, paint: Paint, lines: &mut Vec<String>) {
    let Some(run) = &rule.latest_execution else {
        return;
    };
    let status = run.status.as_deref().unwrap_or("-");
    let (sign, tone) = look(status);
    let name = plain(rule.rule_name.as_deref().unwrap_or_default());
    let mut line = format!("│  {} {what}: {name}", paint.text(sign, tone));
    if let Some(why) = run
        .error_details
        .as_ref()
        .and_then(|e| e.message.as_deref())
    {
        line.push_str(&format!("  {}", plain(why)));
    }
    lines.push(line);
}

fn action_lines(
    pipeline: &str,
    action: &api::ActionState,
    paint: Paint,
    now: Timestamp,
    lines: &mut Vec<String>,
) {
    let run = action.latest_execution.as_ref();
    let status = run.and_then(|run| run.status.as_deref()).unwrap_or("-");
    let (sign, tone) = look(status);
    let name = plain(action.action_name.as_deref().unwrap_or_default());
    let mut line = format!("│  {} {name}", paint.text(sign, tone));
    if let Some(run) = run {
        if let Some(at) = run.last_status_change {
            line.push_str(&paint.text(&format!("  {} ago", age(Some(at), now)), Tone::Quiet));
        }
        let summary = run.summary.as_deref().and_then(|text| text.lines().next());
        if let Some(summary) = summary {
            line.push_str(&format!("  {}", plain(summary)));
        }
    }
    lines.push(line);
    let error = run.and_then(|run| run.error_details.as_ref());
    if let Some(why) = error.and_then(|e| e.message.as_deref()) {
        lines.push(format!("│      {}", paint.text(&plain(why), Tone::Bad)));
    }
    if run.is_some_and(|run| run.token.is_some()) {
        lines.push(format!(
            "│      neargate pipeline approve {pipeline} {name}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_on_a_line_and_an_approval_says_how() {
        let run = |status: &str| api::StageExecution {
            pipeline_execution_id: Some("12345678-aaaa".into()),
            status: Some(status.into()),
            ..Default::default()
        };
        let action = |name: &str, status: &str, token: Option<&str>| api::ActionState {
            action_name: Some(name.into()),
            latest_execution: Some(api::ActionExecution {
                status: Some(status.into()),
                token: token.map(str::to_owned),
                last_status_change: Some(Timestamp::from_millis(1_000)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let stage = |name: &str, status: &str, action: api::ActionState| api::StageState {
            stage_name: Some(name.into()),
            latest_execution: Some(run(status)),
            action_states: Some(vec![action]),
            ..Default::default()
        };
        let state = api::GetPipelineStateOutput {
            pipeline_name: Some("web".into()),
            stage_states: Some(vec![
                stage("Source", "Succeeded", action("Code", "Succeeded", None)),
                stage(
                    "Ask",
                    "InProgress",
                    action("Human", "InProgress", Some("t")),
                ),
                api::StageState {
                    stage_name: Some("Last".into()),
                    ..Default::default()
                },
            ]),
            ..Default::default()
        };
        let told = lines(&state, None, Paint::NONE, Timestamp::from_millis(6_000));
        assert_eq!(
            told,
            [
                "web",
                "│",
                "✓ Source  Succeeded  12345678",
                "│  ✓ Code  5s ago",
                "│",
                "… Ask  InProgress  12345678",
                "│  … Human  5s ago",
                "│      neargate pipeline approve web Human",
                "│",
                "· Last  -  ",
            ]
        );
    }
}
