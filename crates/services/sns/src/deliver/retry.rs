//! When a delivery that failed is tried again: delivery policies, pure
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>).

use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How deliveries to one kind of endpoint are retried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    pub without_delay: u32,
    /// At the least delay.
    pub before: u32,
    pub backing_off: u32,
    /// At the greatest delay.
    pub after: u32,
    pub least: Duration,
    pub most: Duration,
    pub function: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

/// What a delivery policy says of HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpPolicy {
    pub retries: Retries,
    pub max_receives_per_second: Option<u32>,
    pub content_type: Option<String>,
}

/// Queues, and what else is AWS's own.
pub const MANAGED: Retries = Retries {
    without_delay: 3,
    before: 2,
    backing_off: 10,
    after: 100_000,
    least: Duration::from_secs(1),
    most: Duration::from_secs(20),
    function: Backoff::Exponential,
};

/// Mail.
pub const SMTP: Retries = Retries {
    without_delay: 0,
    before: 2,
    backing_off: 10,
    after: 38,
    least: Duration::from_secs(10),
    most: Duration::from_secs(600),
    function: Backoff::Exponential,
};

const HTTP: Retries = Retries {
    without_delay: 0,
    before: 0,
    backing_off: 3,
    after: 0,
    least: Duration::from_secs(20),
    most: Duration::from_secs(20),
    function: Backoff::Linear,
};

/// All of a policy's retries together take no longer.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Retries {
    /// How long to wait before the `nth` retry, from 1 on; `None`: there is none.
    pub fn delay(&self, nth: u32) -> Option<Duration> {
        let n = nth.checked_sub(1)?;
        let before = self.without_delay + self.before;
        let backing = before + self.backing_off;
        Some(match n {
            n if n < self.without_delay => Duration::ZERO,
            n if n < before => self.least,
            n if n < backing => self.backed_off(n - before),
            n if n < backing.saturating_add(self.after) => self.most,
            _ => return None,
        })
    }

    /// From the least delay to the greatest.
    fn backed_off(&self, step: u32) -> Duration {
        let (least, most) = (self.least.as_secs_f64(), self.most.as_secs_f64());
        let last = f64::from(self.backing_off.saturating_sub(1));
        let part = match last > 0.0 {
            true => f64::from(step) / last,
            false => 1.0,
        };
        let share = match self.function {
            Backoff::Linear => part,
            Backoff::Arithmetic => part * (part + 1.0) / 2.0,
            Backoff::Geometric => (10_f64.powf(part) - 1.0) / 9.0,
            Backoff::Exponential if least > 0.0 => {
                return Duration::from_secs_f64(least * (most / least).powf(part));
            }
            Backoff::Exponential => part,
        };
        Duration::from_secs_f64(least + (most - least) * share)
    }

    fn in_all(&self) -> Duration {
        let all = self.without_delay + self.before + self.backing_off + self.after;
        (1..=all).filter_map(|n| self.delay(n)).sum()
    }
}

