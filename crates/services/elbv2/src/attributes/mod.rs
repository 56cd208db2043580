//! Attributes of load balancers, target groups and listeners: which there are, what they may be, and
//! what holds when nobody set them. Pure.

pub(crate) mod listener;
pub(crate) mod load_balancer;
pub(crate) mod target_group;

use crate::error::attribute as say;
use neargate_domain::load_balancer::Attributes;
use neargate_service::AwsError;

/// An attribute, and the values that it may have.
#[derive(Debug)]
pub(crate) struct Attribute {
    key: &'static str,
    default: &'static str,
    values: Values,
    /// Nothing acts on another value yet, so that setting one is refused.
    fixed: bool,
}

#[derive(Debug)]
enum Values {
    Flag,
    Number(u32, u32),
    /// 0, or a number of this range.
    ZeroOr(u32, u32),
    /// `off`, or a number of this range.
    OffOr(u32, u32),
    OneOf(&'static [&'static str]),
    Text,
    /// A name of a field of HTTP that is nobody else's.
    FieldName,
}

impl Attribute {
    const fn new(key: &'static str, default: &'static str, values: Values) -> Attribute {
        Attribute {
            key,
            default,
            values,
            fixed: false,
        }
    }

    const fn flag(key: &'static str, default: &'static str) -> Attribute {
        Attribute::new(key, default, Values::Flag)
    }

    const fn text(key: &'static str, default: &'static str) -> Attribute {
        Attribute::new(key, default, Values::Text)
    }

    const fn field_name(key: &'static str, default: &'static str) -> Attribute {
        Attribute::new(key, default, Values::FieldName)
    }

    /// Only the default is acted on yet.
    const fn fixed(self) -> Attribute {
        Attribute {
            fixed: true,
            ..self
        }
    }

    fn check(&self, value: &str) -> Result<(), AwsError> {
        let number = value.parse::<u32>().ok();
        let within = |(from, to): (u32, u32)| number.is_some_and(|n| (from..=to).contains(&n));
        match self.values {
            Values::Flag if value != "true" && value != "false" => {
                Err(say::not_one_of(self.key, value, &["true", "false"]))
            }
            Values::OneOf(values) if !values.contains(&value) => {
                Err(say::not_one_of(self.key, value, values))
            }
            Values::Number(from, to) if !within((from, to)) => {
                Err(say::not_between(self.key, value, from, to))
            }
            Values::ZeroOr(from, to) if value != "0" && !within((from, to)) => {
                Err(say::not_between(self.key, value, from, to))
            }
            Values::OffOr(from, to) if value != "off" && !within((from, to)) => {
                Err(say::not_between(self.key, value, from, to))
            }
            Values::FieldName if !is_field_name(value) => Err(say::no_field_name(self.key, value)),
            _ => Ok(()),
        }
    }
}

/// Names that say something else, of the connection or of the request, are not to be had.
fn is_field_name(name: &str) -> bool {
    const TAKEN: [&str; 13] = [
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "http2-settings",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-amzn-trace-id",
    ];
    let is_word = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (1..=128).contains(&name.len())
        && is_word
        && !TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken))
}

/// What has attributes: the table of its kind, and of everything of this noun.
pub(crate) struct Owner {
    /// `Load balancer`, `Target group` or `Listener`.
    pub(crate) noun: &'static str,
    /// How AWS says what this one is, such as `load balancers with type 'network'`.
    pub(crate) kind: String,
    /// Those that it has.
    pub(crate) own: Vec<&'static Attribute>,
    /// Those that others of the noun have.
    pub(crate) known: Vec<&'static Attribute>,
    /// Defaults that differ from the table's.
    pub(crate) defaults: Vec<(&'static str, String)>,
}

impl Owner {
    /// Every attribute: those that were set, and the defaults of the others.
    pub(crate) fn complete(&self, set: &Attributes) -> Attributes {
        let value = |key: &str| set.get(key).cloned().unwrap_or_else(|| self.default(key));
        let all = self.own.iter();
        all.map(|a| (a.key.to_owned(), value(a.key))).collect()
    }

    fn default(&self, key: &str) -> String {
        let differs = self.defaults.iter().find(|(of, _)| *of == key);
        let table = || self.own.iter().find(|a| a.key == key).map(|a| a.default);
        differs.map_or_else(
            || table().unwrap_or_default().to_owned(),
            |(_, v)| v.clone(),
        )
    }

    /// What a call sets, once it is found that all of it may be set.
    ///
    /// # Errors
    /// AWS's for a key or a value that the owner cannot have; ours for a value that nothing acts on.
    pub(crate) fn check(
        &self,
        asked: impl IntoIterator<Item = (Option<String>, Option<String>)>,
    ) -> Result<Attributes, AwsError> {
        let mut set = Attributes::new();
        for (key, value) in asked {
            let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
            let Some(attribute) = self.own.iter().find(|a| a.key == key) else {
                return Err(match self.known.iter().any(|a| a.key == key) {
                    true => say::not_supported(self.noun, &key, &self.kind),
                    false => say::not_recognized(self.noun, &key),
                });
            };
            attribute.check(&value)?;
            let is_fixed = attribute.fixed && value != self.default(&key);
            if is_fixed {
                return Err(say::not_acted_on(&key, &value));
            }
            if set.insert(key.clone(), value).is_some() {
                return Err(say::twice(&key));
            }
        }
        Ok(set)
    }
}
