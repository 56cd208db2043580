//! Subscriptions' protocols, endpoints and attributes: what they may be, and what is answered of them
//! (<https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html>).

use crate::deliver::retry;
use crate::error;
use crate::filter::{Filter, On};
use crate::model::{Protocol, Subscription, Topic};
use neargate_base::Arn;
use neargate_service::AwsError;
use serde_json::Value;
use std::collections::BTreeMap;

const MAX_ENDPOINT_BYTES: usize = 2_048;

/// The protocol of this name, for this endpoint, at this topic.
pub fn protocol(name: &str, endpoint: &str, topic: &str) -> Result<Protocol, AwsError> {
    let of_endpoint = |holds: bool, why: &str| match holds {
        true => Ok(()),
        false => Err(error::invalid_parameter(why)),
    };
    let protocol = match name {
        "sqs" => Protocol::Sqs,
        "http" => Protocol::Http,
        "https" => Protocol::Https,
        "email" => Protocol::Email,
        "email-json" => Protocol::EmailJson,
        "sms" | "application" | "lambda" | "firehose" => {
            let what = format!("subscriptions of the protocol {name}");
            return Err(AwsError::not_implemented("sns", &what));
        }
        other => {
            let why = format!("Amazon SNS does not support this protocol string: {other}");
            return Err(error::invalid_parameter(&why));
        }
    };
    if endpoint.is_empty() || endpoint.len() > MAX_ENDPOINT_BYTES {
        return Err(error::invalid_parameter("Endpoint"));
    }
    match protocol {
        Protocol::Sqs => of_endpoint(is_queue(endpoint), "SQS endpoint ARN")?,
        Protocol::Http | Protocol::Https => {
            let own = format!("{name}://");
            let why = "Endpoint must match the specified protocol";
            of_endpoint(endpoint.starts_with(&own), why)?;
        }
        Protocol::Email | Protocol::EmailJson => {
            of_endpoint(is_mailbox(endpoint), "Email address")?;
        }
    }
    let fifo = topic.ends_with(".fifo");
    if endpoint.ends_with(".fifo") && !fifo {
        return Err(error::invalid_parameter(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS \
             topics",
        ));
    }
    if fifo && protocol != Protocol::Sqs {
        return Err(error::invalid_parameter(
            "Invalid protocol type: FIFO topics can only be subscribed to by SQS queues",
        ));
    }
    Ok(protocol)
}

fn is_queue(arn: &str) -> bool {
    let parsed: Result<Arn, _> = arn.parse();
    parsed.is_ok_and(|arn| {
        arn.service == "sqs"
            && arn.account.len() == 12
            && !arn.region.is_empty()
            && !arn.resource.is_empty()
            && !arn.resource.contains([':', '/'])
    })
}

fn is_mailbox(address: &str) -> bool {
    let visible = address
        .chars()
        .all(|c| !c.is_whitespace() && !c.is_control());
    let parts = address.rsplit_once('@');
    visible
        && !address.contains(['<', '>', ',', ';'])
        && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.len() > 2)
}

/// Those a new subscription begins with, checked.
pub fn at_creation(
    given: BTreeMap<String, String>,
    protocol: Protocol,
    endpoint: &str,
    topic: &str,
) -> Result<BTreeMap<String, String>, AwsError> {
    let in_attributes =
        |why: String| error::invalid_parameter(&format!("Attributes Reason: {why}"));
    let on = scope(given.get("FilterPolicyScope").map(String::as_str));
    let mut kept = BTreeMap::new();
    for (name, value) in given {
        let place = Place {
            protocol,
            endpoint,
            topic,
            on,
        };
        let value = place
            .checked(&name, &value)
            .map_err(|refused| match refused {
                Refused::Unknown => {
                    error::invalid_parameter("Attributes Reason: Unknown attribute")
                }
                Refused::Wrong(why) => in_attributes(why),
                Refused::Unbuilt(what) => AwsError::not_implemented("sns", what),
            })?;
        kept.insert(name, value);
    }
    Ok(kept)
}

/// Changes one attribute.
pub fn set(subscription: &mut Subscription, name: &str, value: &str) -> Result<(), AwsError> {
    let on = match name {
        "FilterPolicyScope" => scope(Some(value)),
        _ => scope(subscription.attribute("FilterPolicyScope")),
    };
    let place = Place {
        protocol: subscription.protocol,
        endpoint: &subscription.endpoint,
        topic: &subscription.topic,
        on,
    };
    let refused = |refused| match refused {
        Refused::Unknown => error::invalid_parameter("AttributeName"),
        Refused::Wrong(why) => error::invalid_parameter(&why),
        Refused::Unbuilt(what) => AwsError::not_implemented("sns", what),
    };
    let value = place.checked(name, value).map_err(refused)?;
    // What was a good policy of attributes may be none of a body, and the other way round.
    if name == "FilterPolicyScope"
        && let Some(policy) = subscription.attribute("FilterPolicy")
    {
        place.checked("FilterPolicy", policy).map_err(refused)?;
    }
    match value.is_empty() {
        true => subscription.attributes.remove(name),
        false => subscription.attributes.insert(name.to_owned(), value),
    };
    Ok(())
}

