//! What a request says, as authorization reads it: the texts in its input.

use neargate_wire::schema::{Kind, Shape};
use neargate_wire::value::Value;

/// The texts of an input, each with the members that lead to it.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    /// The input's own members: one text, or a list of texts. Numbers and truth values are texts, too.
    pub(super) top: Vec<(&'static str, Vec<String>)>,
    /// All texts further down that may name something, with the names of the members that lead
    /// to them.
    pub(super) deep: Vec<(Vec<&'static str>, &'a str)>,
}

/// Nothing longer is an ARN or an id.
const MAX_NAME_BYTES: usize = 2048;

impl<'a> Said<'a> {
    /// The texts of an input of this shape.
    pub(super) fn of(shape: &'static Shape, input: &'a Value) -> Said<'a> {
        let mut said = Said::default();
        for (at, value) in input.fields() {
            let Some(member) = shape.members().get(*at) else {
                continue;
            };
            let texts = texts(value);
            if !texts.is_empty() {
                said.top.push((member.name, texts));
            }
            let mut path = vec![member.name];
            said.walk(member.shape.get(), value, &mut path);
        }
        said
    }

    fn walk(&mut self, shape: &'static Shape, value: &'a Value, path: &mut Vec<&'static str>) {
        match (shape.kind, value) {
            (Kind::Structure(members), Value::Struct(fields)) => {
                for (at, value) in fields {
                    if let Some(member) = members.get(*at) {
                        path.push(member.name);
                        self.walk(member.shape.get(), value, path);
                        path.pop();
                    }
                }
            }
            (Kind::List(element), Value::List(all)) => {
                for value in all {
                    self.walk(element.shape.get(), value, path);
                }
            }
            (Kind::Map { value: of, .. }, Value::Map(all)) => {
                for (_, value) in all {
                    self.walk(of.shape.get(), value, path);
                }
            }
            (_, Value::Str(text)) if !text.is_empty() && text.len() <= MAX_NAME_BYTES => {
                self.deep.push((path.clone(), text));
            }
            _ => {}
        }
    }

    /// The values of the member of this name, whatever its case.
    pub(super) fn member(&self, name: &str) -> Option<&[String]> {
        let found = self.top.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, values)| values.as_slice())
    }

    /// The one value of a member.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.member(name)?.first().map(String::as_str)
    }
}

/// The texts of a value or a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Str(text) if text.len() <= MAX_NAME_BYTES => vec![text.clone()],
        Value::Int(number) => vec![number.to_string()],
        Value::Bool(is) => vec![is.to_string()],
        Value::List(all) => {
            let all = all.iter().filter_map(|v| v.as_str().map(str::to_owned));
            all.collect()
        }
        _ => Vec::new(),
    }
}

/// Members and slots that are called the same but for case, number and what kind of name it is:
/// `clusters`, `clusterArn` and `ClusterName` are all `cluster`.
pub(super) fn stem(name: &str) -> String {
    let mut stem: String = name.chars().filter(|c| *c != '-' && *c != '_').collect();
    stem.make_ascii_lowercase();
    for ending in ["withpath", "s", "arn", "identifier", "name", "id"] {
        if stem.len() > ending.len()
            && let Some(shorter) = stem.strip_suffix(ending)
        {
            stem.truncate(shorter.len());
        }
    }
    stem
}
