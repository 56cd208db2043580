//! Account settings: their names, values and what holds when nobody set them
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html>).

/// A setting's rules.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    /// The first is the default.
    pub values: &'static [&'static str],
    /// Who may change it: `user`, or `aws_managed`.
    pub kind: &'static str,
}

const ON_OFF: &[&str] = &["on", "off"];
const DISABLED: &[&str] = &["disabled", "enabled"];
/// Nobody can opt out of the long format any more.
const LONG: &[&str] = &["enabled"];

/// All of them, by name.
pub const RULES: [Rule; 11] = [
    rule("awsvpcTrunking", DISABLED),
    rule("containerInsights", &["disabled", "enabled", "enhanced"]),
    rule("containerInstanceLongArnFormat", LONG),
    rule("defaultLogDriverMode", &["non-blocking", "blocking"]),
    rule("fargateEventWindows", DISABLED),
    rule("fargateFIPSMode", DISABLED),
    rule("fargateTaskRetirementWaitPeriod", &["7", "0", "14"]),
    Rule {
        name: "guardDutyActivate",
        values: &["off", "on"],
        kind: "aws_managed",
    },
    rule("serviceLongArnFormat", LONG),
    rule("tagResourceAuthorization", ON_OFF),
    rule("taskLongArnFormat", LONG),
];

const fn rule(name: &'static str, values: &'static [&'static str]) -> Rule {
    Rule {
        name,
        values,
        kind: "user",
    }
}

pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.name == name)
}

impl Rule {
    pub fn default(&self) -> &'static str {
        self.values.first().expect("every setting has a value")
    }
}
