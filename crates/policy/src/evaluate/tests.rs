//! The cases of AWS's pages on evaluation.

use super::*;
use crate::document::Use;
use crate::request::{Context, Requester};

const USER: &str = "arn:aws:iam::111122223333:user/ann";
const ROLE: &str = "arn:aws:iam::111122223333:role/work";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/work/one";
const BUCKET: &str = "arn:aws:s3:::bucket/key";
const HOME: &str = "111122223333";
const AWAY: &str = "999999999999";

fn requester(kind: RequesterKind) -> Requester<'static> {
    let (arn, role) = match kind {
        RequesterKind::Root => ("arn:aws:iam::111122223333:root", None),
        RequesterKind::User => (USER, None),
        RequesterKind::AssumedRole => (SESSION, Some(ROLE)),
        RequesterKind::FederatedUser => ("arn:aws:sts::111122223333:federated-user/f", None),
        RequesterKind::Service => ("ecs-tasks.amazonaws.com", None),
        RequesterKind::Federated => ("cognito-identity.amazonaws.com", None),
        RequesterKind::Anonymous => ("", None),
    };
    let account = match kind {
        RequesterKind::Service | RequesterKind::Federated | RequesterKind::Anonymous => "",
        _ => HOME,
    };
    Requester {
        kind,
        arn,
        account,
        role,
    }
}

/// Statements of an identity's policy: `+` allows, `-` denies `s3:GetObject` on everything.
fn identity(sign: &str) -> Option<Arc<Document>> {
    let effect = match sign {
        "+" => "Allow",
        "-" => "Deny",
        _ => return None,
    };
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"s3:Get*","Resource":"*"}}}}"#
    );
    Some(Arc::new(Document::parse(&text).expect("a policy")))
}

/// `+PRINCIPAL` or `-PRINCIPAL`, of the resource.
fn resource(text: &str) -> Option<Document> {
    let (effect, principal) = match text.split_at_checked(1)? {
        ("+", principal) => ("Allow", principal),
        ("-", principal) => ("Deny", principal),
        _ => return None,
    };
    let principal = match principal {
        "*" => r#""*""#.to_owned(),
        p if p.ends_with(".com") => format!(r#"{{"Service":"{p}"}}"#),
        p => format!(r#"{{"AWS":"{p}"}}"#),
    };
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}}}"#
    );
    Some(Document::parse_as(Use::Resource, &text).expect("a policy"))
}

struct Case {
    kind: RequesterKind,
    identity: &'static str,
    resource: &'static str,
    /// `.` is a bound that says nothing; empty is none.
    boundary: &'static str,
    session: &'static str,
    account: &'static str,
    is_decisive: bool,
}

fn decide(case: &Case) -> Decision {
    let context = Context::new();
    let own: Vec<Arc<Document>> = identity(case.identity).into_iter().collect();
    let silent = Document::parse(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#,
    );
    let silent = Arc::new(silent.expect("a policy"));
    let bound = |sign: &str| match sign {
        "" => None,
        "." => Some(Arc::clone(&silent)),
        sign => identity(sign),
    };
    let boundary = bound(case.boundary);
    let session: Option<Vec<_>> = bound(case.session).map(|s| vec![s]);
    let document = resource(case.resource);
    let policies = Policies {
        identity: &own,
        boundary: boundary.as_deref(),
        session: session.as_deref(),
        guard: Guard {
            account: Some(case.account),
            document: document.as_ref(),
            is_decisive: case.is_decisive,
            is_trust: false,
            grant: None,
        },
    };
    let request = Request {
        requester: requester(case.kind),
        action: "s3:GetObject",
        resource: BUCKET,
        context: &context,
    };
    evaluate(&policies, &request)
}

