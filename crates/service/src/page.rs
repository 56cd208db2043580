//! Paging: stable, opaque tokens that name the last item given out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A page of items and the token that continues behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next_token: Option<String>,
}

/// The token is not one of ours; each service has its own error for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

/// At most `limit` of `items` that come behind `token`, in the items' own order.
/// `id` names an item uniquely and orders it: items must ascend by it.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, InvalidToken> {
    let after = token.map(decode).transpose()?;
    let mut rest = items.into_iter().skip_while(|item| after.as_ref().is_some_and(|a| id(item) <= *a));
    let items: Vec<T> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next_token = items.last().filter(|_| more).map(|last| encode(&id(last)));
    Ok(Paged { items, next_token })
}

/// The opaque form of a position.
pub fn encode(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// The position a token stands for.
pub fn decode(token: &str) -> Result<String, InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
    String::from_utf8(bytes).map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let all: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
        let (mut got, mut token) = (Vec::new(), None::<String>);
        loop {
            let p = page(all.clone(), token.as_deref(), 3, String::clone).expect("own token");
            got.extend(p.items);
            match p.next_token {
                Some(t) => token = Some(t),
                None => break,
            }
        }
        assert_eq!(got, all);
        assert_eq!(page(all, Some("%%"), 3, String::clone), Err(InvalidToken));
    }
}
