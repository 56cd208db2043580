//! `GetRandomPassword`.

use crate::{SecretsManager, error};
use neargate_api_secretsmanager as api;
use neargate_service::{AwsError, Ctx, sealing};
use std::sync::Arc;

/// AWS's own.
const DEFAULT_LENGTH: i64 = 32;
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

pub async fn get_random_password(
    _: Arc<SecretsManager>,
    _: Ctx,
    input: api::GetRandomPasswordInput,
) -> Result<api::GetRandomPasswordOutput, AwsError> {
    let excluded = input.exclude_characters.clone().unwrap_or_default();
    let kinds: Vec<Vec<char>> = kinds(&input)
        .map(|kind| kind.chars().filter(|c| !excluded.contains(*c)).collect())
        .filter(|kind: &Vec<char>| !kind.is_empty())
        .collect();
    let length = input.password_length.unwrap_or(DEFAULT_LENGTH);
    let length = usize::try_from(length).unwrap_or_default();
    let each = input.require_each_included_type != Some(false);
    if kinds.is_empty() {
        return Err(error::parameter(
            "The password can't be generated because every character is excluded.",
        ));
    }
    if each && length < kinds.len() {
        return Err(error::parameter(
            "Password length is too short based on the required types.",
        ));
    }
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    let mut password: Vec<char> = (0..length).map(|_| all[below(all.len())]).collect();
    if each {
        for (at, kind) in places(length, kinds.len()).into_iter().zip(&kinds) {
            password[at] = kind[below(kind.len())];
        }
    }
    Ok(api::GetRandomPasswordOutput {
        random_password: Some(password.into_iter().collect()),
    })
}

fn kinds(input: &api::GetRandomPasswordInput) -> impl Iterator<Item = &'static str> {
    let without = |excluded: Option<bool>| excluded != Some(true);
    [
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            without(input.exclude_uppercase),
        ),
        (
            "abcdefghijklmnopqrstuvwxyz",
            without(input.exclude_lowercase),
        ),
        ("0123456789", without(input.exclude_numbers)),
        (PUNCTUATION, without(input.exclude_punctuation)),
        (" ", input.include_space == Some(true)),
    ]
    .into_iter()
    .filter_map(|(kind, is_in)| is_in.then_some(kind))
}

/// A number below `most`, each as likely as another.
fn below(most: usize) -> usize {
    let most = u32::try_from(most).expect("there are few characters");
    let fair = u32::MAX - u32::MAX % most;
    loop {
        let mut bytes = [0; 4];
        sealing::fill(&mut bytes);
        let drawn = u32::from_le_bytes(bytes);
        if drawn < fair {
            return usize::try_from(drawn % most).expect("32 bits fit");
        }
    }
}

/// `count` different places among `length`.
fn places(length: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..length).collect();
    (0..count)
        .map(|_| all.swap_remove(below(all.len())))
        .collect()
}
