//! Variables, amounts, aliases.

use super::super::interpolate::Variables;
use super::super::size;
use super::read;

#[test]
fn variables_are_replaced() {
    let get = |name: &str| match name {
        "A" => Some("a".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let mut variables = Variables::new(&get);
    for (text, expected) in [
        ("plain", "plain"),
        ("$A-${A}", "a-a"),
        ("$$A", "$A"),
        ("${B:-b}${B-c}", "bc"),
        ("${EMPTY:-x}${EMPTY-y}", "x"),
        ("${A:+set}${B:+set}${EMPTY+set}", "setset"),
        ("${B:-${C:-deep}}", "deep"),
        ("${B:-http://x:1/}", "http://x:1/"),
        ("[$B]", "[]"),
    ] {
        assert_eq!(variables.replace(text).as_deref(), Ok(expected), "{text}");
    }
    assert!(variables.unset.contains("B"));
    for (text, why) in [
        ("${B:?give B}", "the variable B is needed: give B"),
        ("${EMPTY:?}", "the variable EMPTY is needed: it is not set"),
        ("${A", "${ without } in \"${A\""),
        (
            "5$",
            "a lone $ in \"5$\": write $$ where no variable is meant",
        ),
        ("${A/b/c}", "${A/b/c} is not understood"),
        ("${}", "${} names no variable"),
    ] {
        assert_eq!(variables.replace(text), Err(why.to_owned()), "{text}");
    }
    let deep = "${B:-".repeat(40) + &"}".repeat(40);
    assert!(variables.replace(&deep).is_err());
}

#[test]
fn amounts_are_read() {
    assert_eq!(size::bytes("512m"), Some(512 << 20));
    assert_eq!(size::mib("0.5GB"), Some(512));
    assert_eq!(size::mib("1048577"), Some(2));
    assert_eq!(size::bytes("12 parsecs"), None);
    assert_eq!(size::millis("1m30s"), Some(90_000));
    assert_eq!(size::millis("1h5m"), Some(3_900_000));
    assert_eq!(size::seconds("1500ms"), Some(2));
    assert_eq!(size::seconds("10"), Some(10));
    assert_eq!(size::millis("soon"), None);
    assert_eq!(size::cpu_units("0.5"), Some(512));
    assert_eq!(size::cpu_units("-1"), None);
    assert_eq!(size::fargate(256, 100), Some((256, 512)));
    assert_eq!(size::fargate(256, 600), Some((256, 1024)));
    assert_eq!(size::fargate(256, 1500), Some((256, 2048)));
    assert_eq!(size::fargate(10, 2100), Some((512, 3072)));
    assert_eq!(size::fargate(9_000, 1), Some((16_384, 32_768)));
    assert_eq!(size::fargate(1, 200_000), None);
}

#[test]
fn nothing_small_stands_for_something_huge() {
    let mut text = "x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n".to_owned();
    for n in 1..9 {
        let all = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&format!("x-{n}: &a{n} [{all}]\n"));
    }
    text.push_str("services: {a: {image: a}}\n");
    let why = read(&text).expect_err("refused");
    assert!(
        why[0].contains("aliases stand for more than 50000 values"),
        "{why:?}"
    );
}
