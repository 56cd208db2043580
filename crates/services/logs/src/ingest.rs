//! The inner entrance: containers' output, through the `awslogs` driver.

use super::api::groups::{self, Created};
use super::engine::{Event, Outcome, Source};
use super::model::Group;
use super::{Logs, error, reference};
use neargate_domain::{LogLine, LogTarget};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, House, Scope, Stored};
use std::ops::Range;

/// An event's message on AWS, at most; longer lines are cut into several events, as the
/// `awslogs` driver does.
const MAX_MESSAGE_BYTES: usize = 262_144 - super::engine::EVENT_OVERHEAD_BYTES;

impl Logs {
    /// Store lines of `source`, the part `span` of its output; durable once it answers. Answers
    /// how far the output is stored then: where the next lines must begin. Lines that begin
    /// elsewhere, or do not lead further, are ignored, so that none comes twice and none is left
    /// out; a stream that knows nothing of the source takes them from anywhere. The stream
    /// is made when it is missing, the group too if the target says so. Empty lines are
    /// dropped: an event must have a message.
    ///
    /// # Errors
    /// `ResourceNotFoundException` when the group is missing; the engine's.
    pub async fn ingest(
        &self,
        house: &House,
        target: &LogTarget,
        source: &str,
        span: Range<u64>,
        lines: Vec<LogLine>,
    ) -> Result<u64, AwsError> {
        let scope = scope(target);
        let group = self.target_group(house, &scope, target).await?;
        let key = group.engine_key(&scope);
        let events: Vec<Event> = lines.into_iter().flat_map(events).collect();
        let extraction = &self.extraction;
        let listening = self.tails.listening(&key, &target.stream, &events);
        let extracted = extraction.of(house, &scope, &group, &events).await?;
        let stored = self
            .engine
            .append(
                &key,
                &target.stream,
                true,
                Some(Source {
                    name: source,
                    start: Some(span.start),
                    end: span.end,
                }),
                events,
            )
            .await;
        match stored.map_err(error::engine)? {
            Outcome::Stored => {
                extraction.publish(house, &scope, extracted);
                let (arn, now) = (group.arn(&scope), house.now());
                self.tails.tell(listening, &arn, &target.stream, now);
                Ok(span.end)
            }
            Outcome::AlreadyStored => {
                tracing::debug!(source, ?span, "log lines came twice");
                let stored = self.engine.source_offset(&key, &target.stream, source);
                Ok(stored.unwrap_or(span.end))
            }
            Outcome::Elsewhere(stored) => {
                tracing::debug!(source, ?span, stored, "log lines begin elsewhere");
                Ok(stored)
            }
        }
    }

    /// How far the output of `source` is stored; 0 when nothing of it is, or its group or
    /// stream is gone.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn offset(
        &self,
        house: &House,
        target: &LogTarget,
        source: &str,
    ) -> Result<u64, AwsError> {
        let scope = scope(target);
        let Some(group) = house.db.get::<Group>(&scope, &target.group).await? else {
            return Ok(0);
        };
        let key = group.engine_key(&scope);
        Ok(self
            .engine
            .source_offset(&key, &target.stream, source)
            .unwrap_or(0))
    }

    async fn target_group(
        &self,
        house: &House,
        scope: &Scope,
        target: &LogTarget,
    ) -> Result<Stored<Group>, AwsError> {
        if target.create_group && house.db.get::<Group>(scope, &target.group).await?.is_none() {
            let group = groups::new(house, &target.group, Tags::new());
            match groups::create(house, scope, &group).await? {
                // Somebody else may have made it meanwhile.
                Created::New | Created::Exists => {}
            }
        }
        reference::group(&house.db, scope, &target.group).await
    }
}

fn scope(target: &LogTarget) -> Scope {
    Scope {
        account: target.account.clone(),
        region: target.region.clone(),
    }
}

fn events(line: LogLine) -> Vec<Event> {
    let LogLine { timestamp, message } = line;
    if message.is_empty() {
        return Vec::new();
    }
    if message.len() <= MAX_MESSAGE_BYTES {
        return vec![Event { timestamp, message }];
    }
    let mut parts = Vec::new();
    let mut rest = message.as_str();
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(MAX_MESSAGE_BYTES.min(rest.len()));
        let (part, behind) = rest.split_at(cut);
        parts.push(Event {
            timestamp,
            message: part.to_owned(),
        });
        rest = behind;
    }
    parts
}
