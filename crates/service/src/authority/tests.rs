//! Roles that are handed over.

use super::passing::{What, passed};
use super::said::Said;

const ROLE: &str = "arn:aws:iam::111122223333:role/work";

fn handed(
    prefix: &str,
    operation: &str,
    path: &[&'static str],
    text: &str,
) -> Vec<(String, String)> {
    let said = Said {
        top: Vec::new(),
        deep: vec![(path.to_vec(), text)],
    };
    let all = passed(prefix, operation, &said).into_iter();
    let name = |what| match what {
        What::Role(role) => role,
        What::Named(role) => role,
        What::InstanceProfile(profile) => format!("profile {profile}"),
    };
    all.map(|p| (name(p.what), p.to)).collect()
}

#[test]
fn roles_are_handed_over_to_services() {
    let to = |service: &str| vec![(ROLE.to_owned(), format!("{service}.amazonaws.com"))];
    for (prefix, operation, path, expected) in [
        (
            "ecs",
            "RegisterTaskDefinition",
            &["taskRoleArn"][..],
            to("ecs-tasks"),
        ),
        (
            "ecs",
            "RunTask",
            &["overrides", "executionRoleArn"],
            to("ecs-tasks"),
        ),
        ("ecs", "CreateService", &["role"], to("ecs")),
        ("ecs", "DescribeTasks", &["role"], vec![]),
        ("ecs", "RunTask", &["group"], vec![]),
        ("iam", "AddRoleToInstanceProfile", &["RoleName"], vec![]),
        (
            "events",
            "PutTargets",
            &["Targets", "RoleArn"],
            to("events"),
        ),
    ] {
        assert_eq!(
            handed(prefix, operation, path, ROLE),
            expected,
            "{prefix}:{operation} {path:?}"
        );
    }
    let own =
        "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
    assert_eq!(handed("ecs", "CreateService", &["role"], own), []);
    for path in [&["taskRoleArn"][..], &["overrides", "executionRoleArn"]] {
        let named = handed("ecs", "RegisterTaskDefinition", path, "work");
        assert_eq!(
            named,
            [("work".to_owned(), "ecs-tasks.amazonaws.com".to_owned())]
        );
    }
    assert_eq!(handed("events", "PutTargets", &["RoleArn"], "work"), []);
    let profile = handed("ec2", "RunInstances", &["IamInstanceProfile", "Name"], "p");
    assert_eq!(
        profile,
        [("profile p".to_owned(), "ec2.amazonaws.com".to_owned())]
    );
}
