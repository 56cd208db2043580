//! Carries invocations out, again and again while that may help, and lays what is given up into the queue of
//! dead letters (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>).

use crate::destinations::request::Asked;
use crate::destinations::{Destinations, Outcome};
use crate::metrics::{self, Counted};
use crate::{name, policy};
use async_trait::async_trait;
use neargate_base::{Arn, Timestamp};
use neargate_service::caller::By;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::deliver::Sender;
use neargate_service::events::Posted;
use neargate_service::invocation::{DeadLetter, Invocation, Origin, To, queue_url};
use neargate_service::{AwsError, Caller, House, Resource, Scope, Stored, db};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// An event goes on from bus to bus so often; rules that send it round end there.
const MOST_HOPS: u8 = 5;

/// See the module.
pub struct Deliver {
    house: Arc<House>,
    destinations: Destinations,
}

impl Deliver {
    pub fn new(house: Arc<House>) -> Deliver {
        Deliver {
            house,
            destinations: Destinations::default(),
        }
    }
}

/// An invocation that is due.
pub struct Due(Scope, Stored<Invocation>);

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1.key)
    }
}

/// Why a target was not invoked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    /// As EventBridge tells it in a dead letter.
    code: String,
    message: String,
    is_passing: bool,
    /// Not sooner than this after now, whatever the pauses between attempts are.
    pause: Duration,
    /// It was not tried at all: its turn comes after that pause.
    is_waiting: bool,
}

#[async_trait]
impl Controller for Deliver {
    type View = (Scope, Stored<Invocation>);
    type Action = Due;

    fn name(&self) -> &'static str {
        "events-deliver"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Invocation::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let stored = self.house.db.get_key::<Invocation>(key).await?;
        Ok(stored.and_then(|stored| Some((Scope::of_key(key)?, stored))))
    }

    fn plan(&self, (scope, invocation): &Self::View, now: Timestamp) -> Plan<Due> {
        if now < invocation.next_at {
            return Plan {
                wake_at: Some(invocation.next_at),
                ..Plan::idle("it is tried again later")
            };
        }
        Plan {
            actions: vec![Due(scope.clone(), invocation.clone())],
            wake_at: None,
            reason: "it is due",
        }
    }

    async fn apply(&self, Due(scope, stored): Due) -> Result<Applied, AwsError> {
        let count = |what| metrics::of_origin(&self.house, &scope, &stored.origin, what);
        let tried = self.carry_out(&scope, &stored).await;
        let now = self.house.now();
        if let Err(failure) = &tried
            && failure.is_waiting
        {
            let wait = now + failure.pause;
            return self.later(&stored, stored.attempts, wait).await;
        }
        count(match stored.attempts {
            0 => Counted::Tried,
            _ => Counted::TriedAgain,
        });
        let Err(failure) = tried else {
            count(Counted::Succeeded);
            return self.take_away(&stored).await;
        };
        let exhausted = exhausted(&stored, now);
        if failure.is_passing && exhausted.is_none() {
            count(Counted::Failed);
            let attempts = stored.attempts + 1;
            let wait = self.pause(attempts).max(failure.pause);
            return self.later(&stored, attempts, now + wait).await;
        }
        tracing::info!(
            target = stored.target_arn,
            origin = stored.origin.arn(),
            code = failure.code,
            message = failure.message,
            "a target was not invoked"
        );
        count(Counted::GivenUp);
        if let Some(dead) = &stored.dead_letter {
            match self.bury(&scope, &stored, dead, &failure, exhausted).await {
                Ok(()) => count(Counted::SentToDeadLetters),
                Err(error) => {
                    tracing::warn!(queue = dead.arn, %error, "a dead letter is lost");
                    count(Counted::NotSentToDeadLetters);
                }
            }
        }
        self.take_away(&stored).await
    }
}

/// Why it is not tried again, though that might help.
fn exhausted(invocation: &Invocation, now: Timestamp) -> Option<&'static str> {
    let age = now.since(invocation.made_at);
    if invocation.attempts >= invocation.retry.attempts {
        return Some("MaximumRetryAttempts");
    }
    (age >= Duration::from_secs(invocation.retry.seconds.into()))
        .then_some("MaximumEventAgeInSeconds")
}

impl Deliver {
    async fn take_away(&self, stored: &Stored<Invocation>) -> Result<Applied, AwsError> {
        let gone = self.house.db.tx().delete_key(stored.key.clone());
        let _ = gone.commit().await?;
        Ok(Applied::Done)
    }

    /// It is tried then, after so many attempts.
    async fn later(
        &self,
        stored: &Stored<Invocation>,
        attempts: u32,
        next_at: Timestamp,
    ) -> Result<Applied, AwsError> {
        let next = Invocation {
            attempts,
            next_at,
            ..stored.value.clone()
        };
        // Whatever else happened to it is looked at then.
        let _ = self.house.db.tx().update(stored, &next).commit().await?;
        Ok(Applied::Done)
    }

