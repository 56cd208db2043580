//! Parameters: what a template declares, and whether the values of a call are such
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>).

use super::text_of;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A parameter as the template declares it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    pub kind: String,
    pub default: Option<String>,
    pub no_echo: bool,
    pub description: Option<String>,
    pub allowed_values: Option<Vec<String>>,
    pub allowed_pattern: Option<String>,
    pub constraint: Option<String>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_value: Option<f64>,
    pub max_value: Option<f64>,
}

const MASKED: &str = "****";

impl Declared {
    pub fn of(name: &str, declared: &Value) -> Result<Declared, String> {
        const KNOWN: [&str; 11] = [
            "Type",
            "Default",
            "NoEcho",
            "Description",
            "AllowedValues",
            "AllowedPattern",
            "ConstraintDescription",
            "MinLength",
            "MaxLength",
            "MinValue",
            "MaxValue",
        ];
        let Value::Object(map) = declared else {
            return Err("Template format error: Any Parameters member must be an object.".into());
        };
        if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("Invalid template parameter property '{unknown}'"));
        }
        let Some(kind) = map.get("Type").map(text_of) else {
            return Err(
                "Template format error: Every Parameters object must contain a Type member.".into(),
            );
        };
        if !is_type(&kind) {
            return Err(format!(
                "Template format error: Unrecognized parameter type: {kind}"
            ));
        }
        let text = |key: &str| map.get(key).filter(|v| !v.is_null()).map(text_of);
        let number = |key: &str| text(key).and_then(|t| t.parse::<f64>().ok());
        let length = |key: &str| text(key).and_then(|t| t.parse::<u64>().ok());
        let default = match map.get("Default") {
            Some(Value::Object(_) | Value::Array(_)) => {
                return Err(format!(
                    "Template format error: Every Default member must be a string. (parameter {name})"
                ));
            }
            other => other.filter(|v| !v.is_null()).map(text_of),
        };
        let allowed = map.get("AllowedValues").and_then(Value::as_array);
        let declared = Declared {
            default,
            no_echo: text("NoEcho").is_some_and(|t| t.eq_ignore_ascii_case("true")),
            description: text("Description"),
            allowed_values: allowed.map(|values| values.iter().map(text_of).collect()),
            allowed_pattern: text("AllowedPattern"),
            constraint: text("ConstraintDescription"),
            min_length: length("MinLength"),
            max_length: length("MaxLength"),
            min_value: number("MinValue"),
            max_value: number("MaxValue"),
            kind,
        };
        if let Some(default) = &declared.default
            && !declared.is_ssm()
        {
            declared.check(name, default).map_err(|_| {
                declared.refused(
                    name,
                    "Template error: default does not satisfy the constraints",
                )
            })?;
        }
        Ok(declared)
    }

    /// Is its value the name of a parameter of SSM?
    pub fn is_ssm(&self) -> bool {
        self.kind.starts_with("AWS::SSM::Parameter::Value<")
    }

    pub fn is_list(&self) -> bool {
        let kind = self
            .kind
            .strip_prefix("AWS::SSM::Parameter::Value<")
            .unwrap_or(&self.kind);
        kind.starts_with("List<") || kind.starts_with("CommaDelimitedList")
    }

    fn refused(&self, name: &str, why: &str) -> String {
        match &self.constraint {
            Some(constraint) => {
                format!("Parameter {name} failed to satisfy constraint: {constraint}")
            }
            None => why.to_owned(),
        }
    }

    /// # Errors
    /// AWS's sentence for a value that the declaration does not take.
    pub fn check(&self, name: &str, value: &str) -> Result<(), String> {
        let fails = |why: String| Err(self.refused(name, &format!("Parameter '{name}' {why}")));
        let each: Vec<&str> = match self.is_list() {
            true => value.split(',').map(str::trim).collect(),
            false => vec![value],
        };
        let is_allowed = |value: &str, allowed: &[String]| allowed.iter().any(|a| a == value);
        if let Some(allowed) = &self.allowed_values
            && !is_allowed(value, allowed)
            && each.iter().any(|value| !is_allowed(value, allowed))
        {
            return fails("must be one of AllowedValues".to_owned());
        }
        if let Some(pattern) = &self.allowed_pattern {
            let whole = Regex::new(&format!("^(?:{pattern})$"));
            // A pattern of Java's that is none of ours is let pass: AWS has taken it.
            if whole.is_ok_and(|whole| each.iter().any(|value| !whole.is_match(value))) {
                return fails(format!("must match pattern {pattern}"));
            }
        }
        let chars = value.chars().count() as u64;
        if self.min_length.is_some_and(|min| chars < min) {
            let min = self.min_length.unwrap_or_default();
            return fails(format!("must contain at least {min} characters"));
        }
        if self.max_length.is_some_and(|max| chars > max) {
            let max = self.max_length.unwrap_or_default();
            return fails(format!("must contain at most {max} characters"));
        }
        if self.kind == "Number" || self.kind == "List<Number>" {
            for one in &each {
                let Ok(number) = one.parse::<f64>() else {
                    return Err(format!("Parameter '{name}' must be a number."));
                };
                if self.min_value.is_some_and(|min| number < min) {
                    let min = self.min_value.unwrap_or_default();
                    return fails(format!("must be a number not less than {min}"));
                }
                if self.max_value.is_some_and(|max| number > max) {
                    let max = self.max_value.unwrap_or_default();
                    return fails(format!("must be a number not greater than {max}"));
                }
            }
        }
        Ok(())
    }

    /// What is shown of a value.
    pub fn shown(&self, value: &str) -> String {
        if self.no_echo {
            MASKED.to_owned()
        } else {
            value.to_owned()
        }
    }

    /// What `Ref` comes to.
    pub fn value(&self, text: &str) -> Value {
        if !self.is_list() {
            return Value::String(text.to_owned());
        }
        let parts = text
            .split(',')
            .map(|part| Value::String(part.trim().to_owned()));
        if text.trim().is_empty() {
            Value::Array(Vec::new())
        } else {
            parts.collect()
        }
    }
}

