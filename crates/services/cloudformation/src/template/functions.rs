//! What the intrinsic functions come to
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>).

use super::graph::{self, variables};
use super::{Template, text_of};
use base64::Engine as _;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What a value that a resource will have only once it is there is shown as.
pub const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";
/// Functions of functions are carried out no deeper.
const MAX_DEPTH: usize = 200;
/// A text that functions make is no longer.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// What stands for a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub reference: Value,
    pub attributes: Value,
    /// An attribute that is not there is not made up.
    pub is_whole: bool,
}

/// All that functions look at.
#[derive(Debug)]
pub struct Frame<'a> {
    pub template: &'a Template,
    /// By name; what SSM's are resolved to.
    pub parameters: BTreeMap<String, String>,
    pub pseudo: BTreeMap<&'static str, Value>,
    pub zones: Vec<String>,
    pub exports: BTreeMap<String, String>,
    pub resources: BTreeMap<String, Known>,
    /// Conditions that are known, and those that are being asked for.
    asked: RefCell<BTreeMap<String, Option<bool>>>,
    /// The exports that were imported.
    pub imported: RefCell<BTreeSet<String>>,
}

type Resolved = Result<Option<Value>, String>;

impl<'a> Frame<'a> {
    pub fn new(template: &'a Template, parameters: BTreeMap<String, String>) -> Frame<'a> {
        Frame {
            template,
            parameters,
            pseudo: BTreeMap::new(),
            zones: Vec::new(),
            exports: BTreeMap::new(),
            resources: BTreeMap::new(),
            asked: RefCell::default(),
            imported: RefCell::default(),
        }
    }

    /// # Errors
    /// AWS's sentences.
    pub fn condition(&self, name: &str) -> Result<bool, String> {
        match self.asked.borrow().get(name) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err(format!("Circular dependency between conditions: [{name}]")),
            None => {}
        }
        let Some(condition) = self.template.conditions.get(name) else {
            return Err(format!(
                "Template error: unresolved condition dependency {name} in Fn::If"
            ));
        };
        self.asked.borrow_mut().insert(name.to_owned(), None);
        let known = self.truth(condition, 0)?;
        self.asked.borrow_mut().insert(name.to_owned(), Some(known));
        Ok(known)
    }

    pub fn holds(&self, condition: Option<&String>) -> Result<bool, String> {
        condition.map_or(Ok(true), |name| self.condition(name))
    }

    fn truth(&self, value: &Value, depth: usize) -> Result<bool, String> {
        match self.at(value, depth)? {
            Some(Value::Bool(truth)) => Ok(truth),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            _ => {
                Err("Template format error: Every Conditions member must come to a boolean.".into())
            }
        }
    }

    /// What a value comes to; nothing for `AWS::NoValue`.
    ///
    /// # Errors
    /// AWS's sentences.
    pub fn resolve(&self, value: &Value) -> Resolved {
        self.at(value, 0)
    }

    /// # Errors
    /// When it comes to nothing, or to no text.
    pub fn text(&self, value: &Value) -> Result<String, String> {
        self.text_at(value, 0, "a text")
    }

    fn text_at(&self, value: &Value, depth: usize, what: &str) -> Result<String, String> {
        match self.at(value, depth)? {
            Some(Value::Array(_) | Value::Object(_) | Value::Null) | None => {
                Err(format!("Template error: {what} must be a string"))
            }
            Some(scalar) => Ok(text_of(&scalar)),
        }
    }

    fn at(&self, value: &Value, depth: usize) -> Resolved {
        if depth > MAX_DEPTH {
            return Err("Template error: functions are nested too deep".into());
        }
        match value {
            Value::Array(items) => {
                let mut all = Vec::with_capacity(items.len());
                for item in items {
                    all.extend(self.at(item, depth + 1)?);
                }
                Ok(Some(Value::Array(all)))
            }
            Value::Object(map) => {
                if map.len() == 1
                    && let Some((name, of)) = map.iter().next()
                    && let Some(done) = self.function(name, of, depth + 1)
                {
                    return done;
                }
                let mut all = Map::new();
                for (key, value) in map {
                    if let Some(value) = self.at(value, depth + 1)? {
                        all.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(all)))
            }
            other => Ok(Some(other.clone())),
        }
    }