    /// Twice as long each time, and not at the same time as others.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts.min(20) - 1));
        let most = doubled.min(LONGEST_PAUSE);
        most / 2 + most * u32::try_from(self.house.rng.below(1_000)).unwrap_or(0) / 2_000
    }

    async fn carry_out(&self, scope: &Scope, stored: &Stored<Invocation>) -> Result<(), Failure> {
        match &stored.to {
            To::Operation {
                service,
                operation,
                account,
                region,
                input,
            } => {
                let scope = account.parse().ok().zip(region.parse().ok());
                let scope = scope.map(|(account, region)| Scope { account, region });
                let scope =
                    scope.ok_or_else(|| Failure::of_code("INVALID_PARAMETER", "no region"))?;
                self.operation(&scope, stored, (service, operation), input)
                    .await
            }
            To::Bus { event, hops } => self.hand_on(scope, stored, event, *hops).await,
            To::ApiDestination {
                body,
                path,
                headers,
                query,
            } => {
                let asked = Asked {
                    body,
                    path,
                    headers,
                    query,
                };
                self.send(stored, asked).await
            }
            To::Nothing { code, message } => Err(Failure::of_code(code, message)),
        }
    }

    async fn operation(
        &self,
        scope: &Scope,
        stored: &Stored<Invocation>,
        (service, operation): (&str, &str),
        input: &Value,
    ) -> Result<(), Failure> {
        if (service, operation) == ("logs", "PutLogEvents") {
            // AWS makes the stream; one that is there is as good.
            let stream = json!({
                "logGroupName": input["logGroupName"],
                "logStreamName": input["logStreamName"],
            });
            let made = self
                .call(scope, stored, (service, "CreateLogStream"), stream)
                .await;
            if let Err(error) = made
                && !error.is("ResourceAlreadyExistsException")
            {
                return Err(Failure::of(&error));
            }
        }
        let input = match &stored.origin {
            Origin::Schedule { .. } => with_attempt(input, stored.attempts + 1),
            Origin::Rule { .. } | Origin::Bucket { .. } | Origin::AutoScalingGroup { .. } => {
                input.clone()
            }
        };
        let called = self.call(scope, stored, (service, operation), input).await;
        let output = called.map_err(|error| Failure::of(&error))?;
        let failures = output["failures"].as_array();
        match failures.and_then(|failures| failures.first()) {
            // A task that has no room now may have it later.
            Some(failure) => Err(Failure {
                is_passing: true,
                ..Failure::of_code(
                    "RESOURCE_LIMIT_EXCEEDED",
                    failure["reason"].as_str().unwrap_or("MISSING"),
                )
            }),
            None => Ok(()),
        }
    }

    async fn call(
        &self,
        scope: &Scope,
        stored: &Stored<Invocation>,
        named: (&str, &str),
        input: Value,
    ) -> Result<Value, AwsError> {
        let role = stored.role.as_deref();
        call(&self.house, scope, role, &stored.origin, named, input).await
    }

    /// To the endpoint of an API destination.
    async fn send(&self, stored: &Stored<Invocation>, asked: Asked<'_>) -> Result<(), Failure> {
        let (house, to) = (&self.house, &stored.target_arn);
        if let Some(role) = &stored.role
            && let Some(scope) = Scope::of_arn(to)
        {
            let allowed = Caller::may(house, &scope, role, "events:InvokeApiDestination", to).await;
            allowed.map_err(|denied| Failure::of_code("NO_PERMISSIONS", &denied.sentence))?;
        }
        let sent = self.destinations.invoke(house, to, &stored.key, asked);
        match sent.await.map_err(|error| Failure::of(&error))? {
            Outcome::Done => Ok(()),
            Outcome::Wait(at) => Err(Failure {
                is_passing: true,
                pause: at.since(house.now()),
                is_waiting: true,
                ..Failure::of_code("THROTTLING", "")
            }),
            Outcome::Failed {
                passing,
                pause,
                message,
            } => Err(Failure {
                is_passing: passing,
                pause: pause.unwrap_or_default().min(LONGEST_PAUSE),
                ..Failure::of_code("SDK_CLIENT_ERROR", &message)
            }),
        }
    }

    /// To another bus: as it is, in its account and region.
    async fn hand_on(
        &self,
        scope: &Scope,
        stored: &Stored<Invocation>,
        event: &Value,
        hops: u8,
    ) -> Result<(), Failure> {
        let bus = name::bus_of_arn(&stored.target_arn);
        let bus = bus.ok_or_else(|| Failure::of_code("INVALID_PARAMETER", "it is no event bus"))?;
        if hops > MOST_HOPS {
            return Err(Failure::of_code(
                "EVENT_LOOP",
                "the event went from bus to bus too often",
            ));
        }
        let admitted = policy::admits(&self.house, scope, &bus).await;
        admitted.map_err(|error| Failure::of(&error))?;
        let posted = Posted {
            hops,
            ..Posted::to(&bus.name, event.clone())
        };
        // As long as it is not taken up there, a second attempt changes nothing.
        let id = event["id"].as_str().unwrap_or_else(|| stored.id());
        let key = db::key::<Posted>(&bus.scope, &format!("{id}.{hops}.{}", bus.name));
        let put = self.house.db.tx().put(key, &posted).commit().await;
        put.map(drop).map_err(|error| Failure::of(&error))
    }

    async fn bury(
        &self,
        scope: &Scope,
        stored: &Stored<Invocation>,
        dead: &DeadLetter,
        failure: &Failure,
        exhausted: Option<&str>,
    ) -> Result<(), AwsError> {
        let arn: Arn = dead.arn.parse().map_err(AwsError::internal)?;
        let mut told = vec![
            ("ERROR_CODE", failure.code.clone()),
            ("ERROR_MESSAGE", failure.message.clone()),
            ("RETRY_ATTEMPTS", stored.attempts.to_string()),
            ("TARGET_ARN", stored.target_arn.clone()),
        ];
        if let Some(exhausted) = exhausted.filter(|_| failure.is_passing) {
            told.push(("EXHAUSTED_RETRY_CONDITION", exhausted.to_owned()));
        }
        match &stored.origin {
            Origin::Rule { arn, .. } => told.push(("RULE_ARN", arn.clone())),
            Origin::Schedule {
                arn,
                execution,
                scheduled_at,
                ..
            } => {
                let at = timestamp::format(*scheduled_at, TimestampFormat::DateTime);
                told.push(("SCHEDULE_ARN", arn.clone()));
                told.push(("EXECUTION_ID", execution.clone()));
                told.push(("SCHEDULED_TIME", at));
                told.push(("IS_PAYLOAD_TRUNCATED", "false".to_owned()));
            }
            // They have no queue of dead letters.
            Origin::Bucket { .. } | Origin::AutoScalingGroup { .. } => {}
        }
        let attribute = |(name, value): (&str, String)| {
            (
                name.to_owned(),
                json!({ "DataType": "String", "StringValue": value }),
            )
        };
        let attributes: serde_json::Map<_, _> = told
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(attribute)
            .collect();
        let input = json!({
            "QueueUrl": queue_url(&arn),
            "MessageBody": dead.body,
            "MessageAttributes": attributes,
        });
        let to = Scope::of_arn(&dead.arn).unwrap_or_else(|| scope.clone());
        // The queue's policy says whether it may, whatever the role.
        let named = ("sqs", "SendMessage");
        let sent = call(&self.house, &to, None, &stored.origin, named, input);
        sent.await.map(drop)
    }
}

