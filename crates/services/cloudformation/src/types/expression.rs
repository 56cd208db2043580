//! What the descriptions of types say a call is given: trees with texts that stand for something else.
//!
//! `$Property.path`, `.member.path` of an answer, `=something` of the resource; `>text` behind it is what follows
//! the text in it, `|text` what it is when it is missing. `{…}` in a text is replaced by what stands in it. What
//! is missing is left out, and an object of which nothing is left is left out, too.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What expressions look at.
#[derive(Debug, Clone, Default)]
pub struct Sight<'a> {
    pub properties: Option<&'a Value>,
    pub answer: Option<&'a Value>,
    pub item: Option<&'a Value>,
    pub id: &'a str,
    pub attributes: Option<&'a Value>,
    /// `token`, `region`, …
    pub words: BTreeMap<&'static str, Value>,
}

impl Sight<'_> {
    pub fn eval(&self, of: &Value) -> Option<Value> {
        match of {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let all: Vec<Value> = items.iter().filter_map(|item| self.eval(item)).collect();
                (!all.is_empty() || items.is_empty()).then_some(Value::Array(all))
            }
            Value::Object(map) => self.object(map),
            other => Some(other.clone()),
        }
    }

    fn object(&self, map: &Map<String, Value>) -> Option<Value> {
        if let Some(Value::Array(choices)) = map.get("first") {
            return choices.iter().find_map(|choice| self.eval(choice));
        }
        if let (Some(list), Some(of)) = (map.get("each"), map.get("of")) {
            let list = self.eval(list)?;
            let each = list.as_array()?.iter().filter_map(|item| {
                let sight = Sight {
                    item: Some(item),
                    ..self.clone()
                };
                sight.eval(of)
            });
            return Some(each.collect());
        }
        let all = map
            .iter()
            .filter_map(|(key, of)| Some((key.clone(), self.eval(of)?)));
        let all: Map<String, Value> = all.collect();
        (!all.is_empty() || map.is_empty()).then_some(Value::Object(all))
    }

    fn text(&self, text: &str) -> Option<Value> {
        if text.starts_with(['$', '=', '.']) {
            return self.named(text);
        }
        if !text.contains('{') {
            return Some(json!(text));
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            out.push_str(before);
            out.push_str(&crate::template::text_of(&self.named(name)?));
            rest = after;
        }
        out.push_str(rest);
        Some(Value::String(out))
    }

    fn named(&self, text: &str) -> Option<Value> {
        if let Some((name, default)) = text.split_once('|') {
            return Some(self.named(name).unwrap_or_else(|| json!(default)));
        }
        if let Some((name, behind)) = text.split_once('>') {
            let whole = self.named(name)?;
            let (_, after) = whole.as_str()?.split_once(behind)?;
            return Some(json!(after));
        }
        let (sort, path) = text.split_at(1);
        match sort {
            "$" => at(self.properties?, path),
            "." => at(self.answer?, path),
            _ => self.own(path),
        }
    }

    fn own(&self, path: &str) -> Option<Value> {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        match name {
            "id" if rest.is_empty() => Some(json!(self.id)),
            "id" => self
                .id
                .split('|')
                .nth(rest.parse().ok()?)
                .map(|part| json!(part)),
            "item" => at(self.item?, rest),
            "att" => self.attributes?.get(rest).cloned(),
            "permission" => Some(permission(self.item.or(self.properties)?, rest)),
            // `PublicRead` is `public-read` to S3.
            "acl" => self
                .properties?
                .get("AccessControl")?
                .as_str()
                .map(|named| {
                    let dashed = |(at, c): (usize, char)| match c.is_ascii_uppercase() && at > 0 {
                        true => format!("-{}", c.to_ascii_lowercase()),
                        false => c.to_ascii_lowercase().to_string(),
                    };
                    Value::String(named.char_indices().map(dashed).collect())
                }),
            "dhcp" => Some(dhcp(self.properties?)),
            // Lists that an operation takes as one text.
            "joined" => {
                let items = self.properties?.get(rest)?.as_array()?;
                let texts: Vec<String> = items.iter().map(crate::template::text_of).collect();
                Some(json!(texts.join(",")))
            }
            // Maps that an operation takes as a list.
            "entries" => {
                let map = self.properties?.get(rest)?.as_object()?;
                Some(
                    map.iter()
                        .map(|(key, value)| json!({"Key": key, "Value": value}))
                        .collect(),
                )
            }
            "record_set" => Some(record_set(self.properties?)),
            "target" => {
                let target = self.properties?.get("ScalingTargetId")?.as_str()?;
                target
                    .split('|')
                    .nth(rest.parse().ok()?)
                    .map(|part| json!(part))
            }
            name => self.words.get(name).cloned(),
        }
    }
}

