//! Users and groups.

use super::{ALLOW, Room, said};
use neargate_api_iam::{self as api, ops};

fn get(name: &str) -> api::GetUserInput {
    api::GetUserInput {
        user_name: Some(name.into()),
    }
}

#[tokio::test]
async fn a_user_is_made_shown_renamed_and_deleted() {
    let room = Room::new();
    let input = api::CreateUserInput {
        user_name: "Ann".into(),
        path: Some("/people/".into()),
        tags: Some(vec![api::Tag {
            key: "Team".into(),
            value: "a".into(),
        }]),
        ..Default::default()
    };
    let made = room.ask(ops::CreateUser, input.clone()).await.unwrap();
    let made = made.user.expect("a user");
    assert_eq!(
        made.arn.as_deref(),
        Some("arn:aws:iam::000000000000:user/people/Ann")
    );
    let id = made.user_id.clone().expect("an id");
    assert!(id.starts_with("AIDA") && id.len() == 21, "{id}");
    assert_eq!(
        said(room.ask(ops::CreateUser, input).await),
        "409 EntityAlreadyExists User with name Ann already exists."
    );
    // Names are told apart without regard to case.
    let other = api::CreateUserInput {
        user_name: "ANN".into(),
        ..Default::default()
    };
    assert!(room.ask(ops::CreateUser, other).await.is_err());
    let shown = room.ask(ops::GetUser, get("Ann")).await.unwrap();
    assert_eq!(shown.user, Some(made.clone()));

    let renamed = api::UpdateUserInput {
        user_name: "Ann".into(),
        new_user_name: Some("Bea".into()),
        new_path: None,
    };
    room.ask(ops::UpdateUser, renamed).await.unwrap();
    let shown = room
        .ask(ops::GetUser, get("Bea"))
        .await
        .unwrap()
        .user
        .expect("a user");
    assert_eq!(shown.user_id, made.user_id);
    assert_eq!(shown.path.as_deref(), Some("/people/"));
    assert_eq!(
        said(room.ask(ops::GetUser, get("Ann")).await),
        "404 NoSuchEntity The user with name Ann cannot be found."
    );
    let gone = api::DeleteUserInput {
        user_name: "Bea".into(),
    };
    room.ask(ops::DeleteUser, gone.clone()).await.unwrap();
    assert_eq!(
        said(room.ask(ops::DeleteUser, gone).await),
        "404 NoSuchEntity The user with name Bea cannot be found."
    );
}

#[tokio::test]
async fn names_and_paths_have_their_letters() {
    let room = Room::new();
    let create = |name: &str, path: &str| {
        let input = api::CreateUserInput {
            user_name: name.into(),
            path: Some(path.into()),
            ..Default::default()
        };
        room.ask(ops::CreateUser, input)
    };
    assert_eq!(
        said(create("a b", "/").await),
        "400 ValidationError The specified value for userName is invalid. It must contain only \
         alphanumeric characters and/or the following: +=,.@_-"
    );
    assert_eq!(
        said(create("ann", "people").await),
        "400 ValidationError The specified value for path is invalid. It must begin and end with / \
         and contain only alphanumeric characters and/or / characters."
    );
    assert!(said(create(&"a".repeat(65), "/").await).starts_with("400 ValidationError 1 valid"));
}

#[tokio::test]
async fn lists_have_pages_and_prefixes() {
    let room = Room::new();
    for (at, name) in ["a", "b", "c"].iter().enumerate() {
        let input = api::CreateUserInput {
            user_name: (*name).into(),
            path: Some(if at == 0 { "/x/".into() } else { "/y/".into() }),
            ..Default::default()
        };
        room.ask(ops::CreateUser, input).await.unwrap();
    }
    let mut input = api::ListUsersInput {
        max_items: Some(2),
        ..Default::default()
    };
    let first = room.ask(ops::ListUsers, input.clone()).await.unwrap();
    assert_eq!(first.users.map(|u| u.len()), Some(2));
    assert_eq!(first.is_truncated, Some(true));
    input.marker = first.marker;
    let second = room.ask(ops::ListUsers, input.clone()).await.unwrap();
    assert_eq!(second.users.map(|u| u.len()), Some(1));
    assert_eq!((second.is_truncated, second.marker), (Some(false), None));
    input.marker = Some("%%".into());
    assert!(said(room.ask(ops::ListUsers, input).await).contains("ValidationError"));
    let under = api::ListUsersInput {
        path_prefix: Some("/y/".into()),
        ..Default::default()
    };
    let under = room.ask(ops::ListUsers, under).await.unwrap();
    assert_eq!(under.users.map(|u| u.len()), Some(2));
}

