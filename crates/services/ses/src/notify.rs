//! Tells what became of mails: topics of identities, event destinations of configuration sets, and
//! metrics (<https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>).

use crate::identity;
use crate::model::settings::{ConfigurationSet, Identity, Suppressed, id};
use crate::model::{About, Event, Letter};
use neargate_api_sns as sns;
use neargate_base::Timestamp;
use neargate_service::deliver::Sender;
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, Caller, House, Scope, Stored, db};
use serde_json::{Value, json};
use std::sync::Arc;

/// Tells every event of a mail that was not told. What a topic does not take is logged, and not told again.
pub async fn tell(house: &Arc<House>, letter: &Stored<Letter>) {
    let (Some(scope), Some(about)) = (Scope::of_key(&letter.key), &letter.about) else {
        return;
    };
    for event in &letter.untold {
        if let Err(error) = tell_one(house, &scope, letter, about, event).await {
            tracing::warn!(mail = letter.id(), %error, "what became of a mail is not told");
        }
    }
}

async fn tell_one(
    house: &Arc<House>,
    scope: &Scope,
    letter: &Stored<Letter>,
    about: &About,
    event: &Event,
) -> Result<(), AwsError> {
    count(house, scope, about, event);
    if let Event::Bounce { recipients, at } = event {
        suppress(house, scope, letter, recipients, *at).await?;
    }
    let (word, name) = match event {
        Event::Send => ("SEND", "Send"),
        Event::Delivery { .. } => ("DELIVERY", "Delivery"),
        Event::Bounce { .. } => ("BOUNCE", "Bounce"),
    };
    let mut told: Value = json!({ "mail": mail(scope, letter, about, true) });
    told[name.to_lowercase()] = detail(scope, letter, event);
    let identity = house
        .db
        .get::<Identity>(scope, &id(&about.identity))
        .await?;
    if let Some(identity) = &identity
        && let Some(topic) = identity.topics.get(name)
    {
        let has_headers = identity.headers_in.contains(name);
        let mut told = told.clone();
        told["notificationType"] = json!(name);
        told["mail"] = mail(scope, letter, about, has_headers);
        let source = scope.arn("ses", format!("identity/{}", about.identity));
        let subject = Some("Amazon SES Email Notification");
        publish(house, scope, topic, &source, subject, told.to_string()).await?;
    }
    let Some(name_of_set) = &about.configuration_set else {
        return Ok(());
    };
    let set = house
        .db
        .get::<ConfigurationSet>(scope, &id(name_of_set))
        .await?;
    told["eventType"] = json!(name);
    for destination in set.iter().flat_map(|set| &set.destinations) {
        if destination.enabled && destination.events.contains(word) {
            let source = scope.arn("ses", format!("configuration-set/{name_of_set}"));
            let subject = Some("Amazon SES Email Event Notification");
            let topic = &destination.topic;
            publish(house, scope, topic, &source, subject, told.to_string()).await?;
        }
    }
    Ok(())
}

/// Publishes to a topic, as SES.
///
/// # Errors
/// SNS's.
pub async fn publish(
    house: &Arc<House>,
    scope: &Scope,
    topic: &str,
    source: &str,
    subject: Option<&str>,
    told: String,
) -> Result<(), AwsError> {
    let input = sns::PublishInput {
        topic_arn: Some(topic.to_owned()),
        subject: subject.map(str::to_owned),
        message: told,
        ..Default::default()
    };
    let place = Scope::of_arn(topic).unwrap_or_else(|| scope.clone());
    let sender = Sender {
        service: "ses.amazonaws.com",
        source_arn: source.to_owned(),
        source_account: scope.account.to_string(),
    };
    Caller::deliver::<sns::ops::Publish>(house, &place, &sender, &input).await?;
    Ok(())
}

/// The role that SES looks at topics under.
pub fn role(scope: &Scope) -> String {
    let account = &scope.account;
    format!(
        "arn:aws:iam::{account}:role/aws-service-role/ses.amazonaws.com/AWSServiceRoleForAmazonSES"
    )
}