    fn function(&self, name: &str, of: &Value, depth: usize) -> Option<Resolved> {
        Some(match name {
            "Ref" => self.reference(&text_of(of)),
            "Condition" if of.is_string() => self.condition(&text_of(of)).map(|c| Some(json!(c))),
            "Fn::GetAtt" => self.get_att(of, depth),
            "Fn::Sub" => self.sub(of, depth),
            "Fn::Join" => self.join(of, depth),
            "Fn::Split" => self.split(of, depth),
            "Fn::Select" => self.select(of, depth),
            "Fn::FindInMap" => self.find_in_map(of, depth),
            "Fn::If" => self.choose(of, depth),
            "Fn::And" => self.junction(name, of, depth, |all| all.iter().all(|t| *t)),
            "Fn::Or" => self.junction(name, of, depth, |all| all.iter().any(|t| *t)),
            "Fn::Not" => match of.as_array().map(Vec::as_slice) {
                Some([one]) => self.truth(one, depth).map(|t| Some(json!(!t))),
                _ => Err("Template error: Fn::Not object requires a list argument of exactly one condition.".into()),
            },
            "Fn::Equals" => match of.as_array().map(Vec::as_slice) {
                Some([a, b]) => self.equal(a, b, depth).map(|t| Some(json!(t))),
                _ => Err("Template error: every Fn::Equals object requires a list of 2 string parameters.".into()),
            },
            "Fn::Base64" => self.text_at(of, depth, "Fn::Base64").map(|text| {
                Some(Value::String(base64::engine::general_purpose::STANDARD.encode(text)))
            }),
            "Fn::Cidr" => self.cidr(of, depth),
            "Fn::GetAZs" => self.zones(of, depth),
            "Fn::ImportValue" => self.import(of, depth),
            "Fn::Length" => match self.at(of, depth) {
                Ok(Some(Value::Array(items))) => Ok(Some(json!(items.len()))),
                Ok(_) => Err("Template error: Fn::Length takes a list".into()),
                Err(why) => Err(why),
            },
            "Fn::ToJsonString" => self.at(of, depth).map(|v| v.map(|v| Value::String(v.to_string()))),
            "Fn::Contains" | "Fn::EachMemberEquals" | "Fn::EachMemberIn" => self.member(name, of, depth),
            "Fn::Transform" => Err("Neargate does not support Fn::Transform yet.".into()),
            "Fn::GetStackOutput" => Err("Neargate does not support Fn::GetStackOutput yet.".into()),
            name if name.starts_with("Fn::") => {
                Err(format!("Template validation error: Template error: unrecognized function {name}"))
            }
            _ => return None,
        })
    }

    fn reference(&self, name: &str) -> Resolved {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.pseudo.get(name) {
            return Ok(Some(value.clone()));
        }
        if let Some(text) = self.parameters.get(name) {
            let declared = self.template.declared();
            let value = declared.get(name).map(|d| d.value(text));
            return Ok(Some(value.unwrap_or_else(|| Value::String(text.clone()))));
        }
        match self.resources.get(name) {
            Some(known) => Ok(Some(known.reference.clone())),
            None if self.template.resource(name).is_some() => Err(format!(
                "Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
            )),
            None => Err(format!(
                "Template format error: Unresolved dependencies [{name}]. Cannot reference resources in the Conditions block of the template"
            )),
        }
    }