fn is_type(kind: &str) -> bool {
    const PLAIN: [&str; 5] = [
        "String",
        "Number",
        "List<Number>",
        "List<String>",
        "CommaDelimitedList",
    ];
    const OF_AWS: [&str; 9] = [
        "AWS::EC2::AvailabilityZone::Name",
        "AWS::EC2::Image::Id",
        "AWS::EC2::Instance::Id",
        "AWS::EC2::KeyPair::KeyName",
        "AWS::EC2::SecurityGroup::GroupName",
        "AWS::EC2::SecurityGroup::Id",
        "AWS::EC2::Subnet::Id",
        "AWS::EC2::Volume::Id",
        "AWS::EC2::VPC::Id",
    ];
    let list = |kind: &str| {
        kind.strip_prefix("List<")
            .and_then(|k| k.strip_suffix('>'))
            .map(str::to_owned)
    };
    let known = |kind: &str| {
        PLAIN.contains(&kind)
            || OF_AWS.contains(&kind)
            || kind == "AWS::Route53::HostedZone::Id"
            || list(kind)
                .is_some_and(|of| OF_AWS.contains(&&*of) || of == "AWS::Route53::HostedZone::Id")
    };
    let of_ssm = kind
        .strip_prefix("AWS::SSM::Parameter::Value<")
        .and_then(|k| k.strip_suffix('>'));
    known(kind) || kind == "AWS::SSM::Parameter::Name" || of_ssm.is_some_and(known)
}

/// What a call gives for a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Value(String),
    /// What the stack has.
    Previous,
}

/// The values of all parameters of the template, by name.
///
/// # Errors
/// AWS's sentences: a parameter without a value, one that is not declared, one that breaks a constraint.
pub fn values(
    declared: &[(String, Declared)],
    given: &BTreeMap<String, Given>,
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let unknown = given
        .keys()
        .filter(|n| !declared.iter().any(|(name, _)| name == *n));
    let unknown: Vec<&str> = unknown.map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(format!(
            "Parameters: [{}] do not exist in the template",
            unknown.join(", ")
        ));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, parameter) in declared {
        let value = match given.get(name) {
            Some(Given::Value(value)) => Some(value.clone()),
            Some(Given::Previous) => match previous.get(name) {
                Some(value) => Some(value.clone()),
                None => {
                    return Err(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key not in the previous template"
                    ));
                }
            },
            None => parameter.default.clone(),
        };
        match value {
            Some(value) => {
                if !parameter.is_ssm() {
                    parameter.check(name, &value)?;
                }
                values.insert(name.clone(), value);
            }
            None => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        Ok(values)
    } else {
        Err(format!(
            "Parameters: [{}] must have values",
            missing.join(", ")
        ))
    }
}
