//! A driver's options, read as Docker reads them.

use super::About;
use regex::Regex;
use std::collections::BTreeMap;

/// Options that every driver has which tells of its container.
const ATTRIBUTES: [&str; 5] = ["tag", "labels", "labels-regex", "env", "env-regex"];

/// What a definition gives a driver. Some may be secret: nothing here shows a value that does not
/// have to be repeated.
pub struct Options {
    driver: String,
    all: BTreeMap<String, String>,
}

impl Options {
    pub fn new(driver: &str, all: BTreeMap<String, String>) -> Options {
        let driver = driver.to_owned();
        Options { driver, all }
    }

    /// # Errors
    /// An option is none of `known`, nor of those that tell of the container.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let is_known = |o: &&String| known.contains(&&***o) || ATTRIBUTES.contains(&&***o);
        match self.all.keys().find(|option| !is_known(option)) {
            Some(option) => Err(format!(
                "unknown log opt '{option}' for {} log driver",
                self.driver
            )),
            None => Ok(()),
        }
    }

    pub fn get(&self, option: &str) -> Option<&str> {
        let value = self.all.get(option).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// # Errors
    /// It is neither true nor false, in Go's spellings.
    pub fn flag(&self, option: &str) -> Result<Option<bool>, String> {
        self.get(option)
            .map(|value| match value {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                other => Err(format!(
                    "strconv.ParseBool: parsing \"{other}\": invalid syntax"
                )),
            })
            .transpose()
    }

    /// # Errors
    /// It is no number.
    pub fn number(&self, option: &str) -> Result<Option<u64>, String> {
        self.get(option)
            .map(|value| {
                value.parse().map_err(|_| {
                    format!("strconv.Atoi: parsing \"{value}\": invalid syntax ({option})")
                })
            })
            .transpose()
    }

    /// The container's tag.
    ///
    /// # Errors
    /// As [`About::tag`].
    pub fn tag(&self, about: &About) -> Result<String, String> {
        match self.get("tag") {
            Some(template) => about.tag(template),
            None => Ok(about.default_tag()),
        }
    }

    /// The labels and variables of the container that records are to have
    /// (<https://docs.docker.com/engine/logging/drivers/fluentd/#labels-labels-regex-env-and-env-regex>).
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn attributes(&self, about: &About) -> Result<BTreeMap<String, String>, String> {
        let mut attributes = BTreeMap::new();
        for (list, pattern, of) in [
            ("labels", "labels-regex", &about.labels),
            ("env", "env-regex", &about.environment),
        ] {
            let listed: Vec<&str> = self.get(list).unwrap_or_default().split(',').collect();
            let pattern = self.get(pattern).map(Regex::new).transpose();
            let pattern = pattern.map_err(|error| error.to_string())?;
            for (name, value) in of {
                let matches = pattern.as_ref().is_some_and(|p| p.is_match(name));
                if listed.contains(&name.as_str()) || matches {
                    attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(attributes)
    }
}

/// A size as Docker takes it: `512`, `10m`, `1g`.
///
/// # Errors
/// It is none.
pub fn bytes(size: &str) -> Result<u64, String> {
    let lower = size.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = lower.split_at(digits.unwrap_or(lower.len()));
    let shift = match unit
        .trim_start()
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("invalid size: '{size}'")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("invalid size: '{size}'"))?;
    Ok(number.saturating_mul(1 << shift))
}