impl Default for HttpPolicy {
    fn default() -> Self {
        HttpPolicy {
            retries: HTTP,
            max_receives_per_second: None,
            content_type: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RetryPolicy {
    min_delay_target: Option<u32>,
    max_delay_target: Option<u32>,
    num_retries: Option<u32>,
    num_max_delay_retries: Option<u32>,
    num_no_delay_retries: Option<u32>,
    num_min_delay_retries: Option<u32>,
    backoff_function: Option<Backoff>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Throttle {
    max_receives_per_second: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestPolicy {
    header_content_type: Option<String>,
}

/// A subscription's policy, and that of a topic under `http`, whose members begin with `default`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    #[serde(alias = "defaultHealthyRetryPolicy")]
    healthy_retry_policy: Option<RetryPolicy>,
    #[serde(alias = "defaultThrottlePolicy")]
    throttle_policy: Option<Throttle>,
    #[serde(alias = "defaultRequestPolicy")]
    request_policy: Option<RequestPolicy>,
    disable_subscription_overrides: Option<bool>,
}

/// The policy that holds for a subscription, by the topic's and its own `DeliveryPolicy`. What is not
/// written in either is AWS's default.
///
/// # Errors
/// What is wrong with one of them.
pub fn http_policy(topic: Option<&str>, own: Option<&str>) -> Result<HttpPolicy, String> {
    let topic = topic.filter(|t| !t.is_empty()).map(of_topic).transpose()?;
    let topic = topic.unwrap_or_default();
    let overrides = topic.disable_subscription_overrides != Some(true);
    let own = own.filter(|o| overrides && !o.is_empty());
    let own: Written = own.map(of_subscription).transpose()?.unwrap_or_default();
    let retry = own.healthy_retry_policy.or(topic.healthy_retry_policy);
    let throttle = own.throttle_policy.or(topic.throttle_policy);
    let request = own.request_policy.or(topic.request_policy);
    let policy = HttpPolicy {
        retries: retry.map_or(Ok(HTTP), |written| retries(&written))?,
        max_receives_per_second: throttle.and_then(|t| t.max_receives_per_second),
        content_type: request.and_then(|r| r.header_content_type),
    };
    if policy.max_receives_per_second == Some(0) {
        return Err(
            "DeliveryPolicy: maxReceivesPerSecond must be greater than or equal to 1".into(),
        );
    }
    if policy
        .content_type
        .as_deref()
        .is_some_and(|c| !is_content_type(c))
    {
        return Err("DeliveryPolicy: headerContentType is not a supported content type".into());
    }
    Ok(policy)
}

fn of_topic(text: &str) -> Result<Written, String> {
    let value: Value = read(text)?;
    match value.get("http") {
        Some(http) => serde_json::from_value(http.clone()).map_err(|e| unreadable(&e)),
        None => Ok(Written::default()),
    }
}

fn of_subscription(text: &str) -> Result<Written, String> {
    read(text)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| unreadable(&e))
}

fn unreadable(why: &serde_json::Error) -> String {
    format!("DeliveryPolicy: failed to parse JSON. {why}")
}

fn retries(written: &RetryPolicy) -> Result<Retries, String> {
    let wrong = |why: &str| Err(format!("DeliveryPolicy: {why}"));
    let least = written.min_delay_target.unwrap_or(20);
    let most = written.max_delay_target.unwrap_or(20.max(least));
    let all = written.num_retries.unwrap_or(3);
    let without_delay = written.num_no_delay_retries.unwrap_or(0);
    let before = written.num_min_delay_retries.unwrap_or(0);
    let after = written.num_max_delay_retries.unwrap_or(0);
    if !(1..=3_600).contains(&least) {
        return wrong("minDelayTarget must be between 1 and 3600");
    }
    if most > 3_600 {
        return wrong("maxDelayTarget must be less than or equal to 3600");
    }
    if least > most {
        return wrong("maxDelayTarget must be greater than or equal to minDelayTarget");
    }
    if all > 100 {
        return wrong("numRetries must be less than or equal to 100");
    }
    let phases = [without_delay, before, after].map(u64::from);
    let Some(backing_off) = u64::from(all).checked_sub(phases.iter().sum()) else {
        return wrong(
            "numRetries must be greater than or equal to the sum of numNoDelayRetries, \
             numMinDelayRetries, and numMaxDelayRetries",
        );
    };
    let retries = Retries {
        without_delay,
        before,
        backing_off: u32::try_from(backing_off).unwrap_or_default(),
        after,
        least: Duration::from_secs(least.into()),
        most: Duration::from_secs(most.into()),
        function: written.backoff_function.unwrap_or(Backoff::Linear),
    };
    if retries.in_all() > LONGEST {
        return wrong("the total retry time must be less than or equal to 3600 seconds");
    }
    Ok(retries)
}

/// Those of the list that AWS documents for `headerContentType`.
fn is_content_type(text: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "text/css",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
        "application/atom+xml",
        "application/json",
        "application/octet-stream",
        "application/soap+xml",
        "application/x-www-form-urlencoded",
        "application/xhtml+xml",
        "application/xml",
        "application/rss+xml",
        "application/rdf+xml",
        "application/javascript",
        "application/ecmascript",
        "application/x-javascript",
        "application/pkcs7-mime",
    ];
    let kind = text.split(';').next().unwrap_or_default().trim();
    KNOWN.contains(&kind) && http::HeaderValue::from_str(text).is_ok()
}

/// The policy as `EffectiveDeliveryPolicy` of a subscription shows it.
pub fn effective(policy: &HttpPolicy) -> Value {
    let retries = &policy.retries;
    let all = retries.without_delay + retries.before + retries.backing_off + retries.after;
    let function = match retries.function {
        Backoff::Linear => "linear",
        Backoff::Arithmetic => "arithmetic",
        Backoff::Geometric => "geometric",
        Backoff::Exponential => "exponential",
    };
    let content_type = policy.content_type.as_deref();
    json!({
        "healthyRetryPolicy": {
            "minDelayTarget": retries.least.as_secs(),
            "maxDelayTarget": retries.most.as_secs(),
            "numRetries": all,
            "numMaxDelayRetries": retries.after,
            "numNoDelayRetries": retries.without_delay,
            "numMinDelayRetries": retries.before,
            "backoffFunction": function,
        },
        "sicklyRetryPolicy": null,
        "throttlePolicy": policy.max_receives_per_second
            .map(|most| json!({ "maxReceivesPerSecond": most })),
        "requestPolicy": {
            "headerContentType": content_type.unwrap_or("text/plain; charset=UTF-8"),
        },
        "guaranteed": false,
    })
}