#[test]
fn the_pages_on_evaluation() {
    use Denial::{Explicit, Implicit};
    use RequesterKind::*;
    let root_arn = "+arn:aws:iam::111122223333:root";
    let user = "+arn:aws:iam::111122223333:user/ann";
    let role = "+arn:aws:iam::111122223333:role/work";
    let session = "+arn:aws:sts::111122223333:assumed-role/work/one";
    // Kind, identity, resource, boundary, session, account, decisive; what denies.
    type Row = (
        RequesterKind,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        bool,
        Option<Denial>,
    );
    let rows: Vec<Row> = vec![
        // Within one account.
        (
            User,
            "",
            "",
            "",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Identity)),
        ),
        (User, "+", "", "", "", HOME, false, None),
        (
            User,
            "-",
            "",
            "",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Identity)),
        ),
        (
            User,
            "-",
            user,
            "",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Identity)),
        ),
        (User, "", user, "", "", HOME, false, None),
        (User, "", "+*", "", "", HOME, false, None),
        (
            User,
            "",
            root_arn,
            "",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Identity)),
        ),
        (
            User,
            "+",
            "-*",
            "",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Resource)),
        ),
        (
            User,
            "+",
            "-arn:aws:iam::111122223333:root",
            "",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Resource)),
        ),
        (
            User,
            "+",
            "-arn:aws:iam::111122223333:user/bob",
            "",
            "",
            HOME,
            false,
            None,
        ),
        // Boundaries.
        (
            User,
            "+",
            "",
            ".",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Boundary)),
        ),
        (User, "+", "", "+", "", HOME, false, None),
        (
            User,
            "",
            "",
            "+",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Identity)),
        ),
        (
            User,
            "+",
            "",
            "-",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Boundary)),
        ),
        (User, "", user, ".", "", HOME, false, None),
        (
            AssumedRole,
            "",
            role,
            ".",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Boundary)),
        ),
        (AssumedRole, "", session, ".", "", HOME, false, None),
        // Sessions.
        (AssumedRole, "+", "", "", "+", HOME, false, None),
        (
            AssumedRole,
            "+",
            "",
            "",
            ".",
            HOME,
            false,
            Some(Implicit(Kind::Session)),
        ),
        (
            AssumedRole,
            "+",
            "",
            "",
            "-",
            HOME,
            false,
            Some(Explicit(Kind::Session)),
        ),
        (
            AssumedRole,
            "",
            "",
            "",
            "+",
            HOME,
            false,
            Some(Implicit(Kind::Identity)),
        ),
        (AssumedRole, "", role, "", "+", HOME, false, None),
        (
            AssumedRole,
            "",
            role,
            "",
            ".",
            HOME,
            false,
            Some(Implicit(Kind::Session)),
        ),
        (AssumedRole, "", session, "", ".", HOME, false, None),
        (
            AssumedRole,
            "",
            "+*",
            "",
            ".",
            HOME,
            false,
            Some(Implicit(Kind::Session)),
        ),
        (FederatedUser, "+", "", "", "+", HOME, false, None),
        (
            FederatedUser,
            "+",
            "",
            "",
            ".",
            HOME,
            false,
            Some(Implicit(Kind::Session)),
        ),
        // Across accounts: both must allow.
        (
            User,
            "+",
            "",
            "",
            "",
            AWAY,
            false,
            Some(Implicit(Kind::Resource)),
        ),
        (
            User,
            "",
            user,
            "",
            "",
            AWAY,
            false,
            Some(Implicit(Kind::Identity)),
        ),
        (User, "+", user, "", "", AWAY, false, None),
        (User, "+", root_arn, "", "", AWAY, false, None),
        (User, "+", "+*", "", "", AWAY, false, None),
        (
            User,
            "+",
            user,
            ".",
            "",
            AWAY,
            false,
            Some(Implicit(Kind::Boundary)),
        ),
        (
            AssumedRole,
            "+",
            session,
            "",
            ".",
            AWAY,
            false,
            Some(Implicit(Kind::Session)),
        ),
        // The account's root.
        (Root, "", "", "", "", HOME, false, None),
        (
            Root,
            "",
            "-*",
            "",
            "",
            HOME,
            false,
            Some(Explicit(Kind::Resource)),
        ),
        (
            Root,
            "",
            "",
            "",
            "",
            AWAY,
            false,
            Some(Implicit(Kind::Resource)),
        ),
        (Root, "", root_arn, "", "", AWAY, false, None),
        // Keys and roles, whose own policy decides.
        (
            User,
            "+",
            "",
            "",
            "",
            HOME,
            true,
            Some(Implicit(Kind::Resource)),
        ),
        (User, "+", root_arn, "", "", HOME, true, None),
        (
            User,
            "",
            root_arn,
            "",
            "",
            HOME,
            true,
            Some(Implicit(Kind::Identity)),
        ),
        (User, "", user, "", "", HOME, true, None),
        (
            User,
            "",
            "",
            "",
            "",
            HOME,
            true,
            Some(Implicit(Kind::Resource)),
        ),
        (
            Root,
            "",
            "",
            "",
            "",
            HOME,
            true,
            Some(Implicit(Kind::Resource)),
        ),
        (Root, "", root_arn, "", "", HOME, true, None),
        // Services and strangers have the resource's word alone.
        (
            Service,
            "+",
            "",
            "",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Resource)),
        ),
        (
            Service,
            "",
            "+ecs-tasks.amazonaws.com",
            "",
            "",
            HOME,
            false,
            None,
        ),
        (
            Service,
            "",
            "+ec2.amazonaws.com",
            "",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Resource)),
        ),
        (Anonymous, "", "+*", "", "", HOME, false, None),
        (
            Anonymous,
            "",
            root_arn,
            "",
            "",
            HOME,
            false,
            Some(Implicit(Kind::Resource)),
        ),
    ];
    for (kind, identity, resource, boundary, session, account, is_decisive, denial) in rows {
        let case = Case {
            kind,
            identity,
            resource,
            boundary,
            session,
            account,
            is_decisive,
        };
        let expected = denial.map_or(Decision::Allowed, Decision::Denied);
        assert_eq!(
            decide(&case),
            expected,
            "{kind:?} identity {identity} resource {resource} boundary {boundary} session {session} {account} {is_decisive}"
        );
    }
}

