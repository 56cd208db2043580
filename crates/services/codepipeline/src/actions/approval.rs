//! Manual approvals: told by SNS, and then waited for
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals-json-format.html>).

use super::{Ended, Progress, Step, Work};
use neargate_service::Scope;
use serde_json::json;

const TOLD: &str = "told";

/// Tells whoever is to be told, once; the answer comes through `PutApprovalResult`.
pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let Some(topic) = work.configured("NotificationArn") else {
        return Ok(Step::Wait);
    };
    if work.done(TOLD).is_some() {
        return Ok(Step::Wait);
    }
    let pipeline = &work.execution.declaration.name;
    let (stage, action) = (&work.run.stage, &work.run.action);
    let token = work.run.token.as_deref().unwrap_or_default();
    let region = work.home.region.as_str();
    let console = format!(
        "https://console.aws.amazon.com/codepipeline/home?region={region}#/view/{pipeline}"
    );
    let review = format!("{console}/{stage}/{action}/approve/{token}");
    let expires = work.run.expires_at.rfc3339();
    let expires = format!("{}Z", expires.get(..16).unwrap_or(&expires));
    let mut message = json!({
        "region": region,
        "consoleLink": console,
        "approval": {
            "pipelineName": pipeline,
            "stageName": stage,
            "actionName": action,
            "token": token,
            "expires": expires,
            "externalEntityLink": work.configured("ExternalEntityLink"),
            "approvalReviewLink": review,
            "customData": work.configured("CustomData"),
        },
    });
    if let Some(approval) = message["approval"].as_object_mut() {
        approval.retain(|_, value| !value.is_null());
    }
    let mut mail = format!(
        "Hello,\n\nThe following Approval action is waiting for your response:\n\n--Pipeline Details--\n\nPipeline name: \
         {pipeline}\nStage name: {stage}\nAction name: {action}\nRegion: {region}\n\n--Approval Details--\n\nApprove or \
         reject: {review}\nToken: {token}\n"
    );
    if let Some(data) = work.configured("CustomData") {
        mail.push_str(&format!("Additional information: {data}\n"));
    }
    if let Some(link) = work.configured("ExternalEntityLink") {
        mail.push_str(&format!("Content to review: {link}\n"));
    }
    mail.push_str(&format!(
        "Deadline: This review request will expire on {expires}\n"
    ));
    let subject = format!("APPROVAL NEEDED: AWS CodePipeline {pipeline} for action {action}");
    let subject: String = subject.chars().take(99).collect();
    let both = json!({ "default": message.to_string(), "email": mail });
    let input = json!({
        "TopicArn": topic,
        "Subject": subject,
        "MessageStructure": "json",
        "Message": both.to_string(),
    });
    let scope = Scope::of_arn(topic).unwrap_or_else(|| work.scope.clone());
    let named = ("sns", "Publish");
    let by = neargate_service::caller::By::Role(work.role);
    neargate_service::Caller::call_by_name(work.house, &scope, by, named, input).await?;
    Ok(Step::Progress(Progress::of(TOLD, "true")))
}
