//! The rules of composite alarms: `ALARM("a") AND NOT (OK(b) OR TRUE)`
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html>).

use super::name_of;
use neargate_domain::alarm::AlarmState;

/// A rule that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Is(bool),
    /// The alarm of this name is in this state.
    In(AlarmState, String),
    Not(Box<Rule>),
    And(Vec<Rule>),
    Or(Vec<Rule>),
}

const DEPTH: usize = 64;

impl Rule {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let mut rest = text.trim_start();
        let rule = or(&mut rest, 0)?;
        match rest.is_empty() {
            true => Ok(rule),
            false => Err(format!("unexpected text at '{rest}'")),
        }
    }

    /// Does it hold? An alarm that does not exist is in no state.
    pub fn holds(&self, state: &impl Fn(&str) -> Option<AlarmState>) -> bool {
        match self {
            Rule::Is(holds) => *holds,
            Rule::In(wanted, name) => state(name) == Some(*wanted),
            Rule::Not(inner) => !inner.holds(state),
            Rule::And(all) => all.iter().all(|rule| rule.holds(state)),
            Rule::Or(all) => all.iter().any(|rule| rule.holds(state)),
        }
    }

    /// The names of the alarms in it, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Rule::Is(_) => {}
            Rule::In(_, name) if found.contains(&name.as_str()) => {}
            Rule::In(_, name) => found.push(name),
            Rule::Not(inner) => inner.collect(found),
            Rule::And(all) | Rule::Or(all) => all.iter().for_each(|rule| rule.collect(found)),
        }
    }
}

/// Takes a word in capital letters off the text, if it is this one.
fn word(rest: &mut &str, wanted: &str) -> bool {
    let Some(after) = rest.strip_prefix(wanted) else {
        return false;
    };
    if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return false;
    }
    *rest = after.trim_start();
    true
}

fn sign(rest: &mut &str, wanted: char) -> Result<(), String> {
    let after = rest
        .strip_prefix(wanted)
        .ok_or_else(|| format!("'{wanted}' is expected at '{rest}'"))?;
    *rest = after.trim_start();
    Ok(())
}

fn or(rest: &mut &str, depth: usize) -> Result<Rule, String> {
    let mut all = vec![and(rest, depth)?];
    while word(rest, "OR") {
        all.push(and(rest, depth)?);
    }
    Ok(if all.len() == 1 {
        all.remove(0)
    } else {
        Rule::Or(all)
    })
}

fn and(rest: &mut &str, depth: usize) -> Result<Rule, String> {
    let mut all = vec![not(rest, depth)?];
    while word(rest, "AND") {
        all.push(not(rest, depth)?);
    }
    Ok(if all.len() == 1 {
        all.remove(0)
    } else {
        Rule::And(all)
    })
}

fn not(rest: &mut &str, depth: usize) -> Result<Rule, String> {
    if depth > DEPTH {
        return Err("it is nested too deeply".into());
    }
    if word(rest, "NOT") {
        return Ok(Rule::Not(Box::new(not(rest, depth + 1)?)));
    }
    if rest.starts_with('(') {
        sign(rest, '(')?;
        let inner = or(rest, depth + 1)?;
        sign(rest, ')')?;
        return Ok(inner);
    }
    for (name, holds) in [("TRUE", true), ("FALSE", false)] {
        if word(rest, name) {
            return Ok(Rule::Is(holds));
        }
    }
    let states = [
        AlarmState::Alarm,
        AlarmState::Ok,
        AlarmState::InsufficientData,
    ];
    for state in states {
        if word(rest, state.as_str()) {
            sign(rest, '(')?;
            let name = name(rest)?;
            sign(rest, ')')?;
            return Ok(Rule::In(state, name));
        }
    }
    Err(format!("a function, TRUE or FALSE is expected at '{rest}'"))
}

/// The name of an alarm, in quotes or not.
fn name(rest: &mut &str) -> Result<String, String> {
    let (found, after) = match rest.strip_prefix('"') {
        Some(inner) => {
            let mut text = String::new();
            let mut chars = inner.char_indices();
            loop {
                match chars.next() {
                    None => return Err("a quote is not closed".into()),
                    Some((at, '"')) => break (text, &inner[at + 1..]),
                    Some((_, '\\')) => text.extend(chars.next().map(|(_, c)| c)),
                    Some((_, c)) => text.push(c),
                }
            }
        }
        None => {
            let end = rest.find(')').ok_or("')' is expected")?;
            (rest[..end].trim_end().to_owned(), &rest[end..])
        }
    };
    *rest = after.trim_start();
    match name_of(&found) {
        "" => Err("the name of an alarm is empty".into()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let state = |name: &str| match name {
            "a" | "with (odd) name" => Some(AlarmState::Alarm),
            "b" => Some(AlarmState::Ok),
            "c" => Some(AlarmState::InsufficientData),
            _ => None,
        };
        let cases = [
            ("ALARM(a)", true),
            ("ALARM(\"a\") AND OK(b)", true),
            ("ALARM(b) OR OK(a)", false),
            ("NOT ALARM(b) AND NOT (OK(a) OR FALSE)", true),
            ("INSUFFICIENT_DATA( c )", true),
            ("TRUE", true),
            (
                "FALSE OR ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)",
                true,
            ),
            ("ALARM(\"with (odd) name\")", true),
            ("ALARM(none)", false),
            // AND binds more strongly.
            ("TRUE OR TRUE AND FALSE", true),
        ];
        for (text, wanted) in cases {
            let rule = Rule::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(rule.holds(&state), wanted, "{text}");
        }
        let deep = "NOT ".repeat(1_000);
        for text in [
            "",
            "ALARM",
            "ALARM()",
            "ALARM(a",
            "ALARM(\"a)",
            "a",
            "TRUE TRUE",
            "TRUE AND",
            "(TRUE",
            &deep,
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
        let rule = Rule::parse("ALARM(a) AND (OK(b) OR ALARM(a))").unwrap();
        assert_eq!(rule.names(), ["a", "b"]);
    }
}
