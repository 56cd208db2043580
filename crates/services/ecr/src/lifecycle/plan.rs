//! What a policy means for the images that there are.
//!
//! AWS's rules of evaluation: every rule counts all images that its tags are about, also those that another
//! expires; but only the first rule whose tags are about an image can expire it; the oldest expire first; and
//! an image of an index stays while the index does.
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html#lp_evaluation_rules>

use super::policy::{Count, Policy, Rule, TagStatus};
use neargate_base::Timestamp;
use neargate_blob::Digest;
use neargate_service::wildcard::Wildcards;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// An image as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub digest: Digest,
    pub tags: Vec<String>,
    pub pushed_at: Timestamp,
    pub last_pull_at: Option<Timestamp>,
    /// The images of an index.
    pub images: Vec<Digest>,
}

/// An image that expires, by the rule of this priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    pub image: Candidate,
    pub rule_priority: i32,
}

/// What expires at `now`, the oldest first.
pub fn plan(policy: &Policy, mut images: Vec<Candidate>, now: Timestamp) -> Vec<Expiry> {
    images.sort_by_key(|image| Reverse((image.pushed_at, image.digest)));
    let mut expiring = BTreeMap::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let about = images.iter().filter(|image| is_about(rule, image));
        for (newer, image) in about.enumerate() {
            let taken = policy.rules[..index]
                .iter()
                .any(|before| is_about(before, image));
            if !taken && is_over(rule.count, newer, image, now) {
                expiring.insert(image.digest, rule.priority);
            }
        }
    }
    let kept = images
        .iter()
        .filter(|image| !expiring.contains_key(&image.digest));
    let needed: BTreeSet<Digest> = kept
        .flat_map(|index| index.images.iter().copied())
        .collect();
    let expiring = images.into_iter().rev().filter_map(|image| {
        let rule_priority = *expiring.get(&image.digest)?;
        Some(Expiry {
            image,
            rule_priority,
        })
    });
    expiring
        .filter(|expiry| !needed.contains(&expiry.image.digest))
        .collect()
}

fn is_about(rule: &Rule, image: &Candidate) -> bool {
    let has = |pattern: &String| {
        let mut tags = image.tags.iter();
        tags.any(|tag| Wildcards::Star.matches(pattern, tag))
    };
    match &rule.tags {
        TagStatus::Any => true,
        TagStatus::Untagged => image.tags.is_empty(),
        TagStatus::Tagged(patterns) => !image.tags.is_empty() && patterns.iter().all(has),
    }
}

/// `newer`: how many images that the rule is about are newer.
fn is_over(count: Count, newer: usize, image: &Candidate, now: Timestamp) -> bool {
    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
    let is_older = |at: Timestamp, days: i64| {
        now.as_millis().saturating_sub(at.as_millis()) >= days * DAY_MILLIS
    };
    match count {
        Count::MoreThan(number) => newer >= number,
        Count::DaysSincePushed(days) => is_older(image.pushed_at, days),
        Count::DaysSincePulled(days) => {
            is_older(image.last_pull_at.unwrap_or(image.pushed_at), days)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const DAY: i64 = 24 * 60 * 60 * 1000;

    /// Images of these tags; the first was pushed on day 0, each other a day after the one before.
    fn images(tags: &[&str]) -> Vec<Candidate> {
        let image = |(day, tags): (usize, &&str)| Candidate {
            digest: Digest::of(format!("{day}").as_bytes()),
            tags: tags.split_whitespace().map(str::to_owned).collect(),
            pushed_at: Timestamp::from_millis(day as i64 * DAY),
            last_pull_at: None,
            images: Vec::new(),
        };
        tags.iter().enumerate().map(image).collect()
    }

    fn policy(rules: &[(i32, Value)]) -> Policy {
        let rule = |(priority, selection): &(i32, Value)| json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } });
        let rules: Vec<Value> = rules.iter().map(rule).collect();
        Policy::parse(&json!({ "rules": rules }).to_string()).unwrap()
    }

    /// Days of the images that expire at the beginning of `day`, and their rules.
    fn expired(policy: &Policy, images: Vec<Candidate>, day: i64) -> Vec<(i64, i32)> {
        let expired = plan(policy, images, Timestamp::from_millis(day * DAY));
        let shown = expired
            .iter()
            .map(|e| (e.image.pushed_at.as_millis() / DAY, e.rule_priority));
        shown.collect()
    }

    #[test]
    fn examples_of_the_documentation() {
        let prefixes = |words: &[&str], number: i32| json!({ "tagStatus": "tagged", "tagPrefixList": words, "countType": "imageCountMoreThan", "countNumber": number });
        let any = |number: i32| json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number });
        let untagged = json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14 });

        assert_eq!(
            expired(&policy(&[(1, untagged)]), images(&["", "a", ""]), 15),
            [(0, 1)]
        );
        // Rule 2 sees the image that rule 1 is about, and cannot expire it.
        let two = policy(&[(1, prefixes(&["prod"], 1)), (2, prefixes(&["beta"], 1))]);
        assert_eq!(
            expired(&two, images(&["prod1 beta0", "prod2", "beta1", "beta2"]), 9),
            [(0, 1), (2, 2)]
        );
        assert_eq!(
            expired(&two, images(&["beta1", "beta2 prod1"]), 9),
            [(0, 2)]
        );
        // All of a list's prefixes, each by one of the tags.
        let both = policy(&[(1, prefixes(&["alpha", "beta"], 1))]);
        assert_eq!(
            expired(
                &both,
                images(&["alpha1", "alpha2 beta2", "alpha3 beta3"]),
                9
            ),
            [(1, 1)]
        );
        // What an earlier rule is about still counts.
        let last = policy(&[(1, prefixes(&["keep"], 9)), (2, any(1))]);
        assert_eq!(
            expired(&last, images(&["a", "keep1", "keep2"]), 9),
            [(0, 2)]
        );
    }

    #[test]
    fn an_index_keeps_its_images() {
        let mut all = images(&["", "v1", "v2"]);
        all[2].images = vec![all[0].digest];
        let newest =
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 });
        assert_eq!(
            expired(&policy(&[(1, newest.clone())]), all.clone(), 9),
            [(1, 1)]
        );
        // It goes with its images when it expires.
        all.extend(images(&["", "", "", "v4"]).pop());
        assert_eq!(
            expired(&policy(&[(1, newest)]), all, 9),
            [(0, 1), (1, 1), (2, 1)]
        );
    }
}
