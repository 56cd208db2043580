//! The tree of an expression, and what it says of one instance.

use super::operator::Compare;
use super::parse::version;
use neargate_base::Timestamp;
use regex::Regex;

/// What an expression may ask of a container instance.
pub trait Queried {
    /// The value of an attribute: `None` when the instance does not have it, empty when it
    /// has it without a value.
    fn attribute(&self, name: &str) -> Option<&str>;
    fn agent_connected(&self) -> bool;
    /// As the agent reports it, such as `1.98.0`.
    fn agent_version(&self) -> &str;
    /// `None` for an external instance.
    fn ec2_instance_id(&self) -> Option<&str>;
    fn registered_at(&self) -> Timestamp;
    /// Tasks in RUNNING.
    fn running_tasks(&self) -> u32;
    /// Whether a task of some group that `is` accepts has its place on the instance.
    fn any_group(&self, is: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// The subject of a test.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    AgentConnected,
    AgentVersion,
    Attribute(String),
    Ec2InstanceId,
    RegisteredAt,
    RunningTasksCount,
    TaskGroup,
}

#[derive(Debug)]
pub(super) enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

#[derive(Debug)]
pub(super) enum Test {
    Text(Field, Value),
    AgentVersion(Compare, Vec<u64>),
    RegisteredAt(Compare, Timestamp),
    RunningTasksCount(Compare, i64),
}

/// What a text is tested for. The flag is true for the positive form.
#[derive(Debug)]
pub(super) enum Value {
    Compare(Compare, String),
    Exists(bool),
    In(bool, Vec<String>),
    Matches(bool, Regex),
}

impl Node {
    pub(super) fn selects(&self, i: &impl Queried) -> bool {
        match self {
            Node::Any(nodes) => nodes.iter().any(|n| n.selects(i)),
            Node::All(nodes) => nodes.iter().all(|n| n.selects(i)),
            Node::Not(node) => !node.selects(i),
            Node::Test(test) => test.holds(i),
        }
    }

    pub(super) fn of_tasks(&self) -> bool {
        match self {
            Node::Any(nodes) | Node::All(nodes) => nodes.iter().any(Node::of_tasks),
            Node::Not(node) => node.of_tasks(),
            Node::Test(Test::RunningTasksCount(..)) => true,
            Node::Test(Test::Text(field, _)) => {
                matches!(field, Field::TaskGroup | Field::AgentConnected)
            }
            Node::Test(Test::AgentVersion(..) | Test::RegisteredAt(..)) => false,
        }
    }
}

impl Test {
    fn holds(&self, i: &impl Queried) -> bool {
        match self {
            Test::AgentVersion(compare, than) => {
                version(i.agent_version()).is_some_and(|own| compare.holds(&own, than))
            }
            Test::RegisteredAt(compare, than) => compare.holds(&i.registered_at(), than),
            Test::RunningTasksCount(compare, than) => {
                compare.holds(&i64::from(i.running_tasks()), than)
            }
            Test::Text(Field::Attribute(name), value) => value.holds(i.attribute(name)),
            Test::Text(Field::Ec2InstanceId, value) => value.holds(i.ec2_instance_id()),
            Test::Text(Field::AgentConnected, value) => {
                value.holds(Some(if i.agent_connected() { "true" } else { "false" }))
            }
            Test::Text(Field::TaskGroup, value) => value.holds_of_groups(i),
            // The parser makes tests of their own of these.
            Test::Text(Field::AgentVersion | Field::RegisteredAt | Field::RunningTasksCount, _) => {
                false
            }
        }
    }
}

impl Value {
    /// A missing subject satisfies `not_exists` and nothing else: `attribute:stack != prod` selects
    /// the instances that have the attribute with another value
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>,
    /// "Exclude an attribute value").
    fn holds(&self, subject: Option<&str>) -> bool {
        match (self, subject) {
            (Value::Exists(is), subject) => *is == subject.is_some(),
            (_, None) => false,
            (Value::Compare(compare, than), Some(own)) => compares(*compare, own, than),
            (Value::In(is, list), Some(own)) => *is == list.iter().any(|v| v == own),
            (Value::Matches(is, pattern), Some(own)) => *is == pattern.is_match(own),
        }
    }

    /// An instance has many groups: a positive test asks for one task that passes, a negative
    /// one that there is none which would fail it.
    fn holds_of_groups(&self, i: &impl Queried) -> bool {
        match self {
            Value::Exists(is) => *is == i.any_group(&mut |_| true),
            Value::Compare(Compare::NotEqual, than) => !i.any_group(&mut |g| g == than),
            Value::In(false, list) => !i.any_group(&mut |g| list.iter().any(|v| v == g)),
            Value::Matches(false, pattern) => !i.any_group(&mut |g| pattern.is_match(g)),
            Value::Compare(..) | Value::In(true, _) | Value::Matches(true, _) => {
                i.any_group(&mut |g| self.holds(Some(g)))
            }
        }
    }
}

/// Equality is of the text; an order is of numbers where both are, else of the text.
fn compares(compare: Compare, own: &str, than: &str) -> bool {
    if !matches!(compare, Compare::Equal | Compare::NotEqual)
        && let (Ok(own), Ok(than)) = (own.parse::<f64>(), than.parse::<f64>())
    {
        return compare.holds(&own, &than);
    }
    compare.holds(own, than)
}