    fn get_att(&self, of: &Value, depth: usize) -> Resolved {
        let (resource, attribute) = match (graph::get_att(of), of) {
            (Some(named), _) => named,
            (None, Value::Array(parts)) if parts.len() == 2 => {
                let resource = self.text_at(&parts[0], depth, "Fn::GetAtt")?;
                (resource, self.text_at(&parts[1], depth, "Fn::GetAtt")?)
            }
            _ => {
                return Err("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute".into());
            }
        };
        self.attribute(&resource, &attribute)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Resolved {
        let Some(known) = self.resources.get(resource) else {
            return Err(format!(
                "Template error: instance of Fn::GetAtt references undefined resource {resource}"
            ));
        };
        let found = known.attributes.get(attribute).cloned().or_else(|| {
            let path = attribute.split('.');
            path.clone()
                .try_fold(&known.attributes, |at, part| at.get(part))
                .cloned()
        });
        match found {
            Some(value) => Ok(Some(value)),
            None if !known.is_whole => Ok(Some(Value::String(KNOWN_AFTER_APPLY.into()))),
            None => {
                let kind = self.template.resource(resource).map_or("", |r| &r.kind);
                Err(format!(
                    "Template error: resource {resource} (of type {kind}) does not support attribute type {attribute} in Fn::GetAtt"
                ))
            }
        }
    }

    fn sub(&self, of: &Value, depth: usize) -> Resolved {
        let (text, own) = match of {
            Value::String(text) => (text, None),
            Value::Array(both) => match both.as_slice() {
                [Value::String(text), Value::Object(own)] => (text, Some(own)),
                [Value::String(text)] => (text, None),
                _ => return Err(SUB.into()),
            },
            _ => return Err(SUB.into()),
        };
        let mut out = String::new();
        let mut rest = text.as_str();
        let mut names = variables(text).into_iter();
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            let Some(end) = after.find('}') else {
                return Err("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons".into());
            };
            let inner = after[..end].trim();
            if let Some(literal) = inner.strip_prefix('!') {
                out.push_str(&format!("${{{literal}}}"));
            } else {
                let name = names.next().unwrap_or_default();
                let value = match own.and_then(|own| own.get(&name)) {
                    Some(value) => self.at(value, depth)?,
                    None => match name.split_once('.') {
                        Some((resource, attribute)) => self.attribute(resource, attribute)?,
                        None => self.reference(&name)?,
                    },
                };
                match value {
                    Some(Value::Array(items)) => out.push_str(&joined(&items, ",")),
                    Some(Value::Object(_)) | None => {
                        return Err(format!(
                            "Template error: Fn::Sub variable {name} must be a string"
                        ));
                    }
                    Some(value) => out.push_str(&text_of(&value)),
                }
            }
            if out.len() > MAX_TEXT_BYTES {
                return Err("Template error: Fn::Sub makes too long a text".into());
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(Some(Value::String(out)))
    }

    fn list(&self, value: &Value, depth: usize) -> Result<Option<Vec<Value>>, String> {
        match self.at(value, depth)? {
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(Value::String(text)) if text == KNOWN_AFTER_APPLY => Ok(None),
            _ => Err("Template error: a function that takes a list is given none".into()),
        }
    }

    fn join(&self, of: &Value, depth: usize) -> Resolved {
        let Some([Value::String(by), items]) = of.as_array().map(Vec::as_slice) else {
            return Err("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.".into());
        };
        Ok(Some(match self.list(items, depth)? {
            Some(items) => Value::String(joined(&items, by)),
            None => Value::String(KNOWN_AFTER_APPLY.into()),
        }))
    }

    fn split(&self, of: &Value, depth: usize) -> Resolved {
        let Some([Value::String(by), text]) = of.as_array().map(Vec::as_slice) else {
            return Err("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.".into());
        };
        let text = self.text_at(text, depth, "Fn::Split")?;
        if text == KNOWN_AFTER_APPLY {
            return Ok(Some(Value::String(text)));
        }
        Ok(Some(
            text.split(by.as_str()).map(|part| json!(part)).collect(),
        ))
    }

    fn select(&self, of: &Value, depth: usize) -> Resolved {
        let Some([index, items]) = of.as_array().map(Vec::as_slice) else {
            return Err("Template error: Fn::Select requires a list argument with two elements: an integer index and a list".into());
        };
        let index = self.text_at(index, depth, "Fn::Select")?;
        let Ok(index) = index.parse::<usize>() else {
            return Err("Template error: Fn::Select requires a list argument with a valid index value as its first element".into());
        };
        match self.list(items, depth)? {
            None => Ok(Some(Value::String(KNOWN_AFTER_APPLY.into()))),
            Some(items) => match items.into_iter().nth(index) {
                Some(item) => Ok(Some(item)),
                None => Err(format!(
                    "Template error: Fn::Select cannot select nonexistent value at index {index}"
                )),
            },
        }
    }

    fn find_in_map(&self, of: &Value, depth: usize) -> Resolved {
        let parts = of.as_array().map(Vec::as_slice).unwrap_or_default();
        let ([map, first, second], default) = match parts {
            [a, b, c] => ([a, b, c], None),
            [a, b, c, Value::Object(more)] => ([a, b, c], more.get("DefaultValue")),
            _ => {
                return Err("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value".into());
            }
        };
        let name = self.text_at(map, depth, "Fn::FindInMap")?;
        let first = self.text_at(first, depth, "Fn::FindInMap")?;
        let second = self.text_at(second, depth, "Fn::FindInMap")?;
        let found = self
            .template
            .mappings
            .get(&name)
            .and_then(|m| m.get(&first));
        match (found.and_then(|m| m.get(&second)), default) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(default)) => self.at(default, depth),
            (None, None) if !self.template.mappings.contains_key(&name) => Err(format!(
                "Template error: Mapping named '{name}' is not present in the 'Mappings' section of template."
            )),
            (None, None) => Err(format!(
                "Template error: Unable to get mapping for {name}::{first}::{second}"
            )),
        }
    }

