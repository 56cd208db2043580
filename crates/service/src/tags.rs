//! Tags as every AWS service restricts them
//! (<https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>).

use std::collections::BTreeMap;

/// The tags of one resource, by key.
pub type Tags = BTreeMap<String, String>;

/// The most tags a resource may have.
pub const MAX_TAGS: usize = 50;
/// The longest key.
pub const MAX_KEY_CHARS: usize = 128;
/// The longest value.
pub const MAX_VALUE_CHARS: usize = 256;

/// A rule that a set of tags breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    #[error("Tag key must be between 1 and 128 characters long")]
    KeyLength,
    #[error("Tag value must be at most 256 characters long")]
    ValueLength,
    #[error(
        "Some tags contain invalid characters. Valid characters: UTF-8 letters, spaces, numbers and _ . / = + - : @."
    )]
    Characters,
    #[error("aws: prefixed tag key names are not allowed for external use.")]
    Reserved,
    #[error("Duplicate tag keys found. Please note that Tag keys are case insensitive.")]
    Duplicate,
    #[error("A resource can have at most 50 tags")]
    TooMany,
}

/// Check what a caller sent and turn it into [`Tags`].
pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Tags, InvalidTags> {
    let mut tags = Tags::new();
    for (key, value) in pairs {
        check(&key, &value)?;
        if tags.insert(key, value).is_some() {
            return Err(InvalidTags::Duplicate);
        }
    }
    if tags.len() > MAX_TAGS {
        Err(InvalidTags::TooMany)
    } else {
        Ok(tags)
    }
}

/// Is this the key of a tag that only AWS itself sets?
pub fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("aws:"))
}

/// Add `new` to the tags of a resource; a value replaces the one that its key had.
///
/// # Errors
/// [`InvalidTags::TooMany`]; AWS's own tags do not count.
pub fn merge(tags: &mut Tags, new: &Tags) -> Result<(), InvalidTags> {
    tags.extend(new.clone());
    if tags.keys().filter(|key| !is_reserved(key)).count() > MAX_TAGS {
        Err(InvalidTags::TooMany)
    } else {
        Ok(())
    }
}

/// Take the tags of these keys away; answers whether there were any.
pub fn remove(tags: &mut Tags, keys: &[String]) -> bool {
    let before = tags.len();
    tags.retain(|key, _| !keys.contains(key));
    tags.len() != before
}

fn check(key: &str, value: &str) -> Result<(), InvalidTags> {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
        return Err(InvalidTags::KeyLength);
    }
    if value.chars().count() > MAX_VALUE_CHARS {
        return Err(InvalidTags::ValueLength);
    }
    if !key.chars().all(allowed) || !value.chars().all(allowed) {
        return Err(InvalidTags::Characters);
    }
    if is_reserved(key) {
        return Err(InvalidTags::Reserved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(k: &str, v: &str) -> Result<Tags, InvalidTags> {
        parse([(k.to_owned(), v.to_owned())])
    }

    #[test]
    fn rules() {
        assert!(one("team", "a b/c@d").is_ok());
        assert_eq!(one("", "x"), Err(InvalidTags::KeyLength));
        assert_eq!(one("k", &"x".repeat(257)), Err(InvalidTags::ValueLength));
        assert_eq!(one("k", "<x>"), Err(InvalidTags::Characters));
        assert_eq!(one("AWS:x", "1"), Err(InvalidTags::Reserved));
        let twice = [
            ("a".to_owned(), String::new()),
            ("a".to_owned(), String::new()),
        ];
        assert_eq!(parse(twice), Err(InvalidTags::Duplicate));
        let many = (0..51).map(|i| (format!("k{i}"), String::new()));
        assert_eq!(parse(many), Err(InvalidTags::TooMany));
    }

    #[test]
    fn tags_are_merged_and_removed() {
        let numbered = |n: std::ops::Range<usize>| -> Tags {
            n.map(|i| (format!("k{i}"), String::new())).collect()
        };
        let mut tags = numbered(0..49);
        tags.insert("aws:cloudformation:stack-name".into(), "s".into());
        assert_eq!(merge(&mut tags, &numbered(0..50)), Ok(()), "one is new");
        assert_eq!(tags.len(), 51);
        let more = numbered(50..51);
        assert_eq!(merge(&mut tags.clone(), &more), Err(InvalidTags::TooMany));
        assert!(remove(&mut tags, &["k1".into(), "other".into()]));
        assert!(!remove(&mut tags, &["k1".into()]));
        assert_eq!(merge(&mut tags, &more), Ok(()));
    }
}
