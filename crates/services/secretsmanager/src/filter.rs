//! Which secrets a list is asked for
//! (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html>). Pure.

use crate::error;
use crate::model::Secret;
use crate::replicas::primary_region;
use neargate_api_secretsmanager as api;
use neargate_service::{AwsError, Scope};

/// Does the secret fit all filters? It fits one when any of its values does; a value that begins
/// with an exclamation mark is for secrets that do not have the rest of it.
pub(crate) fn fits(scope: &Scope, secret: &Secret, filters: &[api::Filter]) -> bool {
    filters.iter().all(|filter| {
        let key = filter.key.as_deref().unwrap_or_default();
        let mut values = filter.values.iter().flatten();
        values.any(|value| match value.strip_prefix('!') {
            Some(value) => !has(scope, secret, key, value),
            None => has(scope, secret, key, value),
        })
    })
}

fn has(scope: &Scope, secret: &Secret, key: &str, value: &str) -> bool {
    let Secret { name, tags, .. } = secret;
    let description = secret.description.as_deref().unwrap_or_default();
    let begins = |text: &str| text.starts_with(value);
    match key {
        "name" => begins(name),
        // AWS's page says that it is a prefix; its answers say that it is words.
        "description" => has_words(description, value),
        "tag-key" => tags.keys().any(|key| begins(key)),
        "tag-value" => tags.values().any(|tag| begins(tag)),
        "primary-region" => primary_region(scope, secret).is_some_and(|region| begins(&region)),
        "all" => {
            has_words(name, value)
                || has_words(description, value)
                || tags
                    .iter()
                    .any(|(key, tag)| has_words(key, value) || has_words(tag, value))
        }
        // No secret is of another service.
        _ => false,
    }
}

/// Does the text have, for each word of the value, a word that begins with it, whatever the case?
fn has_words(text: &str, value: &str) -> bool {
    let (text, value) = (words(text), words(value));
    let has = |word: &String| text.iter().any(|other| other.starts_with(word));
    !value.is_empty() && value.iter().all(has)
}

/// What a name's words are divided by. A text that has two of these is one word.
const DIVIDERS: &str = "/-_+=.@";

fn words(text: &str) -> Vec<String> {
    let mut found = text.chars().filter(|c| DIVIDERS.contains(*c));
    let divider = found.next();
    if found.any(|c| Some(c) != divider) {
        return vec![text.to_lowercase()];
    }
    let parts = text.split(|c: char| c.is_whitespace() || Some(c) == divider);
    parts
        .flat_map(capitalised)
        .map(|word| word.to_lowercase())
        .collect()
}

/// `My` and `Test` of `MyTest`, `COMPAN` and `Ythings` of `COMPANYthings`.
fn capitalised(part: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut characters = part.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let small_follows = characters
            .peek()
            .is_some_and(|(_, next)| next.is_ascii_lowercase());
        if !c.is_ascii_lowercase() && small_follows && at > 0 {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([part.len()]);
    let words = starts.iter().zip(ends).map(|(from, to)| &part[*from..to]);
    words.filter(|word| !word.is_empty()).collect()
}

/// # Errors
/// A filter has no key, or no values.
pub(crate) fn check(filters: &[api::Filter]) -> Result<(), AwsError> {
    for filter in filters {
        let key = filter.key.as_deref();
        let key = key.ok_or_else(|| error::parameter("Invalid filter key"))?;
        if filter.values.is_none() {
            return Err(error::parameter(format!(
                "Invalid filter values for key: {key}"
            )));
        }
    }
    Ok(())
}
