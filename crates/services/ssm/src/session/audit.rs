//! What a session showed, written down when it is over, as the cluster's
//! `executeCommandConfiguration` says
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-logging>).

use neargate_api_logs as logs;
use neargate_api_s3 as s3;
use neargate_service::session::{Audit, Purpose, Session};
use neargate_service::{AwsError, Caller, House};
use std::sync::Arc;

/// What is kept of one session; the rest is counted.
const KEPT_BYTES: usize = 4 << 20;
/// The largest event of a log, less what CloudWatch Logs adds to each.
const EVENT_BYTES: usize = 250_000;

/// What a session has shown so far.
#[derive(Debug, Default)]
pub struct Transcript {
    kept: Vec<u8>,
    dropped: usize,
    code: Option<i32>,
}

impl Transcript {
    pub fn add(&mut self, bytes: &[u8]) {
        let room = KEPT_BYTES - self.kept.len();
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.kept.extend_from_slice(kept);
        self.dropped += dropped.len();
    }

    pub fn ended(&mut self, code: i32) {
        self.code = Some(code);
    }

    /// As the agent's own recorder writes it (script(1)).
    fn text(self, session: &Session, over_at: String) -> String {
        let command = match &session.wanted.purpose {
            Purpose::Command { args } => args.join(" "),
            Purpose::Port { .. } => String::new(),
        };
        let shown = String::from_utf8_lossy(&self.kept);
        let begun = session.started_at.rfc3339();
        let mut text = format!("Script started on {begun} [COMMAND=\"{command}\"]\n{shown}");
        if self.dropped > 0 {
            text += &format!("\n[{} bytes more were not kept]", self.dropped);
        }
        let code = self
            .code
            .map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        text + &format!("\nScript done on {over_at} [COMMAND_EXIT_CODE=\"{code}\"]\n")
    }
}

/// Writes it down wherever it shall be. What cannot be is logged: the session is over.
pub async fn write(house: &Arc<House>, session: &Session, transcript: Transcript) {
    let Some(audit) = &session.wanted.audit else {
        return;
    };
    let text = transcript.text(session, house.now().rfc3339());
    if let Some(group) = &audit.log_group
        && let Err(error) = to_logs(house, session, audit, group, &text).await
    {
        tracing::warn!(session = session.wanted.id, group, %error, "a session is not in its log");
    }
    if let Some(bucket) = &audit.bucket {
        let file = format!("{}.log", session.wanted.id);
        let put = s3::PutObjectInput {
            bucket: bucket.name.clone(),
            key: match &bucket.prefix {
                Some(prefix) => format!("{prefix}/{file}"),
                None => file,
            },
            content_type: Some("text/plain".to_owned()),
            body: Some(text.into_bytes().into()),
            ..Default::default()
        };
        let scope = &session.wanted.scope;
        let put = Caller::call::<s3::ops::PutObject>(house, scope, &audit.role, &put).await;
        if let Err(error) = put {
            let bucket = &bucket.name;
            tracing::warn!(session = session.wanted.id, bucket, %error, "a session is not in its bucket");
        }
    }
}

async fn to_logs(
    house: &Arc<House>,
    session: &Session,
    audit: &Audit,
    group: &str,
    text: &str,
) -> Result<(), AwsError> {
    let (scope, stream) = (&session.wanted.scope, &session.wanted.id);
    let create = logs::CreateLogStreamInput {
        log_group_name: group.to_owned(),
        log_stream_name: stream.clone(),
    };
    Caller::call::<logs::ops::CreateLogStream>(house, scope, &audit.role, &create).await?;
    let now = house.now();
    let mut rest = text;
    while !rest.is_empty() {
        let (event, after) = rest.split_at(rest.floor_char_boundary(EVENT_BYTES));
        rest = after;
        let put = logs::PutLogEventsInput {
            log_group_name: group.to_owned(),
            log_stream_name: stream.clone(),
            log_events: vec![logs::InputLogEvent {
                timestamp: now.as_millis(),
                message: event.to_owned(),
            }],
            ..Default::default()
        };
        Caller::call::<logs::ops::PutLogEvents>(house, scope, &audit.role, &put).await?;
    }
    Ok(())
}
