//! A bucket's configurations: which changes of which keys go where.

use super::change::{self, Change};
use neargate_api_s3 as api;

/// What a notification goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    Queue,
    Topic,
}

/// One configuration of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Configuration<'a> {
    pub id: &'a str,
    pub destination: Destination,
    pub arn: &'a str,
    pub events: &'a [String],
    filter: Option<&'a api::NotificationConfigurationFilter>,
}

/// All configurations that have a destination.
pub fn configurations(all: &api::NotificationConfiguration) -> Vec<Configuration<'_>> {
    let queues = all
        .queue_configurations
        .iter()
        .flatten()
        .map(|queue| Configuration {
            id: queue.id.as_deref().unwrap_or_default(),
            destination: Destination::Queue,
            arn: &queue.queue_arn,
            events: &queue.events,
            filter: queue.filter.as_ref(),
        });
    let topics = all
        .topic_configurations
        .iter()
        .flatten()
        .map(|topic| Configuration {
            id: topic.id.as_deref().unwrap_or_default(),
            destination: Destination::Topic,
            arn: &topic.topic_arn,
            events: &topic.events,
            filter: topic.filter.as_ref(),
        });
    topics.chain(queues).collect()
}

impl<'a> Configuration<'a> {
    pub fn rules(&self) -> &'a [api::FilterRule] {
        let rules = self
            .filter
            .and_then(|f| f.key.as_ref()?.filter_rules.as_deref());
        rules.unwrap_or_default()
    }

    /// The value of a rule; the empty text, which begins and ends every key, where there is none.
    fn rule(&self, name: &str) -> &'a str {
        let is_it = |rule: &&api::FilterRule| {
            rule.name
                .as_deref()
                .is_some_and(|n| n.eq_ignore_ascii_case(name))
        };
        let rule = self.rules().iter().find(is_it);
        rule.and_then(|rule| rule.value.as_deref())
            .unwrap_or_default()
    }

    pub fn takes(&self, change: Change, key: &str) -> bool {
        let means = |name: &String| change::events(name).contains(&change.event());
        self.events.iter().any(means)
            && key.starts_with(self.rule("prefix"))
            && key.ends_with(self.rule("suffix"))
    }

    /// Might both take the same change?
    pub fn overlaps(&self, other: &Configuration<'_>) -> bool {
        let events = |c: &Configuration<'_>| -> Vec<&str> {
            c.events
                .iter()
                .flat_map(|name| change::events(name))
                .collect()
        };
        let theirs = events(other);
        let (prefix, their_prefix) = (self.rule("prefix"), other.rule("prefix"));
        let (suffix, their_suffix) = (self.rule("suffix"), other.rule("suffix"));
        events(self).iter().any(|event| theirs.contains(event))
            && (prefix.starts_with(their_prefix) || their_prefix.starts_with(prefix))
            && (suffix.ends_with(their_suffix) || their_suffix.ends_with(suffix))
    }
}