fn scope(name: Option<&str>) -> On {
    match name {
        Some("MessageBody") => On::Body,
        _ => On::Attributes,
    }
}

enum Refused {
    Unknown,
    Wrong(String),
    Unbuilt(&'static str),
}

/// What an attribute is for.
struct Place<'a> {
    protocol: Protocol,
    endpoint: &'a str,
    topic: &'a str,
    on: On,
}

impl Place<'_> {
    /// The value as it is kept.
    fn checked(&self, name: &str, value: &str) -> Result<String, Refused> {
        let wrong = |why: String| Err(Refused::Wrong(why));
        match name {
            "RawMessageDelivery" => {
                let lower = value.to_ascii_lowercase();
                if !matches!(lower.as_str(), "true" | "false") {
                    return wrong(format!(
                        "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
                    ));
                }
                let mail = matches!(self.protocol, Protocol::Email | Protocol::EmailJson);
                if lower == "true" && mail {
                    let protocol = self.protocol.name();
                    return wrong(format!(
                        "Delivery protocol [{protocol}] does not support raw message delivery."
                    ));
                }
                return Ok(lower);
            }
            "FilterPolicy" if value.is_empty() || value == "{}" => return Ok(String::new()),
            "FilterPolicy" => drop(Filter::parse(value, self.on).map_err(Refused::Wrong)?),
            "FilterPolicyScope" => {
                if !matches!(value, "MessageAttributes" | "MessageBody") {
                    return wrong(format!(
                        "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or \
                         MessageAttributes"
                    ));
                }
            }
            "DeliveryPolicy" => {
                if !matches!(self.protocol, Protocol::Http | Protocol::Https) {
                    let protocol = self.protocol.name();
                    return wrong(format!(
                        "DeliveryPolicy: protocol [{protocol}] does not support delivery policies"
                    ));
                }
                retry::http_policy(None, Some(value)).map_err(Refused::Wrong)?;
            }
            "RedrivePolicy" if !value.is_empty() => self.check_redrive(value)?,
            "RedrivePolicy" => {}
            "SubscriptionRoleArn" => {
                return Err(Refused::Unbuilt("subscriptions of Firehose"));
            }
            "ReplayPolicy" => return Err(Refused::Unbuilt("ReplayPolicy")),
            _ => return Err(Refused::Unknown),
        }
        Ok(value.to_owned())
    }

    fn check_redrive(&self, policy: &str) -> Result<(), Refused> {
        let wrong = |why: &str| Err(Refused::Wrong(format!("RedrivePolicy: {why}")));
        let Ok(policy) = serde_json::from_str::<Value>(policy) else {
            return wrong("failed to parse JSON.");
        };
        let arn = policy["deadLetterTargetArn"].as_str().unwrap_or_default();
        let Ok(parsed) = arn.parse::<Arn>() else {
            return wrong("deadLetterTargetArn is an invalid arn");
        };
        if !is_queue(arn) {
            return wrong("deadLetterTargetArn is an invalid arn");
        }
        let fifo = self.topic.ends_with(".fifo") && self.endpoint.ends_with(".fifo");
        if fifo && !parsed.resource.ends_with(".fifo") {
            return wrong("must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.");
        }
        if !fifo && parsed.resource.ends_with(".fifo") {
            return wrong("must use a standard queue as DLQ for a standard Subscription.");
        }
        Ok(())
    }
}

/// All of a subscription's attributes but its topic's.
pub fn described(subscription: &Subscription, arn: &str) -> BTreeMap<String, String> {
    let confirmed = subscription.confirmed;
    let authenticated = confirmed.is_some_and(|c| c.authenticated);
    let mut all = BTreeMap::from(
        [
            ("SubscriptionArn", arn.to_owned()),
            ("Owner", subscription.owner.clone()),
            ("Protocol", subscription.protocol.name().to_owned()),
            ("Endpoint", subscription.endpoint.clone()),
            ("PendingConfirmation", confirmed.is_none().to_string()),
            ("ConfirmationWasAuthenticated", authenticated.to_string()),
            ("RawMessageDelivery", "false".to_owned()),
            ("SubscriptionPrincipal", subscription.principal.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    all.extend(subscription.attributes.clone());
    match subscription.attribute("FilterPolicy") {
        Some(_) => {
            let scope = all.entry("FilterPolicyScope".into());
            scope.or_insert_with(|| "MessageAttributes".into());
        }
        None => drop(all.remove("FilterPolicyScope")),
    }
    all
}

/// The policy that holds, of subscriptions that have one.
pub fn effective_delivery_policy(topic: &Topic, subscription: &Subscription) -> Option<String> {
    if !matches!(subscription.protocol, Protocol::Http | Protocol::Https) {
        return None;
    }
    let policy = retry::http_policy(
        topic.attribute("DeliveryPolicy"),
        subscription.attribute("DeliveryPolicy"),
    );
    Some(retry::effective(&policy.unwrap_or_default()).to_string())
}
