//! Grants, and that a grant made by means of another lets nobody more.

use super::*;
use neargate_base::Timestamp;
use neargate_policy::RequesterKind;
use proptest::prelude::*;

const ANN: &str = "arn:aws:iam::111122223333:user/ann";
const ROLE: &str = "arn:aws:iam::999999999999:role/work";
const SESSION: &str = "arn:aws:sts::999999999999:assumed-role/work/one";

fn ann() -> Requester<'static> {
    Requester {
        kind: RequesterKind::User,
        arn: ANN,
        account: "111122223333",
        role: None,
    }
}

fn grant(grantee: &str, operations: &[&str]) -> Grant {
    Grant {
        id: "1".into(),
        key_id: "k".into(),
        name: None,
        grantee: Some(grantee.into()),
        retiring: None,
        operations: operations.iter().map(|o| (*o).to_owned()).collect(),
        context_subset: None,
        context_equals: None,
        source_arn: None,
        issued_by: String::new(),
        created_at: Timestamp::from_millis(0),
        token: String::new(),
    }
}

fn pairs(all: &[(&str, &str)]) -> Pairs {
    let all = all.iter();
    all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn asks(grant: &Grant, operation: &str, context: &Pairs) -> Reach {
    let asked = Asked {
        requester: ann(),
        operation,
        context,
        source_arn: None,
        made: None,
    };
    reach(grant, &asked)
}

#[test]
fn a_grant_lets_whom_it_names() {
    let none = Pairs::new();
    let own = grant(ANN, &["Decrypt", "DescribeKey"]);
    assert_eq!(asks(&own, "Decrypt", &none), Reach::Direct);
    assert_eq!(asks(&own, "Encrypt", &none), Reach::No);
    assert_eq!(asks(&own, "RetireGrant", &none), Reach::No);
    let of_account = grant("arn:aws:iam::111122223333:root", &["Decrypt"]);
    assert_eq!(asks(&of_account, "Decrypt", &none), Reach::Account);
    let other = grant(ROLE, &["Decrypt"]);
    assert_eq!(asks(&other, "Decrypt", &none), Reach::No);
    let session = Requester {
        kind: RequesterKind::AssumedRole,
        arn: SESSION,
        account: "999999999999",
        role: Some(ROLE),
    };
    let asked = Asked {
        requester: session,
        operation: "Decrypt",
        context: &none,
        source_arn: None,
        made: None,
    };
    assert_eq!(reach(&other, &asked), Reach::Role);
    assert_eq!(reach(&grant("*", &["Decrypt"]), &asked), Reach::No);
}

#[test]
fn constraints_bind_operations_with_a_context() {
    let equals = Grant {
        context_equals: Some(pairs(&[("Dept", "x")])),
        ..grant(ANN, &["Decrypt", "DescribeKey", "RetireGrant"])
    };
    for (context, expected) in [
        (pairs(&[("Dept", "x")]), Reach::Direct),
        (pairs(&[("dept", "x")]), Reach::Direct),
        (pairs(&[("Dept", "X")]), Reach::No),
        (pairs(&[("Dept", "x"), ("a", "b")]), Reach::No),
        (pairs(&[]), Reach::No),
    ] {
        assert_eq!(asks(&equals, "Decrypt", &context), expected, "{context:?}");
        assert_eq!(asks(&equals, "DescribeKey", &context), Reach::Direct);
        assert_eq!(asks(&equals, "RetireGrant", &context), Reach::Direct);
    }
    let subset = Grant {
        context_subset: Some(pairs(&[("Dept", "x")])),
        ..grant(ANN, &["Decrypt"])
    };
    let more = pairs(&[("Dept", "x"), ("a", "b")]);
    assert_eq!(asks(&subset, "Decrypt", &more), Reach::Direct);
    assert_eq!(asks(&subset, "Decrypt", &pairs(&[("a", "b")])), Reach::No);
    let sourced = Grant {
        source_arn: Some("arn:aws:sns:us-east-1:1:t".into()),
        ..grant(ANN, &["DescribeKey"])
    };
    assert_eq!(asks(&sourced, "DescribeKey", &more), Reach::No);
}

#[test]
fn the_retiring_principal_retires() {
    let none = Pairs::new();
    let retired = Grant {
        retiring: Some(ANN.into()),
        ..grant(ROLE, &["Decrypt"])
    };
    assert_eq!(asks(&retired, "RetireGrant", &none), Reach::Direct);
    assert_eq!(asks(&retired, "Decrypt", &none), Reach::No);
}

fn some_pairs() -> impl Strategy<Value = Pairs> {
    let key = prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned);
    let value = prop::sample::select(vec!["1", "2"]).prop_map(str::to_owned);
    prop::collection::btree_map(key, value, 0..3)
}

fn some_grant() -> impl Strategy<Value = Grant> {
    let names = vec!["Decrypt", "Encrypt", "CreateGrant"];
    let operations = prop::sample::subsequence(names, 1..4);
    let equals = prop::option::of(some_pairs());
    let subset = prop::option::of(some_pairs());
    (operations, equals, subset).prop_map(|(operations, equals, subset)| Grant {
        context_equals: equals,
        context_subset: subset,
        ..grant(ANN, &operations)
    })
}

proptest! {
    #[test]
    fn what_is_handed_on_lets_no_more(
        parent in some_grant(),
        child in some_grant(),
        context in some_pairs(),
    ) {
        let none = Pairs::new();
        let asked = Asked {
            requester: ann(),
            operation: "CreateGrant",
            context: &none,
            source_arn: None,
            made: Some(Made {
                operations: child.operations.iter().map(String::as_str).collect(),
                context_equals: child.context_equals.clone(),
                context_subset: child.context_subset.clone(),
                source_arn: None,
            }),
        };
        if reach(&parent, &asked) == Reach::Direct {
            for operation in ["Decrypt", "Encrypt"] {
                let by_child = asks(&child, operation, &context);
                prop_assert!(by_child <= asks(&parent, operation, &context));
            }
        }
    }
}
