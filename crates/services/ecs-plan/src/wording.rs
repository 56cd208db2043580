//! ECS's words for input that breaks the model.

use crate::error;
use neargate_service::AwsError;
use neargate_wire::validate::{Constraint, Invalid, Shown};

/// Input that breaks the model. What a member may be is said in ECS's own way: "launch type should
/// be one of [EC2,FARGATE]", "unknown should be one of [serviceLongArnFormat,…]" (moto's tests of
/// `CreateTaskSet` and `ListAccountSettings` show them); which words ECS has for a member is known
/// of few, the others are called by their names.
pub fn invalid(invalid: &Invalid) -> AwsError {
    let Some(first) = invalid.violations.first() else {
        return error::invalid_parameter(invalid.to_string());
    };
    let values = match &first.constraint {
        Constraint::Enum(values) => values,
        Constraint::Elements(of) => match of.as_slice() {
            [Constraint::Enum(values)] => values,
            _ => return error::invalid_parameter(invalid.to_string()),
        },
        _ => return error::invalid_parameter(invalid.to_string()),
    };
    let member = first.path.rsplit('.').next().unwrap_or(&first.path);
    let subject = match (member, &first.value) {
        ("launchType", _) => "launch type",
        ("schedulingStrategy", _) => "Scheduling strategy",
        ("status", _) if values.contains(&"REGISTRATION_FAILED") => "Container instance status",
        ("name", Shown::Text(given)) => given,
        _ => member,
    };
    let values = values.join(",");
    error::invalid_parameter(format!("{subject} should be one of [{values}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_wire::validate::Violation;

    fn said(path: &str, value: &str, constraint: Constraint) -> String {
        let violation = Violation {
            path: path.into(),
            value: Shown::Text(value.into()),
            constraint,
        };
        let error = invalid(&Invalid {
            violations: vec![violation],
        });
        assert_eq!(error.code, "InvalidParameterException");
        error.message
    }

    #[test]
    fn what_a_member_may_be() {
        let kinds = || Constraint::Enum(&["EC2", "FARGATE"]);
        let of = |path, value| said(path, value, kinds());
        assert_eq!(
            of("launchType", "x"),
            "launch type should be one of [EC2,FARGATE]"
        );
        assert_eq!(
            of("name", "unknown"),
            "unknown should be one of [EC2,FARGATE]"
        );
        assert_eq!(
            of("a.1.member.kind", "x"),
            "kind should be one of [EC2,FARGATE]"
        );
        assert_eq!(
            said(
                "include",
                "[x]",
                Constraint::Elements(vec![Constraint::Enum(&["TAGS"])])
            ),
            "include should be one of [TAGS]"
        );
        assert!(said("tags", "", Constraint::MaxLength(50)).starts_with("1 validation error"));
    }
}