    fn choose(&self, of: &Value, depth: usize) -> Resolved {
        let Some([Value::String(name), yes, no]) = of.as_array().map(Vec::as_slice) else {
            return Err("Template error: Fn::If requires a list argument with the first element being a condition".into());
        };
        if self.condition(name)? {
            self.at(yes, depth)
        } else {
            self.at(no, depth)
        }
    }

    fn junction(
        &self,
        name: &str,
        of: &Value,
        depth: usize,
        join: fn(&[bool]) -> bool,
    ) -> Resolved {
        let parts = of
            .as_array()
            .filter(|parts| (2..=10).contains(&parts.len()));
        let Some(parts) = parts else {
            return Err(format!(
                "Template error: every {name} object requires a list of at least 2 and at most 10 boolean parameters."
            ));
        };
        let all: Result<Vec<bool>, String> =
            parts.iter().map(|part| self.truth(part, depth)).collect();
        Ok(Some(json!(join(&all?))))
    }

    /// The functions of rules.
    fn member(&self, name: &str, of: &Value, depth: usize) -> Resolved {
        let Some([first, second]) = of.as_array().map(Vec::as_slice) else {
            return Err(format!("Template error: {name} takes two arguments"));
        };
        let texts = |value: &Value| -> Result<Vec<String>, String> {
            Ok(match self.at(value, depth)? {
                Some(Value::Array(items)) => items.iter().map(text_of).collect(),
                Some(one) => vec![text_of(&one)],
                None => Vec::new(),
            })
        };
        let (first, second) = (texts(first)?, texts(second)?);
        let holds = match name {
            "Fn::Contains" => second.iter().all(|one| first.contains(one)),
            _ => first.iter().all(|one| second.contains(one)),
        };
        Ok(Some(json!(holds)))
    }

    fn equal(&self, a: &Value, b: &Value, depth: usize) -> Result<bool, String> {
        let plain = |v: Option<Value>| match v {
            Some(Value::Array(items)) => Value::Array(items),
            Some(Value::Object(map)) => Value::Object(map),
            Some(scalar) => Value::String(text_of(&scalar)),
            None => Value::Null,
        };
        Ok(plain(self.at(a, depth)?) == plain(self.at(b, depth)?))
    }

    fn zones(&self, of: &Value, depth: usize) -> Resolved {
        let region = self.text_at(of, depth, "Fn::GetAZs")?;
        let here = self
            .pseudo
            .get("AWS::Region")
            .map(text_of)
            .unwrap_or_default();
        if !region.is_empty() && region != here {
            return Err(format!(
                "Neargate knows the zones of {here} only, for Fn::GetAZs, and not those of {region}."
            ));
        }
        Ok(Some(self.zones.iter().map(|z| json!(z)).collect()))
    }

    fn import(&self, of: &Value, depth: usize) -> Resolved {
        let name = self.text_at(of, depth, "Fn::ImportValue")?;
        match self.exports.get(&name) {
            Some(value) => {
                self.imported.borrow_mut().insert(name);
                Ok(Some(json!(value)))
            }
            None => Err(format!("No export named {name} found.")),
        }
    }

    fn cidr(&self, of: &Value, depth: usize) -> Resolved {
        let parts = of.as_array().map(Vec::as_slice).unwrap_or_default();
        let (block, count, bits) =
            match parts {
                [block, count] => (block, count, None),
                [block, count, bits] => (block, count, Some(bits)),
                _ => return Err(
                    "Template error: Fn::Cidr requires a list of an IP block, a count and the bits"
                        .into(),
                ),
            };
        let block = self.text_at(block, depth, "Fn::Cidr")?;
        if block == KNOWN_AFTER_APPLY {
            return Ok(Some(Value::String(block)));
        }
        let number = |v: &Value| -> Result<u32, String> {
            let text = self.text_at(v, depth, "Fn::Cidr")?;
            text.parse()
                .map_err(|_| format!("Template error: Fn::Cidr takes numbers, and not {text}"))
        };
        let count = number(count)?;
        let bits = bits.map(number).transpose()?;
        super::cidr::ranges(&block, count, bits)
            .map(|all| Some(all.into_iter().map(Value::String).collect()))
    }
}

const SUB: &str = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string";

fn joined(items: &[Value], by: &str) -> String {
    let texts: Vec<String> = items.iter().map(text_of).collect();
    texts.join(by)
}