/// What is at a path; an empty one is the whole.
pub fn at(value: &Value, path: &str) -> Option<Value> {
    let parts = path.split('.').filter(|part| !part.is_empty());
    let found = parts.into_iter().try_fold(value, |at, part| match at {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })?;
    (!found.is_null()).then(|| found.clone())
}

/// A rule of a security group as EC2 takes it.
fn permission(rule: &Value, side: &str) -> Value {
    let get = |name: &str| rule.get(name).filter(|v| !v.is_null()).cloned();
    let of_side = |name: &str| match side {
        "source" => get(&format!("Source{name}")),
        _ => get(&format!("Destination{name}")),
    };
    let described = |name: &str, value: Option<Value>| {
        value.map(|value| {
            let mut one = Map::new();
            one.insert(name.to_owned(), value);
            one.extend(get("Description").map(|d| ("Description".to_owned(), d)));
            json!([one])
        })
    };
    let mut out = Map::new();
    for name in ["IpProtocol", "FromPort", "ToPort"] {
        out.extend(get(name).map(|v| (name.to_owned(), v)));
    }
    let mut pair = described("GroupId", of_side("SecurityGroupId"));
    if let (Some(Value::Array(pairs)), Some(owner)) = (&mut pair, of_side("SecurityGroupOwnerId")) {
        pairs[0]["UserId"] = owner;
    }
    let members = [
        ("IpRanges", described("CidrIp", get("CidrIp"))),
        ("Ipv6Ranges", described("CidrIpv6", get("CidrIpv6"))),
        ("UserIdGroupPairs", pair),
        (
            "PrefixListIds",
            described("PrefixListId", of_side("PrefixListId")),
        ),
    ];
    out.extend(
        members
            .into_iter()
            .filter_map(|(name, v)| Some((name.to_owned(), v?))),
    );
    Value::Object(out)
}

/// A set of DHCP options as EC2 takes it: those that are given, by DHCP's names.
fn dhcp(properties: &Value) -> Value {
    let options = [
        ("DomainName", "domain-name"),
        ("DomainNameServers", "domain-name-servers"),
        ("NtpServers", "ntp-servers"),
        ("NetbiosNameServers", "netbios-name-servers"),
        ("NetbiosNodeType", "netbios-node-type"),
    ];
    let given = options.into_iter().filter_map(|(property, key)| {
        let values = match properties.get(property)? {
            Value::Null => return None,
            Value::Array(values) => values.clone(),
            one => vec![json!(crate::template::text_of(one))],
        };
        Some(json!({"Key": key, "Values": values}))
    });
    given.collect()
}

/// A record set as Route 53 takes it.
fn record_set(properties: &Value) -> Value {
    let mut out = properties.as_object().cloned().unwrap_or_default();
    for name in ["HostedZoneId", "HostedZoneName", "Comment"] {
        out.remove(name);
    }
    if let Some(Value::Array(records)) = out.get("ResourceRecords") {
        let records: Vec<Value> = records
            .iter()
            .map(|value| json!({"Value": value}))
            .collect();
        out.insert("ResourceRecords".into(), Value::Array(records));
    }
    if let Some(Value::Object(alias)) = out.get_mut("AliasTarget") {
        alias.entry("EvaluateTargetHealth").or_insert(json!(false));
    }
    Value::Object(out)
}

/// The properties of the resource that an expression names.
pub fn properties(of: &Value, into: &mut BTreeSet<String>) {
    match of {
        Value::String(text) => {
            for part in text.split(['{', '}']) {
                match part {
                    "=permission.source" | "=permission.destination" => {
                        let sided = if part.ends_with("source") {
                            "Source"
                        } else {
                            "Destination"
                        };
                        let plain = [
                            "IpProtocol",
                            "FromPort",
                            "ToPort",
                            "CidrIp",
                            "CidrIpv6",
                            "Description",
                        ];
                        into.extend(plain.map(str::to_owned));
                        let of_side = ["SecurityGroupId", "SecurityGroupOwnerId", "PrefixListId"];
                        into.extend(of_side.map(|name| format!("{sided}{name}")));
                    }
                    "=secret" => {
                        into.insert("SecretString".into());
                    }
                    _ => {
                        let named = part
                            .strip_prefix("=joined.")
                            .or_else(|| part.strip_prefix("=entries."));
                        if let Some(name) = named.or_else(|| part.strip_prefix('$')) {
                            let name = name.split(['.', '|', '>']).next().unwrap_or_default();
                            into.insert(name.to_owned());
                        }
                    }
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, into)),
        Value::Object(map) => map.values().for_each(|item| properties(item, into)),
        _ => {}
    }
}
