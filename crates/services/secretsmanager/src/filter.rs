//! Which secrets a list is asked for
//! (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html>). Pure.

use crate::model::Secret;
use neargate_api_secretsmanager as api;

/// Does the secret fit all filters? One fits when any of its values does; a value that begins with
/// an exclamation mark is one that must not.
pub(crate) fn fits(secret: &Secret, region: &str, filters: &[api::Filter]) -> bool {
    filters.iter().all(|filter| {
        let key = filter.key.as_deref().unwrap_or_default();
        let values = filter.values.iter().flatten();
        let (not, wanted): (Vec<_>, Vec<_>) = values.partition(|value| value.starts_with('!'));
        let has = |value: &str| has(secret, region, key, value);
        (wanted.is_empty() || wanted.iter().any(|value| has(value)))
            && !not.iter().any(|value| has(&value[1..]))
    })
}

fn has(secret: &Secret, region: &str, key: &str, value: &str) -> bool {
    let Secret { name, tags, .. } = secret;
    let description = secret.description.as_deref().unwrap_or_default();
    let begins = |text: &str| text.starts_with(value);
    match key {
        "name" => begins(name),
        "description" => lower(description).starts_with(&lower(value)),
        "tag-key" => tags.keys().any(|key| begins(key)),
        "tag-value" => tags.values().any(|tag| begins(tag)),
        "primary-region" => begins(region),
        "all" => words(value).all(|word| {
            let contains = |text: &str| lower(text).contains(&word);
            contains(name)
                || contains(description)
                || tags.iter().any(|(key, tag)| contains(key) || contains(tag))
        }),
        // No secret is of another service.
        _ => false,
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|word| !word.is_empty()).map(lower)
}