/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-cloudwatch.html>
fn count(house: &House, scope: &Scope, about: &About, event: &Event) {
    let (name, at, number) = match event {
        // It is counted when it is taken.
        Event::Send => return,
        Event::Delivery { recipients, at, .. } => ("Delivery", *at, recipients.len()),
        Event::Bounce { recipients, at } => ("Bounce", *at, recipients.len()),
    };
    let set = about.configuration_set.as_deref();
    let by_set: Vec<(&str, &str)> = set
        .map(|s| ("ses:configuration-set", s))
        .into_iter()
        .collect();
    let datum = |dimensions: &[(&str, &str)]| {
        Datum::new("AWS/SES", name, dimensions, "Count", number as f64, at)
    };
    house.metrics.put(scope, datum(&[]));
    if !by_set.is_empty() {
        house.metrics.put(scope, datum(&by_set));
    }
}

/// Addresses that do not exist get on the account's list
/// (<https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html>).
async fn suppress(
    house: &House,
    scope: &Scope,
    letter: &Stored<Letter>,
    recipients: &[(String, String)],
    at: Timestamp,
) -> Result<(), AwsError> {
    for (address, said) in recipients {
        let is_simulated = address.ends_with("@simulator.amazonses.com");
        let is_unknown = said.starts_with("550 5.1.1") || said.starts_with("550 5.1.10");
        if is_simulated || !is_unknown {
            continue;
        }
        let address = identity::named(address);
        let key = db::key::<Suppressed>(scope, &id(&address));
        let suppressed = Suppressed {
            address,
            reason: "BOUNCE".into(),
            updated_at: at,
            message_id: Some(letter.id().to_owned()),
        };
        let _ = house.db.tx().put(key, &suppressed).commit().await?;
    }
    Ok(())
}

fn mail(scope: &Scope, letter: &Stored<Letter>, about: &About, has_headers: bool) -> Value {
    let destination: Vec<&str> = letter
        .recipients
        .iter()
        .map(|r| r.address.as_str())
        .collect();
    let identity = &about.identity;
    let mut told = json!({
        "timestamp": letter.accepted_at.rfc3339(),
        "source": about.source,
        "sourceArn": scope.arn("ses", format!("identity/{identity}")),
        "sendingAccountId": scope.account.as_str(),
        "messageId": letter.id(),
        "destination": destination,
    });
    if has_headers {
        told["headersTruncated"] = json!(false);
        told["commonHeaders"] = json!({
            "from": [letter.from],
            "to": destination,
            "messageId": letter.id(),
            "subject": letter.subject,
        });
        told["headers"] = json!([
            { "name": "From", "value": letter.from },
            { "name": "To", "value": destination.join(", ") },
            { "name": "Subject", "value": letter.subject },
        ]);
    }
    let mut tags = json!({
        "ses:operation": [about.operation],
        "ses:from-domain": [crate::address::domain_of(about.source.trim_end_matches('>'))],
        "ses:caller-identity": [about.caller.rsplit('/').next()],
    });
    if let Some(set) = &about.configuration_set {
        tags["ses:configuration-set"] = json!([set]);
    }
    for (name, value) in &about.tags {
        tags[name.as_str()] = json!([value]);
    }
    told["tags"] = tags;
    told
}

fn detail(scope: &Scope, letter: &Stored<Letter>, event: &Event) -> Value {
    let mta = crate::outbox::host(scope);
    match event {
        Event::Send => json!({}),
        Event::Delivery {
            recipients,
            said,
            at,
        } => json!({
            "timestamp": at.rfc3339(),
            "processingTimeMillis": at.since(letter.accepted_at).as_millis() as u64,
            "recipients": recipients,
            "smtpResponse": said,
            "reportingMTA": mta,
        }),
        Event::Bounce { recipients, at } => {
            let suppressed = recipients
                .iter()
                .any(|(_, said)| said.contains("suppression list"));
            let expired = recipients
                .iter()
                .all(|(_, said)| said.contains("Message expired"));
            let (kind, sub) = match (suppressed, expired) {
                (true, _) => ("Permanent", "OnAccountSuppressionList"),
                (_, true) => ("Transient", "General"),
                _ => ("Permanent", "General"),
            };
            let bounced = recipients.iter().map(|(address, said)| {
                let status = said.split(' ').nth(1).unwrap_or_default();
                json!({
                    "emailAddress": address,
                    "action": "failed",
                    "status": status,
                    "diagnosticCode": format!("smtp; {said}"),
                })
            });
            json!({
                "feedbackId": format!("{}-feedback", letter.id()),
                "bounceType": kind,
                "bounceSubType": sub,
                "bouncedRecipients": bounced.collect::<Vec<_>>(),
                "timestamp": at.rfc3339(),
                "reportingMTA": format!("dsn; {mta}"),
            })
        }
    }
}