/// The input with the number of the attempt where a schedule asks for it.
fn with_attempt(input: &Value, attempt: u32) -> Value {
    const ATTEMPT: &str = "<aws.scheduler.attempt-number>";
    match input {
        Value::String(text) => Value::String(text.replace(ATTEMPT, &attempt.to_string())),
        Value::Array(all) => all.iter().map(|one| with_attempt(one, attempt)).collect(),
        Value::Object(all) => {
            let members = all.iter();
            let members = members.map(|(name, one)| (name.clone(), with_attempt(one, attempt)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// Under the role, or in the name of the service that it comes from.
async fn call(
    house: &Arc<House>,
    scope: &Scope,
    role: Option<&str>,
    origin: &Origin,
    named: (&str, &str),
    input: Value,
) -> Result<Value, AwsError> {
    if let Some(role) = role {
        return Caller::call_by_name(house, scope, By::Role(role), named, input).await;
    }
    let sender = Sender {
        service: origin.service(),
        source_arn: origin.arn().to_owned(),
        source_account: origin.account(),
    };
    Caller::call_by_name(house, scope, By::Service(&sender), named, input).await
}

impl Failure {
    fn of_code(code: &str, message: &str) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.to_owned(),
            is_passing: false,
            pause: Duration::ZERO,
            is_waiting: false,
        }
    }

    /// A target's own error. What is the target's fault, or of the moment, passes; what is wrong with the
    /// request stays so.
    fn of(error: &AwsError) -> Failure {
        let throttled = error.code.contains("Throttl") || error.code.contains("TooManyRequests");
        let unserved = error.status == 501;
        let is_passing = throttled || error.status >= 500 && !unserved;
        let code = match error.code.as_str() {
            _ if throttled => "THROTTLING",
            _ if is_passing => "INTERNAL_ERROR",
            code if code.contains("AccessDenied") || code.contains("Unauthorized") => {
                "NO_PERMISSIONS"
            }
            code if code.contains("NotFound")
                || code.contains("NonExistent")
                || code.contains("DoesNotExist") =>
            {
                "NO_RESOURCE"
            }
            _ => "SDK_CLIENT_ERROR",
        };
        Failure {
            code: code.to_owned(),
            message: format!("{} ({})", error.message, error.code),
            is_passing,
            ..Failure::of_code("", "")
        }
    }
}
