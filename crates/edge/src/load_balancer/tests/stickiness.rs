//! Clients that stay with a target group or with a target.

use super::lab::*;
use neargate_domain::load_balancer::Action;

/// The cookies that an answer sets, as a client sends them back.
fn cookies(answer: &Answered) -> String {
    let lines = answer
        .head
        .lines()
        .filter_map(|line| line.strip_prefix("Set-Cookie: "));
    let pairs = lines.map(|line| line.split(';').next().unwrap_or_default());
    pairs.collect::<Vec<_>>().join("; ")
}

fn get(cookies: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y; {cookies}\r\n\r\n")
}

#[tokio::test]
async fn a_client_stays_with_its_group_whatever_the_weights() {
    let mut lab = Lab::new();
    let groups = [
        group("blue", &[target(Echo("blue")).await]),
        group("green", &[target(Echo("green")).await]),
    ];
    lab.told.target_groups = groups.to_vec();
    let sticky = |blue, green| Action::Forward {
        target_groups: vec![("blue".into(), blue), ("green".into(), green)],
        stickiness_seconds: Some(60),
    };
    lab.rules()[0] = rule(vec![], sticky(1, 0));
    lab.start().await;
    let first = lab.get("/").await;
    let set = cookies(&first);
    assert!(
        set.starts_with("AWSALBTG=") && set.contains("; AWSALBTGCORS="),
        "{set}"
    );
    assert!(
        first.head.contains("; Path=/; SameSite=None\r\n"),
        "{}",
        first.head
    );
    lab.rules()[0] = rule(vec![], sticky(1, 999));
    lab.start().await;
    for _ in 0..5 {
        assert!(lab.ask(&get(&set)).await.text().starts_with("blue\n"));
    }
    // A group that gets nothing any more, or is not named, keeps nobody.
    lab.rules()[0] = rule(vec![], sticky(0, 1));
    lab.start().await;
    assert!(lab.ask(&get(&set)).await.text().starts_with("green\n"));
    assert!(
        lab.ask(&get("AWSALBTG=nonsense"))
            .await
            .text()
            .starts_with("green\n")
    );
}

#[tokio::test]
async fn a_client_stays_with_its_target_while_that_is_there() {
    let mut lab = Lab::new();
    let targets = [
        target(Echo("one")).await,
        target(Echo("two")).await,
        target(Echo("six")).await,
    ];
    let mut blue = group("blue", &targets);
    blue.attributes
        .insert("stickiness.enabled".into(), "true".into());
    blue.attributes
        .insert("stickiness.type".into(), "lb_cookie".into());
    lab.told.target_groups = vec![blue.clone()];
    lab.start().await;
    let first = lab.get("/").await;
    let set = cookies(&first);
    let own = first.text()[..3].to_owned();
    assert!(
        set.starts_with("AWSALB=") && set.contains("; AWSALBCORS="),
        "{set}"
    );
    for _ in 0..5 {
        let answer = lab.ask(&get(&set)).await;
        assert_eq!(answer.text()[..3], own);
        assert!(cookies(&answer).starts_with("AWSALB="), "it is set anew");
    }
    let position = ["one", "two", "six"]
        .iter()
        .position(|name| *name == own)
        .unwrap();
    blue.targets
        .iter_mut()
        .find(|t| t.key.port == targets[position].port())
        .unwrap()
        .draining = true;
    lab.told.target_groups = vec![blue];
    lab.start().await;
    let answer = lab.ask(&get(&set)).await;
    assert_ne!(answer.text()[..3], own);
    assert_ne!(cookies(&answer), set);
}

/// Sets a cookie of its own.
struct SetsCookie(&'static str);

impl Behaviour for SetsCookie {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        let text = self.0;
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: sid=7\r\n\r\n{text}");
        connection.send(answer.as_bytes()).await;
        true
    }
}

#[tokio::test]
async fn an_applications_cookie_sticks_while_the_client_has_it() {
    let mut lab = Lab::new();
    let targets = [
        target(SetsCookie("one")).await,
        target(SetsCookie("two")).await,
    ];
    let mut blue = group("blue", &targets);
    for (key, value) in [
        ("stickiness.enabled", "true"),
        ("stickiness.type", "app_cookie"),
        ("stickiness.app_cookie.cookie_name", "sid"),
    ] {
        blue.attributes.insert(key.into(), value.into());
    }
    lab.told.target_groups = vec![blue];
    lab.start().await;
    let first = lab.get("/").await;
    let set = cookies(&first);
    assert!(set.starts_with("sid=7; AWSALBAPP-0="), "{set}");
    for _ in 0..4 {
        assert_eq!(lab.ask(&get(&set)).await.text(), first.text());
    }
    // Without the application's own cookie, targets take turns.
    let without = set.replace("sid=7", "sid2=7");
    let texts = [
        lab.ask(&get(&without)).await.text(),
        lab.ask(&get(&without)).await.text(),
    ];
    assert_ne!(texts[0], texts[1]);
}
