//! How long a decision takes for a principal with 20 policies of 10 statements each:
//! `cargo run --release -p neargate-policy --example decisions`.

use neargate_base::time::Stopwatch;
use neargate_policy::{Context, Document, Policies, Request, Requester, RequesterKind, evaluate};
use std::sync::Arc;

fn main() {
    let own: Vec<Arc<Document>> = (0..20).map(|n| Arc::new(document(n))).collect();
    let mut context = Context::new();
    for (key, value) in [
        ("aws:username", "ann"),
        ("aws:PrincipalArn", "arn:aws:iam::111122223333:user/ann"),
        ("aws:PrincipalTag/team", "blue"),
        ("aws:SourceIp", "203.0.113.7"),
        ("aws:CurrentTime", "2026-01-01T00:00:00Z"),
        ("aws:RequestedRegion", "us-east-1"),
        (
            "ecs:cluster",
            "arn:aws:ecs:us-east-1:111122223333:cluster/c",
        ),
    ] {
        context.set(key, value);
    }
    let policies = Policies {
        identity: &own,
        ..Policies::default()
    };
    let request = Request {
        requester: Requester {
            kind: RequesterKind::User,
            arn: "arn:aws:iam::111122223333:user/ann",
            account: "111122223333",
            role: None,
        },
        action: "ecs:RunTask",
        resource: "arn:aws:ecs:us-east-1:111122223333:task-definition/family:7",
        context: &context,
    };
    let rounds = 20_000;
    let watch = Stopwatch::start();
    let mut allowed = 0;
    for _ in 0..rounds {
        allowed += usize::from(evaluate(&policies, &request).is_allowed());
    }
    let each = watch.elapsed() / rounds;
    println!("{each:?} a decision, {allowed} of {rounds} allowed, 200 statements");
}

fn document(n: usize) -> Document {
    let statements: Vec<String> = (0..10)
        .map(|m| {
            let action = match m {
                0 => r#"["ecs:Run*","ecs:Describe*"]"#.to_owned(),
                _ => format!(r#"["ecr:Get*","logs:Put*","s3:GetObject{m}","ecs:Stop*"]"#),
            };
            let resource = format!(
                "arn:aws:ecs:*:111122223333:task-definition/f*{}",
                if n == 19 { "" } else { "x" }
            );
            format!(
                r#"{{"Effect":"Allow","Action":{action},"Resource":["{resource}","arn:aws:s3:::b-${{aws:username}}/*"],
                "Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"blue"}},"IpAddress":{{"aws:SourceIp":"203.0.113.0/24"}},
                "ArnLike":{{"ecs:cluster":"arn:aws:ecs:*:*:cluster/c*"}}}}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    );
    Document::parse(&text).expect("a policy")
}
