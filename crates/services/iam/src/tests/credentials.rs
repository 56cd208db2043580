//! Keys, passwords and what else users show.

use super::{Room, said};
use neargate_api_iam::{self as api, ops};
use neargate_base::access_key;
use neargate_service::identity::Principal;

fn create(user: &str) -> api::CreateAccessKeyInput {
    api::CreateAccessKeyInput {
        user_name: Some(user.into()),
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_sealed() {
    let room = Room::new();
    room.user("ann").await;
    let key = room.ask(ops::CreateAccessKey, create("ann")).await.unwrap();
    let key = key.access_key.expect("a key");
    let id = key.access_key_id.expect("an id");
    let secret = key.secret_access_key.expect("a secret");
    assert_eq!(
        access_key::account(&id).as_ref(),
        Some(&room.lab.scope.account)
    );
    assert_eq!((id.len(), secret.len()), (20, 40));
    let page = room.lab.house.db.store().range("iam/", None, 1_000, None);
    for entry in page.await.unwrap().entries {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        assert!(!text.contains(&secret), "{}", entry.key);
    }
    room.ask(ops::CreateAccessKey, create("ann")).await.unwrap();
    assert_eq!(
        said(room.ask(ops::CreateAccessKey, create("ann")).await),
        "409 LimitExceeded Cannot exceed quota for AccessKeysPerUser: 2"
    );
    let used = api::GetAccessKeyLastUsedInput {
        access_key_id: id.clone(),
    };
    let used = room.ask(ops::GetAccessKeyLastUsed, used).await.unwrap();
    assert_eq!(used.user_name.as_deref(), Some("ann"));
    let used = used.access_key_last_used.expect("a use");
    assert_eq!(
        (used.last_used_date, used.region.as_deref()),
        (None, Some("N/A"))
    );
    let update = api::UpdateAccessKeyInput {
        user_name: Some("ann".into()),
        access_key_id: id.clone(),
        status: "Inactive".into(),
    };
    room.ask(ops::UpdateAccessKey, update).await.unwrap();
    let list = api::ListAccessKeysInput {
        user_name: Some("ann".into()),
        ..Default::default()
    };
    let listed = room
        .ask(ops::ListAccessKeys, list)
        .await
        .unwrap()
        .access_key_metadata;
    let listed = listed.expect("keys");
    let mine = listed
        .iter()
        .find(|k| k.access_key_id.as_ref() == Some(&id));
    assert_eq!(mine.and_then(|k| k.status.as_deref()), Some("Inactive"));
    let delete = api::DeleteAccessKeyInput {
        user_name: Some("ann".into()),
        access_key_id: id.clone(),
    };
    room.ask(ops::DeleteAccessKey, delete.clone())
        .await
        .unwrap();
    assert_eq!(
        said(room.ask(ops::DeleteAccessKey, delete).await),
        format!("404 NoSuchEntity The Access Key with id {id} cannot be found.")
    );
}

#[tokio::test]
async fn passwords_follow_the_account() {
    let room = Room::new();
    room.user("ann").await;
    let create = |password: &str| {
        let input = api::CreateLoginProfileInput {
            user_name: Some("ann".into()),
            password: Some(password.into()),
            password_reset_required: Some(true),
        };
        room.ask(ops::CreateLoginProfile, input)
    };
    assert!(said(create("short").await).starts_with("400 PasswordPolicyViolation"));
    create("Correct-Horse-1").await.unwrap();
    assert_eq!(
        said(create("Correct-Horse-1").await),
        "409 EntityAlreadyExists Login Profile for user ann already exists."
    );
    let policy = api::UpdateAccountPasswordPolicyInput {
        minimum_password_length: Some(20),
        ..Default::default()
    };
    room.ask(ops::UpdateAccountPasswordPolicy, policy)
        .await
        .unwrap();
    let update = api::UpdateLoginProfileInput {
        user_name: "ann".into(),
        password: Some("Correct-Horse-2".into()),
        password_reset_required: None,
    };
    assert!(said(room.ask(ops::UpdateLoginProfile, update).await).contains("PolicyViolation"));

    let mut ann = room.lab.cx();
    ann.principal = Principal::user("arn:aws:iam::000000000000:user/ann", "AIDA", "AKIA");
    let change = |old: &str, new: &str| {
        let input = api::ChangePasswordInput {
            old_password: old.into(),
            new_password: new.into(),
        };
        room.ask_as(ann.clone(), ops::ChangePassword, input)
    };
    let new = "a-longer-password-than-that";
    assert!(change("wrong", new).await.is_err());
    change("Correct-Horse-1", new).await.unwrap();
    assert!(
        change("Correct-Horse-1", new).await.is_err(),
        "it is not the old one any more"
    );
    let get = || {
        let user_name = Some("ann".into());
        room.ask(
            ops::GetLoginProfile,
            api::GetLoginProfileInput { user_name },
        )
    };
    let profile = get().await.unwrap().login_profile.expect("a profile");
    assert_eq!(profile.password_reset_required, Some(false));
    let delete = api::DeleteLoginProfileInput {
        user_name: Some("ann".into()),
    };
    room.ask(ops::DeleteLoginProfile, delete).await.unwrap();
    assert_eq!(
        said(get().await),
        "404 NoSuchEntity Login Profile for User ann cannot be found."
    );
}

#[tokio::test]
async fn names_and_passwords_for_git() {
    let room = Room::new();
    room.user("ann").await;
    let create = |service: &str| {
        let input = api::CreateServiceSpecificCredentialInput {
            user_name: "ann".into(),
            service_name: service.into(),
            credential_age_days: None,
        };
        room.ask(ops::CreateServiceSpecificCredential, input)
    };
    assert_eq!(
        said(create("lambda.amazonaws.com").await),
        "404 NoSuchEntity No such service lambda.amazonaws.com is supported for Service Specific \
         Credentials"
    );
    let made = create("codecommit.amazonaws.com").await.unwrap();
    let made = made.service_specific_credential.expect("a credential");
    assert_eq!(
        made.service_user_name.as_deref(),
        Some("ann-at-000000000000")
    );
    let reset = api::ResetServiceSpecificCredentialInput {
        user_name: Some("ann".into()),
        service_specific_credential_id: made.service_specific_credential_id.expect("an id"),
    };
    let new = room
        .ask(ops::ResetServiceSpecificCredential, reset)
        .await
        .unwrap();
    let new = new.service_specific_credential.expect("a credential");
    assert_ne!(new.service_password, made.service_password);
    let delete = api::DeleteUserInput {
        user_name: "ann".into(),
    };
    assert_eq!(
        said(room.ask(ops::DeleteUser, delete).await),
        "409 DeleteConflict Cannot delete entity, must remove referenced objects first."
    );
    let wrong = api::DeleteServiceSpecificCredentialInput {
        user_name: Some("ann".into()),
        service_specific_credential_id: "satisfiesregexbutstillinvalid".into(),
    };
    assert_eq!(
        said(room.ask(ops::DeleteServiceSpecificCredential, wrong).await),
        "404 NoSuchEntity No such credential satisfiesregexbutstillinvalid exists"
    );
}

#[tokio::test]
async fn ssh_keys_are_known_by_their_fingerprint() {
    let room = Room::new();
    room.user("ann").await;
    let body = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC1jzg5TEkACbWy50nS3FynMHHHuYF3wgbzYcDE1CofaEoY/DIUZc6BKUUAY3BCtT7KNXCpnozm0KpHwTkigf0Z+FuemSREXZXrGJBBbNRjGbKEsU1JJkB9HY1IsGKPGHgK4JFay31IFGkIX464ouZV4tXbfCilbUQIEg58X3Q8TDpPyWamkjFMClrirBHhIeCTYHiYMt7G0AtJW556INTvwDAAezAqgbge7LIzhy4uUO5vMa/x42Ix7eCtxOk81dKJiAEj9jX30rRwJkZUUzrd/PL+M9/gKsmQrcq0iwuPUG36ECVYf7avMkMXXdzUTBC/uIHtPU/DnEGOw615SdUh ann";
    let upload = |body: &str| {
        let input = api::UploadSSHPublicKeyInput {
            user_name: "ann".into(),
            ssh_public_key_body: body.into(),
        };
        room.ask(ops::UploadSSHPublicKey, input)
    };
    assert!(said(upload("nonsense").await).starts_with("400 UnrecognizedPublicKeyEncoding"));
    assert!(said(upload("ssh-rsa AAAA").await).starts_with("400 InvalidPublicKey"));
    let key = upload(body).await.unwrap().ssh_public_key.expect("a key");
    let id = key.ssh_public_key_id.expect("an id");
    assert!(id.starts_with("APKA"));
    assert!(said(upload(body).await).starts_with("400 DuplicateSSHPublicKey"));
    let get = api::GetSSHPublicKeyInput {
        user_name: "ann".into(),
        ssh_public_key_id: id,
        encoding: "PEM".into(),
    };
    let pem = room
        .ask(ops::GetSSHPublicKey, get)
        .await
        .unwrap()
        .ssh_public_key;
    let pem = pem.and_then(|k| k.ssh_public_key_body).expect("a body");
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(
        said(upload(&pem).await).starts_with("400 Duplicate"),
        "the same key"
    );
}