#[test]
fn sentences() {
    let said = |denial: Denial| denial.sentence(USER, "s3:GetObject", BUCKET);
    let user = "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: \
                s3:GetObject on resource: arn:aws:s3:::bucket/key";
    for (denial, end) in [
        (
            Denial::Implicit(Kind::Identity),
            "because no identity-based policy allows the s3:GetObject action",
        ),
        (
            Denial::Implicit(Kind::Boundary),
            "because no permissions boundary allows the s3:GetObject action",
        ),
        (
            Denial::Explicit(Kind::Identity),
            "with an explicit deny in an identity-based policy",
        ),
        (
            Denial::Explicit(Kind::Session),
            "with an explicit deny in a session policy",
        ),
    ] {
        assert_eq!(said(denial), format!("{user} {end}"));
    }
}

/// What a grant of KMS does beside policies
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>).
#[test]
fn grants() {
    let context = Context::new();
    let allowing: Vec<_> = identity("+").into_iter().collect();
    let denying: Vec<_> = identity("-").into_iter().collect();
    let silent =
        Document::parse(r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}"#);
    let silent = silent.expect("a policy");
    for (kind, own, boundary, account, reach, allowed) in [
        (
            RequesterKind::User,
            &[][..],
            None,
            HOME,
            Reach::Direct,
            true,
        ),
        (RequesterKind::User, &[], None, AWAY, Reach::Direct, true),
        (RequesterKind::User, &[], None, AWAY, Reach::Account, false),
        (
            RequesterKind::User,
            &allowing[..],
            None,
            AWAY,
            Reach::Account,
            true,
        ),
        (
            RequesterKind::User,
            &denying[..],
            None,
            HOME,
            Reach::Direct,
            false,
        ),
        (
            RequesterKind::User,
            &allowing[..],
            None,
            HOME,
            Reach::No,
            false,
        ),
        (
            RequesterKind::AssumedRole,
            &[],
            None,
            AWAY,
            Reach::Role,
            true,
        ),
        (
            RequesterKind::AssumedRole,
            &[],
            Some(&silent),
            AWAY,
            Reach::Role,
            false,
        ),
        (RequesterKind::Service, &[], None, HOME, Reach::Direct, true),
        (RequesterKind::Anonymous, &[], None, HOME, Reach::No, false),
    ] {
        let policies = Policies {
            identity: own,
            boundary,
            session: None,
            guard: Guard {
                account: Some(account),
                is_decisive: true,
                grant: Some(reach),
                ..Guard::default()
            },
        };
        let request = Request {
            requester: requester(kind),
            action: "s3:GetObject",
            resource: BUCKET,
            context: &context,
        };
        let decided = evaluate(&policies, &request).is_allowed();
        assert_eq!(decided, allowed, "{kind:?} {account} {reach:?}");
    }
}
