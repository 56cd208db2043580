//! The documentation's examples, each subject's rules, and any text at all.

use super::{Expression, Queried};
use neargate_base::Timestamp;
use proptest::prelude::*;

struct Instance {
    attributes: Vec<(&'static str, &'static str)>,
    connected: bool,
    version: &'static str,
    ec2: Option<&'static str>,
    registered: i64,
    running: u32,
    groups: Vec<&'static str>,
}

impl Queried for Instance {
    fn attribute(&self, name: &str) -> Option<&str> {
        let mut own = self.attributes.iter();
        own.find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
    fn agent_connected(&self) -> bool {
        self.connected
    }
    fn agent_version(&self) -> &str {
        self.version
    }
    fn ec2_instance_id(&self) -> Option<&str> {
        self.ec2
    }
    fn registered_at(&self) -> Timestamp {
        Timestamp::from_millis(self.registered)
    }
    fn running_tasks(&self) -> u32 {
        self.running
    }
    fn any_group(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.groups.iter().any(|g| is(g))
    }
}

fn instance() -> Instance {
    Instance {
        attributes: vec![
            ("ecs.instance-type", "g2.2xlarge"),
            ("ecs.availability-zone", "us-east-1a"),
            ("stack", "prod"),
            ("flag", ""),
            ("rank", "10"),
            ("path/to\\x", "a:b@c d"),
        ],
        connected: true,
        version: "1.14.10",
        ec2: Some("i-abcd1234"),
        // 2018-06-18T22:28:28Z
        registered: 1_529_360_908_000,
        running: 1,
        groups: vec!["service:production", "database"],
    }
}

fn selects(expression: &str) -> bool {
    selected(expression, &instance())
}

fn selected(expression: &str, instance: &Instance) -> bool {
    Expression::parse(expression)
        .unwrap_or_else(|e| panic!("{expression}: {e}"))
        .selects(instance)
}

#[test]
fn the_documented_examples() {
    for yes in [
        "attribute:ecs.instance-type == g2.2xlarge",
        "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
        "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
        "task:group == service:production",
        "runningTasksCount == 1",
        "agentVersion < 1.14.11",
        "registeredAt < 2018-06-19",
        "ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']",
        "attribute:stack == prod",
    ] {
        assert!(selects(yes), "{yes}");
    }
    for no in [
        "attribute:ecs.instance-type == t2.small",
        "attribute:ecs.availability-zone in [us-east-1b]",
        "attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone == us-east-1a",
        "not(task:group == database)",
        "agentVersion < 1.14.5",
        "registeredAt < 2018-02-13",
        "attribute:stack != prod",
    ] {
        assert!(!selects(no), "{no}");
    }
}

#[test]
fn every_spelling_of_every_operator() {
    for yes in [
        "attribute:rank == 10",
        "attribute:rank equals 10",
        "attribute:rank != 1",
        "attribute:rank not_equals 1",
        "attribute:rank > 9",
        "attribute:rank greater_than 9",
        "attribute:rank >= 10",
        "attribute:rank greater_than_equal 10",
        "attribute:rank < 11",
        "attribute:rank less_than 11",
        "attribute:rank <= 10",
        "attribute:rank less_than_equal 10",
        "attribute:rank exists",
        "attribute:none !exists",
        "attribute:none not_exists",
        "attribute:rank in [1,10]",
        "attribute:rank !in [1]",
        "attribute:rank not_in [1]",
        "attribute:rank =~ 1.",
        "attribute:rank matches 1.",
        "attribute:rank !~ 2.*",
        "attribute:rank not_matches 2.*",
        "attribute:rank==10",
        "attribute:rank<=10&&attribute:stack==prod",
        "attribute:rank==9||attribute:stack==prod",
        "attribute:stack > pro",
        "attribute:flag == ''",
        "attribute:flag exists",
        "attribute:path/to\\x == 'a:b@c d'",
    ] {
        assert!(selects(yes), "{yes}");
    }
}

#[test]
fn booleans_have_their_precedence() {
    let (t, f) = ("runningTasksCount == 1", "runningTasksCount == 2");
    for (expression, is) in [
        (format!("{t} or {t} and {f}"), true),
        (format!("({t} or {t}) and {f}"), false),
        (format!("not {f} and {t}"), true),
        (format!("not ({f} and {t})"), true),
        (format!("!({t})"), false),
        (format!("!!({t})"), true),
        (format!("not not {t}"), true),
        (format!("{f} || {f} || {t}"), true),
        (format!("({t})and({t})"), true),
        (format!("  ( ( {t} ) )  "), true),
        (format!("NOT {f} AND {t}"), true),
    ] {
        assert_eq!(selects(&expression), is, "{expression}");
    }
}

/// "attribute:stack != prod" is documented to leave out instances without the attribute.
#[test]
fn a_missing_subject_only_does_not_exist() {
    for no in [
        "attribute:none == x",
        "attribute:none != x",
        "attribute:none !in [x]",
        "attribute:none !~ x",
        "attribute:none < 5",
        "attribute:none exists",
    ] {
        assert!(!selects(no), "{no}");
    }
    let external = Instance {
        ec2: None,
        ..instance()
    };
    assert!(!selected("ec2InstanceId != i-1", &external));
    assert!(selected("not ec2InstanceId =~ i-.*", &external));
}

#[test]
fn groups_are_many() {
    for (expression, is) in [
        ("task:group == database", true),
        ("task:group == other", false),
        ("task:group != database", false),
        ("task:group != other", true),
        ("task:group in [other, database]", true),
        ("task:group !in [other, database]", false),
        ("task:group =~ service:.*", true),
        ("task:group !~ service:.*", false),
        ("task:group exists", true),
    ] {
        assert_eq!(selects(expression), is, "{expression}");
    }
    let empty = Instance {
        groups: Vec::new(),
        ..instance()
    };
    assert!(selected("task:group != database", &empty));
    assert!(selected("not(task:group == database)", &empty));
    assert!(selected("task:group !exists", &empty));
    assert!(!selected("task:group exists", &empty));
}

#[test]
fn versions_dates_and_the_agent() {
    for (expression, is) in [
        ("agentVersion == 1.14.10", true),
        ("agentVersion == v1.14.10.0", true),
        ("agentVersion > 1.14.9", true),
        ("agentVersion >= 1.15", false),
        ("registeredAt == 2018-06-18T22:28:28+00:00", true),
        ("registeredAt == 2018-06-18T22:28:28Z", true),
        ("registeredAt == 2018-06-18T22:28:28", true),
        ("registeredAt == 2018-06-19T00:28:28+02:00", true),
        ("registeredAt > 2018-06-18", true),
        ("agentConnected == true", true),
        ("agentConnected != true", false),
        ("agentConnected in [false]", false),
        ("agentConnected =~ t.*", true),
        ("runningTasksCount >= 2", false),
    ] {
        assert_eq!(selects(expression), is, "{expression}");
    }
}

/// What one expression may cost is bounded, by what each pattern compiles to and by their number.
#[test]
fn patterns_are_few_and_small() {
    let many = |n: usize| vec!["attribute:stack =~ p.*"; n].join(" or ");
    assert!(selected(&many(8), &instance()));
    let error = Expression::parse(&many(9)).unwrap_err().to_string();
    assert_eq!(error, "more than 8 patterns at position 227");
    let not_nested = format!("({}) and not ({})", many(5), many(5));
    assert!(Expression::parse(&not_nested).is_err());
    for usual in [
        "\\w+\\.\\d?\\w+",
        "[a-z0-9-]{1,63}",
        "(t[23]|m5|c5)\\..*(large|medium)",
    ] {
        assert!(
            Expression::parse(&format!("attribute:a =~ '{usual}'")).is_ok(),
            "{usual}"
        );
    }
    for large in ["\\w{30}", ".{400}", "(a{30}){30}{5}"] {
        let error = Expression::parse(&format!("attribute:a =~ '{large}'")).unwrap_err();
        assert_eq!(error.reason, "a pattern that is too large", "{large}");
    }
}

#[test]
fn patterns_match_the_whole_value() {
    for (expression, is) in [
        ("attribute:stack =~ pro", false),
        ("attribute:stack =~ pro.", true),
        ("attribute:stack =~ (dev|prod)", true),
        ("(attribute:stack =~ (dev|prod))", true),
        ("(attribute:stack =~ pr.*)", true),
        ("attribute:stack =~ 'dev|prod'", true),
        ("attribute:stack =~ dev|prod", true),
        ("attribute:stack =~ [a-p]+rod", true),
        ("attribute:stack =~ p.{2,3}", true),
        ("attribute:ecs.instance-type =~ g2\\..*", true),
        ("attribute:ecs.instance-type =~ 'g2\\.2x.*'", true),
        ("attribute:stack =~ \"\\\"?prod\"", true),
        ("attribute:stack =~ pro.&&attribute:stack =~ dev", false),
    ] {
        assert_eq!(selects(expression), is, "{expression}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (expression, said) in [
        ("", "expected a subject, found the end at position 0"),
        ("stack == x", "unknown subject 'stack' at position 0"),
        (
            "attribute: == x",
            "expected an attribute's name, found ' ' at position 10",
        ),
        (
            "attribute:a = x",
            "expected an operator, found '=' at position 12",
        ),
        ("attribute:a is x", "unknown operator 'is' at position 12"),
        (
            "attribute:a ==",
            "expected a value, found the end at position 14",
        ),
        (
            "attribute:a == x y",
            "expected 'and', 'or' or the end, found 'y' at position 17",
        ),
        (
            "(attribute:a == x",
            "expected ')', found the end at position 17",
        ),
        (
            "attribute:a == x)",
            "expected 'and', 'or' or the end, found ')' at position 16",
        ),
        (
            "attribute:a == 'x",
            "a string that does not end at position 15",
        ),
        (
            "attribute:é == x",
            "expected an attribute's name, found 'é' at position 10",
        ),
        ("attribute:a in x", "expected '[', found 'x' at position 15"),
        (
            "attribute:a in []",
            "expected a value, found ']' at position 16",
        ),
        (
            "attribute:a in [x y]",
            "expected ',' or ']', found 'y' at position 18",
        ),
        (
            "attribute:a =~ '('",
            "the pattern '(' is not supported or not well formed at position 15",
        ),
        (
            "attribute:a =~ 'a)(b'",
            "the pattern 'a)(b' is not supported or not well formed at position 15",
        ),
        (
            "attribute:a =~ (?=x)",
            "the pattern '(?=x)' is not supported or not well formed at position 15",
        ),
        (
            "attribute:a =~ '((\\w{99}){99}){99}'",
            "a pattern that is too large at position 15",
        ),
        (
            "runningTasksCount == one",
            "'one' is not a whole number at position 21",
        ),
        (
            "runningTasksCount exists",
            "an operator that runningTasksCount does not take at position 18",
        ),
        (
            "agentConnected > true",
            "an operator that agentConnected does not take at position 15",
        ),
        (
            "ec2InstanceId exists",
            "an operator that ec2InstanceId does not take at position 14",
        ),
        (
            "agentVersion == 1.x",
            "'1.x' is not a version at position 16",
        ),
        (
            "agentVersion =~ 1.*",
            "an operator that agentVersion does not take at position 13",
        ),
        (
            "registeredAt < yesterday",
            "'yesterday' is not a date at position 15",
        ),
        (
            "registeredAt in [2018-01-01]",
            "an operator that registeredAt does not take at position 13",
        ),
        ("not", "expected a subject, found the end at position 3"),
        (
            "attribute:a exists and",
            "expected a subject, found the end at position 22",
        ),
    ] {
        let invalid = Expression::parse(expression).expect_err(expression);
        assert_eq!(invalid.to_string(), said, "{expression}");
    }
    let deep = format!("{}attribute:a exists{}", "(".repeat(900), ")".repeat(900));
    let invalid = Expression::parse(&deep).expect_err("deep");
    assert_eq!(invalid.reason, "nested too deep");
    let deep = format!("{}attribute:a exists", "!".repeat(900));
    assert!(Expression::parse(&deep).is_err());
    let long = format!("attribute:a == {}", "x".repeat(2000));
    let invalid = Expression::parse(&long).expect_err("long");
    assert_eq!(invalid.reason, "longer than 2000 characters");
}

#[test]
fn only_what_tasks_change_is_of_tasks() {
    let of_tasks = |e: &str| Expression::parse(e).expect("valid").of_tasks();
    assert!(!of_tasks(
        "attribute:a == x and ec2InstanceId != y or agentVersion > 1"
    ));
    assert!(of_tasks("attribute:a == x and not (task:group == g)"));
    assert!(of_tasks("runningTasksCount < 3"));
    assert!(of_tasks("agentConnected == true"));
}

/// An expression, and what it says of [`instance`].
fn expression() -> impl Strategy<Value = (String, bool)> {
    let test = prop_oneof![
        Just(("attribute:stack == prod".to_owned(), true)),
        Just(("attribute:stack in [ a , 'prod' ]".to_owned(), true)),
        Just(("attribute:stack =~ d.*".to_owned(), false)),
        Just(("task:group == database".to_owned(), true)),
        (0_u32..3).prop_map(|n| (format!("runningTasksCount>={n}"), 1 >= n)),
        Just(("attribute:none exists".to_owned(), false)),
    ];
    test.prop_recursive(4, 20, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        let symbol = any::<bool>();
        prop_oneof![
            (many.clone(), symbol).prop_map(|(parts, symbol)| {
                let texts: Vec<_> = parts.iter().map(|(e, _)| format!("({e})")).collect();
                let all = parts.iter().all(|(_, is)| *is);
                (texts.join(if symbol { "&&" } else { " and " }), all)
            }),
            (many, symbol).prop_map(|(parts, symbol)| {
                let texts: Vec<_> = parts.iter().map(|(e, _)| format!("({e})")).collect();
                let any = parts.iter().any(|(_, is)| *is);
                (texts.join(if symbol { "||" } else { " or " }), any)
            }),
            (inner, symbol).prop_map(|((e, is), symbol)| {
                (format!("{}({e})", if symbol { "!" } else { "not" }), !is)
            }),
        ]
    })
}

/// Text that is nearly an expression: pieces of the language in any order.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "attribute:",
        "attribute:a",
        "task:group",
        "runningTasksCount",
        "registeredAt",
        " ",
        "==",
        "!=",
        "=~",
        "!~",
        "!",
        "not",
        "in",
        "!in",
        "exists",
        "&&",
        "||",
        "and",
        "or",
        "(",
        ")",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "\\",
        "x",
        "é",
        "2018-06-18",
        ".*",
        "{9}",
        "*",
        "\u{0}",
        "1",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_well_formed_says_what_it_says((text, is) in expression()) {
        prop_assume!(text.chars().count() <= super::MAX_CHARS);
        prop_assert_eq!(selects(&text), is, "{}", text);
    }

    #[test]
    fn any_text_is_an_expression_or_an_error(text in prop_oneof![any::<String>(), nearly()]) {
        match Expression::parse(&text) {
            Ok(expression) => {
                expression.selects(&instance());
                prop_assert_eq!(expression.source(), text);
            }
            Err(invalid) => prop_assert!(invalid.at <= text.chars().count()),
        }
    }
}