#[tokio::test]
async fn a_user_that_still_has_something_is_not_deleted() {
    let room = Room::new();
    room.user("ann").await;
    let group = api::CreateGroupInput {
        group_name: "devs".into(),
        path: None,
    };
    room.ask(ops::CreateGroup, group).await.unwrap();
    let member = || (String::from("devs"), String::from("ann"));
    let (group_name, user_name) = member();
    let add = api::AddUserToGroupInput {
        group_name,
        user_name,
    };
    room.ask(ops::AddUserToGroup, add).await.unwrap();
    let delete = || {
        let user_name = "ann".into();
        room.ask(ops::DeleteUser, api::DeleteUserInput { user_name })
    };
    let delete_group = || {
        let group_name = "devs".into();
        room.ask(ops::DeleteGroup, api::DeleteGroupInput { group_name })
    };
    let in_use = "409 DeleteConflict Cannot delete entity, must";
    assert_eq!(
        said(delete().await),
        format!("{in_use} remove users from group first.")
    );
    assert_eq!(
        said(delete_group().await),
        format!("{in_use} remove users from group first.")
    );

    // A group is known by its id, so that its members stay when it has another name.
    let renamed = api::UpdateGroupInput {
        group_name: "devs".into(),
        new_group_name: Some("makers".into()),
        new_path: None,
    };
    room.ask(ops::UpdateGroup, renamed).await.unwrap();
    let of = api::ListGroupsForUserInput {
        user_name: "ann".into(),
        ..Default::default()
    };
    let groups = room.ask(ops::ListGroupsForUser, of).await.unwrap().groups;
    let groups = groups.expect("groups");
    assert_eq!(groups[0].group_name.as_deref(), Some("makers"));
    let asked = api::GetGroupInput {
        group_name: "makers".into(),
        ..Default::default()
    };
    let within = room.ask(ops::GetGroup, asked).await.unwrap().users;
    assert_eq!(within.map(|u| u.len()), Some(1));
    let (_, user_name) = member();
    let remove = api::RemoveUserFromGroupInput {
        group_name: "makers".into(),
        user_name,
    };
    room.ask(ops::RemoveUserFromGroup, remove.clone())
        .await
        .unwrap();
    assert!(said(room.ask(ops::RemoveUserFromGroup, remove).await).contains("NoSuchEntity"));

    let put = api::PutUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "own".into(),
        policy_document: ALLOW.into(),
    };
    room.ask(ops::PutUserPolicy, put).await.unwrap();
    assert_eq!(
        said(delete().await),
        format!("{in_use} delete policies first.")
    );
    let own = api::DeleteUserPolicyInput {
        user_name: "ann".into(),
        policy_name: "own".into(),
    };
    room.ask(ops::DeleteUserPolicy, own.clone()).await.unwrap();
    assert_eq!(
        said(room.ask(ops::DeleteUserPolicy, own).await),
        "404 NoSuchEntity The user policy with name own cannot be found."
    );
    let key = api::CreateAccessKeyInput {
        user_name: Some("ann".into()),
    };
    room.ask(ops::CreateAccessKey, key).await.unwrap();
    assert_eq!(
        said(delete().await),
        format!("{in_use} delete access keys first.")
    );
}

#[tokio::test]
async fn tags_know_no_case() {
    let room = Room::new();
    room.user("ann").await;
    let tag = |key: &str, value: &str| api::Tag {
        key: key.into(),
        value: value.into(),
    };
    let put = |tags: Vec<api::Tag>| {
        let user_name = "ann".into();
        room.ask(ops::TagUser, api::TagUserInput { user_name, tags })
    };
    put(vec![tag("Team", "a"), tag("cost", "1")]).await.unwrap();
    put(vec![tag("TEAM", "b")]).await.unwrap();
    let list = || {
        let input = api::ListUserTagsInput {
            user_name: "ann".into(),
            ..Default::default()
        };
        room.ask(ops::ListUserTags, input)
    };
    let tags = list().await.unwrap().tags;
    assert_eq!(tags, Some(vec![tag("TEAM", "b"), tag("cost", "1")]));
    assert_eq!(
        said(put(vec![tag("x", "1"), tag("X", "2")]).await),
        "400 InvalidInput Duplicate tag keys found. Please note that Tag keys are case insensitive."
    );
    let many = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
    assert!(said(put(many).await).starts_with("409 LimitExceeded"));
    let untag = api::UntagUserInput {
        user_name: "ann".into(),
        tag_keys: vec!["team".into()],
    };
    room.ask(ops::UntagUser, untag).await.unwrap();
    assert_eq!(list().await.unwrap().tags, Some(vec![tag("cost", "1")]));
}

#[tokio::test]
async fn changes_at_once_lose_nothing() {
    let room = Room::new();
    room.user("ann").await;
    let tag = |n: usize| api::TagUserInput {
        user_name: "ann".into(),
        tags: vec![api::Tag {
            key: format!("k{n}"),
            value: String::new(),
        }],
    };
    let all = (0..20).map(|n| room.ask(ops::TagUser, tag(n)));
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    let input = api::ListUserTagsInput {
        user_name: "ann".into(),
        ..Default::default()
    };
    let tags = room.ask(ops::ListUserTags, input).await.unwrap().tags;
    assert_eq!(tags.map(|t| t.len()), Some(20));
}
