//! What a stage's conditions come to, and which of their rules begin
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works-conditions.html>). Pure.
//!
//! A condition is met when each of its rules succeeds; its result is what happens otherwise.

use super::stage::{begun, derived};
use crate::model::{ActionRun, ActionStatus, Execution, Moment, RuleRun, as_action, conditions};
use neargate_api_codepipeline as api;
use neargate_base::Timestamp;

/// What a stage's conditions of a moment say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Rules are being asked.
    Waits,
    /// There are none, or each is met, or somebody overrode them.
    Met,
    /// One is not met, and this is its result.
    Result(String),
}

/// Begins the rules that nobody asked yet, and says what they come to.
pub fn verdict(
    execution: &mut Execution,
    stage: &api::StageDeclaration,
    moment: Moment,
    now: Timestamp,
) -> Verdict {
    let overridden = execution
        .stage_run(&stage.name)
        .is_some_and(|run| run.overridden.contains(&moment));
    if overridden {
        return Verdict::Met;
    }
    for condition in conditions(stage, moment) {
        for rule in condition.rules.iter().flatten() {
            if found(execution, &stage.name, moment, &rule.name).is_none() {
                let run = begin(execution, stage, moment, rule, now);
                execution.rules.push(RuleRun { moment, run });
            }
        }
    }
    for condition in conditions(stage, moment) {
        let statuses: Vec<ActionStatus> = condition
            .rules
            .iter()
            .flatten()
            .filter_map(|rule| found(execution, &stage.name, moment, &rule.name))
            .map(|run| run.status)
            .collect();
        let ended = |s: &ActionStatus| matches!(s, ActionStatus::Failed | ActionStatus::Abandoned);
        if statuses.iter().any(ended) {
            // The others say nothing more.
            let of = |rule: &&mut RuleRun| rule.moment == moment && rule.run.stage == stage.name;
            for rule in execution.rules.iter_mut().filter(of) {
                if rule.run.status == ActionStatus::InProgress {
                    rule.run.status = ActionStatus::Abandoned;
                    rule.run.updated_at = now;
                }
            }
            let usual = || "FAIL".to_owned();
            return Verdict::Result(condition.result.clone().unwrap_or_else(usual));
        }
        if statuses.contains(&ActionStatus::InProgress) {
            return Verdict::Waits;
        }
    }
    Verdict::Met
}

/// The attempt of a rule that counts.
pub fn found<'a>(
    execution: &'a Execution,
    stage: &str,
    moment: Moment,
    rule: &str,
) -> Option<&'a ActionRun> {
    let is_it = |of: &&RuleRun| {
        of.moment == moment && of.run.stage == stage && of.run.action == rule && !of.run.retired
    };
    execution.rules.iter().rev().find(is_it).map(|of| &of.run)
}

fn begin(
    execution: &Execution,
    stage: &api::StageDeclaration,
    moment: Moment,
    rule: &api::RuleDeclaration,
    now: Timestamp,
) -> ActionRun {
    let again = execution.rules.iter();
    let again = again.filter(|of| of.moment == moment && of.run.action == rule.name);
    let attempt = again.filter(|of| of.run.stage == stage.name).count();
    let moment = format!("rule {moment:?}");
    let attempt = attempt.to_string();
    let parts = [
        execution.id.as_str(),
        &stage.name,
        &moment,
        &rule.name,
        &attempt,
    ];
    begun(
        execution,
        &stage.name,
        &as_action(rule),
        derived(&parts),
        now,
    )
}
