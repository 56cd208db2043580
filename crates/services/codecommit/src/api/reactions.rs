//! Reactions to comments.

use super::comments::{change, comment, deleted};
use super::pulls::NOTHING;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Short code, emoji and code point of each reaction
/// (<https://docs.aws.amazon.com/codecommit/latest/userguide/how-to-commit-comment.html#emoji-reaction-table>).
const REACTIONS: [(&str, &str, &str); 8] = [
    (":thumbsup:", "👍", "U+1F44D"),
    (":thumbsdown:", "👎", "U+1F44E"),
    (":smile:", "😄", "U+1F604"),
    (":heart:", "❤", "U+2764"),
    (":angry:", "😠", "U+1F620"),
    (":confused:", "😕", "U+1F615"),
    (":scream:", "😱", "U+1F631"),
    (":sob:", "😭", "U+1F62D"),
];

pub async fn put_comment_reaction(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PutCommentReactionInput,
) -> Result<Unit, AwsError> {
    let given = input.reaction_value.trim();
    let known = REACTIONS.iter().find(|(code, emoji, point)| {
        let bare = given.trim_end_matches('\u{fe0f}');
        given == *code
            || given.trim_matches(':') == code.trim_matches(':')
            || bare == *emoji
            || given == *point
    });
    let takes_away = matches!(given, "" | "none");
    if known.is_none() && !takes_away {
        return Err(error::shown(
            "InvalidReactionValueException",
            "The value of the reaction is not valid. For more information, see the CodeCommit User Guide.",
        ));
    }
    change(&cx, &input.comment_id, None, |comment| {
        let who = cx.principal.arn.clone();
        match known {
            Some((code, ..)) => comment.reactions.insert(who, (*code).to_owned()),
            None => comment.reactions.remove(&who),
        };
        Ok(())
    })
    .await?;
    Ok(NOTHING)
}

pub async fn get_comment_reactions(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetCommentReactionsInput,
) -> Result<api::GetCommentReactionsOutput, AwsError> {
    let found = comment(&cx, &input.comment_id).await?;
    if found.content.is_none() {
        return Err(deleted());
    }
    let asked = input.reaction_user_arn.as_ref();
    let mut all = Vec::new();
    for (code, emoji, point) in REACTIONS {
        let of = found
            .reactions
            .iter()
            .filter(|(who, had)| had.as_str() == code && asked.is_none_or(|asked| asked == *who));
        let users: Vec<String> = of.map(|(who, _)| who.clone()).collect();
        if !users.is_empty() {
            all.push(api::ReactionForComment {
                reaction: Some(api::ReactionValueFormats {
                    emoji: Some(emoji.to_owned()),
                    short_code: Some(code.to_owned()),
                    unicode: Some(point.to_owned()),
                }),
                reaction_users: Some(users),
                reactions_from_deleted_users_count: Some(0),
            });
        }
    }
    Ok(api::GetCommentReactionsOutput {
        reactions_for_comment: Some(all),
        next_token: None,
    })
}
