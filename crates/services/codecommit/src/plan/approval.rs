//! Approval rules: what they ask for, and whether it is there. Pure.
//! (<https://docs.aws.amazon.com/codecommit/latest/userguide/how-to-create-template.html>)

use neargate_base::Arn;
use neargate_service::wildcard::Wildcards;
use serde::Deserialize;

const VERSION: &str = "2018-11-08";
/// The pool's members that are named by account and name.
const BY_NAME: &str = "CodeCommitApprovers:";

/// What a rule's content says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Content {
    version: String,
    /// Full names of branches; none: any.
    #[serde(default)]
    destination_references: Vec<String>,
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    r#type: String,
    number_of_approvals_needed: usize,
    #[serde(default)]
    approval_pool_members: Vec<String>,
}

impl Content {
    /// `None`: it is no rule.
    pub fn parse(text: &str) -> Option<Content> {
        let content: Content = serde_json::from_str(text).ok()?;
        let good = |s: &Statement| {
            s.r#type == "Approvers" && (1..=100).contains(&s.number_of_approvals_needed)
        };
        let is_good = content.version == VERSION
            && !content.statements.is_empty()
            && content.statements.iter().all(good);
        is_good.then_some(content)
    }

    /// Is a template of this content for pull requests to this branch?
    pub fn is_for(&self, destination: &str) -> bool {
        let mut named = self.destination_references.iter();
        self.destination_references.is_empty() || named.any(|name| name == destination)
    }

    /// Are there enough approvals, by ARNs of approvers?
    pub fn is_satisfied(&self, approvals: &[String]) -> bool {
        self.statements.iter().all(|statement| {
            let pool = &statement.approval_pool_members;
            let counts = |who: &&String| pool.is_empty() || pool.iter().any(|m| is_member(m, who));
            approvals.iter().filter(counts).count() >= statement.number_of_approvals_needed
        })
    }
}

/// Is the approver one that the pool's member means?
fn is_member(member: &str, approver: &str) -> bool {
    let Some(named) = member.strip_prefix(BY_NAME) else {
        return Wildcards::Star.matches(member, approver);
    };
    let (Some((account, name)), Ok(arn)) = (named.split_once(':'), approver.parse::<Arn>()) else {
        return false;
    };
    let Some((kind, rest)) = arn.resource.split_once('/') else {
        return false;
    };
    // Sessions of roles are meant by a wildcard only: `*name`, `role/*`.
    let is_plain = matches!(kind, "user" | "federated-user");
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let is_named = match is_plain {
        true => Wildcards::Star.matches(name, last) || Wildcards::Star.matches(name, rest),
        false => name != last && Wildcards::Star.matches(name, rest),
    };
    arn.account == account && is_named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(needed: usize, pool: &[&str]) -> Content {
        let content = serde_json::json!({
            "Version": VERSION,
            "DestinationReferences": ["refs/heads/main"],
            "Statements": [{
                "Type": "Approvers",
                "NumberOfApprovalsNeeded": needed,
                "ApprovalPoolMembers": pool,
            }],
        });
        Content::parse(&content.to_string()).unwrap()
    }

    #[test]
    fn approvals_count_by_pool() {
        let ann = "arn:aws:iam::123456789012:user/ann".to_owned();
        let session = "arn:aws:sts::123456789012:assumed-role/Review/ann".to_owned();
        let both = [ann.clone(), session.clone()];
        assert!(rule(2, &[]).is_satisfied(&both));
        assert!(!rule(3, &[]).is_satisfied(&both));
        let by_name = rule(1, &["CodeCommitApprovers:123456789012:ann"]);
        assert!(by_name.is_satisfied(std::slice::from_ref(&ann)));
        assert!(!by_name.is_satisfied(std::slice::from_ref(&session)));
        assert!(rule(2, &["CodeCommitApprovers:123456789012:*ann"]).is_satisfied(&both));
        let by_arn = rule(1, &["arn:aws:sts::123456789012:assumed-role/Review/*"]);
        assert!(by_arn.is_satisfied(&[session]) && !by_arn.is_satisfied(&[ann]));
        assert!(rule(1, &[]).is_for("refs/heads/main") && !rule(1, &[]).is_for("refs/heads/x"));
    }

    #[test]
    fn what_is_no_rule() {
        for bad in ["", "{}", r#"{"Version":"2018-11-08","Statements":[]}"#] {
            assert_eq!(Content::parse(bad), None, "{bad}");
        }
    }
}
