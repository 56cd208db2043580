//! Passwords of users. Hashing takes a tenth of a second on purpose, so it is done before the
//! account is looked at, away from the threads that carry calls.

use crate::Iam;
use crate::call::{Change, View};
use crate::model::{LoginProfile, User};
use crate::{error, password};
use neargate_api_iam as api;
use neargate_base::task;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// As many as a policy may ask to be remembered.
const MOST_EARLIER: usize = 24;

async fn hashed(cx: &Ctx, text: &str) -> Result<String, AwsError> {
    let (house, text) = (cx.house.clone(), text.to_owned());
    let work = move || password::hash(&text, &house.rng);
    task::spawn_blocking(work).await.map_err(AwsError::internal)
}

/// The first of the hashes that is this password's.
async fn matching(hashes: Vec<String>, text: &str) -> Result<Option<usize>, AwsError> {
    let text = text.to_owned();
    let work = move || hashes.iter().position(|hash| password::is(&text, hash));
    task::spawn_blocking(work).await.map_err(AwsError::internal)
}

fn profile(view: &View, user: &User) -> Result<Arc<Stored<LoginProfile>>, AwsError> {
    let found = view.login_profiles.named(&user.unique_id).cloned();
    found.ok_or_else(|| error::login_profile_not_found(&user.name))
}

fn shown(user: &User, profile: &LoginProfile) -> api::LoginProfile {
    api::LoginProfile {
        user_name: Some(user.name.clone()),
        create_date: Some(profile.created_at),
        password_reset_required: Some(profile.reset_required),
    }
}

fn check(view: &View, user: &User, text: &str) -> Result<(), AwsError> {
    let policy = view.set().password_policy;
    match password::conforms(text, &user.name, policy.as_ref()) {
        true => Ok(()),
        false => Err(error::password_rules()),
    }
}

pub async fn create_login_profile(
    iam: Arc<Iam>,
    cx: Ctx,
    input: api::CreateLoginProfileInput,
) -> Result<api::CreateLoginProfileOutput, AwsError> {
    let Some(text) = input.password else {
        return Err(error::validation("Password is required."));
    };
    let hash = hashed(&cx, &text).await?;
    let decide = |call: &mut Change| {
        let user = call.meant_user(input.user_name.as_deref())?;
        if call.login_profiles.named(&user.unique_id).is_some() {
            return Err(error::login_profile_taken(&user.name));
        }
        check(call, &user, &text)?;
        let profile = LoginProfile {
            user: user.unique_id.clone(),
            hash: hash.clone(),
            earlier: Vec::new(),
            reset_required: input.password_reset_required.unwrap_or_default(),
            created_at: call.now(),
            changed_at: call.now(),
        };
        call.create(&profile);
        Ok(shown(&user, &profile))
    };
    let made = iam.change(cx, decide).await?;
    Ok(api::CreateLoginProfileOutput {
        login_profile: Some(made),
    })
}

pub fn get_login_profile(
    view: &View,
    input: api::GetLoginProfileInput,
) -> Result<api::GetLoginProfileOutput, AwsError> {
    let user = view.meant_user(input.user_name.as_deref())?;
    let profile = profile(view, &user)?;
    Ok(api::GetLoginProfileOutput {
        login_profile: Some(shown(&user, &profile)),
    })
}

/// Writes a new password down, and keeps the old one's hash.
fn replace(call: &mut Change, profile: &Stored<LoginProfile>, hash: &str) {
    let now = call.now();
    call.modify(profile, |profile| {
        let old = std::mem::replace(&mut profile.hash, hash.to_owned());
        profile.earlier.insert(0, old);
        profile.earlier.truncate(MOST_EARLIER);
        profile.changed_at = now;
        profile.reset_required = false;
    });
}

pub async fn update_login_profile(
    iam: Arc<Iam>,
    cx: Ctx,
    input: api::UpdateLoginProfileInput,
) -> Result<Unit, AwsError> {
    let hash = match &input.password {
        Some(text) => Some(hashed(&cx, text).await?),
        None => None,
    };
    let decide = |call: &mut Change| {
        let user = call.user(&input.user_name)?;
        let there = profile(call, &user)?;
        if let Some(text) = &input.password {
            check(call, &user, text)?;
        }
        let now = call.now();
        call.modify(&there, |profile| {
            if let Some(hash) = &hash {
                let old = std::mem::replace(&mut profile.hash, hash.clone());
                profile.earlier.insert(0, old);
                profile.earlier.truncate(MOST_EARLIER);
                profile.changed_at = now;
            }
            if let Some(required) = input.password_reset_required {
                profile.reset_required = required;
            }
        });
        Ok(())
    };
    iam.change(cx, decide).await?;
    Ok(Unit)
}

pub fn delete_login_profile(
    call: &mut Change,
    input: api::DeleteLoginProfileInput,
) -> Result<(), AwsError> {
    let user = call.meant_user(input.user_name.as_deref())?;
    let profile = profile(call, &user)?;
    call.delete(&profile);
    Ok(())
}

/// A user changes the own password
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ChangePassword.html>).
pub async fn change_password(
    iam: Arc<Iam>,
    cx: Ctx,
    input: api::ChangePasswordInput,
) -> Result<Unit, AwsError> {
    let view = iam.view(cx.clone()).await;
    let user = view.meant_user(None)?;
    let there = profile(&view, &user)?;
    let old = matching(vec![there.hash.clone()], &input.old_password).await?;
    if old.is_none() {
        return Err(error::wrong_password());
    }
    check(&view, &user, &input.new_password)?;
    let remembered = view.set().password_policy.and_then(|p| p.remembered);
    let remembered = remembered
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    let before = [std::slice::from_ref(&there.hash), &there.earlier].concat();
    let before = before.into_iter().take(remembered).collect();
    if matching(before, &input.new_password).await?.is_some() {
        return Err(error::password_rules());
    }
    let hash = hashed(&cx, &input.new_password).await?;
    let decide = |call: &mut Change| {
        let now_there = profile(call, &user)?;
        // Somebody else changed it meanwhile: the old password is no longer the old one.
        if now_there.revision != there.revision {
            return Err(error::wrong_password());
        }
        replace(call, &now_there, &hash);
        Ok(())
    };
    iam.change(cx, decide).await?;
    Ok(Unit)
}
