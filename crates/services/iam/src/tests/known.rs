//! What others ask of IAM.

use super::{ALLOW, Room, TRUST};
use neargate_api_iam::{self as api, ops};
use neargate_base::Timestamp;
use neargate_service::identity::Principal;
use neargate_store::{Op, Txn};

const ANN: &str = "arn:aws:iam::000000000000:user/people/ann";

async fn ann(room: &Room) -> api::AccessKey {
    let input = api::CreateUserInput {
        user_name: "ann".into(),
        path: Some("/people/".into()),
        ..Default::default()
    };
    room.ask(ops::CreateUser, input).await.unwrap();
    let user_name = Some("ann".into());
    let key = room
        .ask(
            ops::CreateAccessKey,
            api::CreateAccessKeyInput { user_name },
        )
        .await;
    key.unwrap().access_key.expect("a key")
}

#[tokio::test]
async fn a_key_is_known_at_once_and_as_long_as_it_lives() {
    let room = Room::new();
    let made = ann(&room).await;
    let id = made.access_key_id.expect("an id");
    let known = room.lab.house.identities.get();
    let key = known.key(&id).expect("known");
    assert_eq!(Some(key.secret.expose()), made.secret_access_key.as_ref());
    assert_eq!((&*key.principal, key.active), (ANN, true));
    assert!(known.key(&id.to_lowercase()).is_none() && known.key("AKIA").is_none());

    known.used(&id, "ecs", "eu-west-1", Timestamp::from_millis(5_000));
    let used = api::GetAccessKeyLastUsedInput {
        access_key_id: id.clone(),
    };
    let used = room
        .ask(ops::GetAccessKeyLastUsed, used)
        .await
        .unwrap()
        .access_key_last_used;
    let used = used.expect("a use");
    assert_eq!(
        (used.service_name.as_deref(), used.region.as_deref()),
        (Some("ecs"), Some("eu-west-1"))
    );

    let off = api::UpdateAccessKeyInput {
        user_name: Some("ann".into()),
        access_key_id: id.clone(),
        status: "Inactive".into(),
    };
    room.ask(ops::UpdateAccessKey, off).await.unwrap();
    assert!(!known.key(&id).expect("known").active);
    let gone = api::DeleteAccessKeyInput {
        user_name: Some("ann".into()),
        access_key_id: id.clone(),
    };
    room.ask(ops::DeleteAccessKey, gone).await.unwrap();
    assert!(known.key(&id).is_none());
}

#[tokio::test]
async fn policies_are_a_users_own_and_its_groups() {
    let room = Room::new();
    ann(&room).await;
    let principal = Principal::user(ANN, "AIDA", "AKIA");
    let known = room.lab.house.identities.get();
    let policies = || known.policies(&principal);
    assert_eq!((policies().own.len(), policies().of_groups.len()), (0, 0));
    let put = api::PutUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "own".into(),
        policy_document: ALLOW.into(),
    };
    room.ask(ops::PutUserPolicy, put).await.unwrap();
    let group = api::CreateGroupInput {
        group_name: "devs".into(),
        path: None,
    };
    room.ask(ops::CreateGroup, group).await.unwrap();
    let attach = api::AttachGroupPolicyInput {
        group_name: "devs".into(),
        policy_arn: "arn:aws:iam::aws:policy/ReadOnlyAccess".into(),
    };
    room.ask(ops::AttachGroupPolicy, attach).await.unwrap();
    let add = api::AddUserToGroupInput {
        group_name: "devs".into(),
        user_name: "ann".into(),
    };
    room.ask(ops::AddUserToGroup, add).await.unwrap();
    let now = policies();
    assert_eq!((now.own.len(), now.of_groups.len()), (1, 1));
    assert!(
        std::sync::Arc::ptr_eq(&now, &policies()),
        "kept until something changes"
    );
    // The same name under another path is somebody else.
    let other = Principal::user("arn:aws:iam::000000000000:user/ann", "AIDA", "AKIA");
    assert!(known.policies(&other).own.is_empty());
    let delete = api::DeleteUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "own".into(),
    };
    room.ask(ops::DeleteUserPolicy, delete).await.unwrap();
    assert!(policies().own.is_empty());
}

#[tokio::test]
async fn roles_are_known_by_their_whole_arn() {
    let room = Room::new();
    let input = api::CreateRoleInput {
        role_name: "task".into(),
        path: Some("/a/b/".into()),
        assume_role_policy_document: TRUST.into(),
        max_session_duration: Some(7_200),
        permissions_boundary: Some("arn:aws:iam::aws:policy/ReadOnlyAccess".into()),
        ..Default::default()
    };
    room.ask(ops::CreateRole, input).await.unwrap();
    let known = room.lab.house.identities.get();
    let role = known
        .role("arn:aws:iam::000000000000:role/a/b/task")
        .expect("known");
    assert_eq!(role.max_session.as_secs(), 7_200);
    assert!(role.boundary.is_some());
    for other in [
        "arn:aws:iam::000000000000:role/task",
        "arn:aws:iam::111111111111:role/a/b/task",
        "arn:aws:iam::000000000000:user/a/b/task",
        "arn:aws:sts::000000000000:assumed-role/task/x",
    ] {
        assert!(known.role(other).is_none(), "{other}");
    }
    let account = &room.lab.scope.account;
    assert!(
        known
            .managed_policy(account, "arn:aws:iam::aws:policy/AdministratorAccess")
            .is_some()
    );
    assert!(
        known
            .managed_policy(account, "arn:aws:iam::aws:policy/Nothing")
            .is_none()
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_nobodys() {
    let room = Room::new();
    let id = ann(&room).await.access_key_id.expect("an id");
    let broken = Op::Put {
        key: "iam/user/000000000000/us-east-1/ann".into(),
        value: "{}".into(),
        lease: None,
    };
    let txn = Txn {
        ops: vec![broken],
        ..Txn::default()
    };
    room.lab.house.db.store().txn(txn).await.unwrap();
    // Whoever writes after it has seen it.
    room.user("bea").await;
    let known = room.lab.house.identities.get();
    assert!(known.key(&id).is_none());
    let list = room.ask(ops::ListUsers, Default::default()).await.unwrap();
    assert_eq!(list.users.map(|u| u.len()), Some(1));
}
