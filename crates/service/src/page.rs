//! Paging: stable, opaque tokens that name the last item given out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A page of items and the token that continues behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next_token: Option<String>,
}

/// How many items a page of an operation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub least: usize,
    pub most: usize,
    /// When the call asks for no number.
    pub default: usize,
}

/// The call asks for a page that is too small or too large; each service has its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

impl Size {
    /// As many as there are, unless the call asks for fewer.
    pub const ANY: Size = Size::up_to(usize::MAX);

    /// From one item to `most`, which is the default too.
    pub const fn up_to(most: usize) -> Size {
        Size {
            least: 1,
            most,
            default: most,
        }
    }

    /// What the call asks for, or the nearest that a page may have: for operations whose model
    /// refuses other numbers already, or where AWS takes them in silence.
    pub fn clamp(self, asked: Option<i32>) -> usize {
        asked
            .and_then(|n| usize::try_from(n).ok())
            .map_or(self.default, |n| n.clamp(self.least, self.most))
    }

    /// What the call asks for.
    ///
    /// # Errors
    /// When a page may not have so few or so many.
    pub fn check(self, asked: Option<i32>) -> Result<usize, OutOfRange> {
        let Some(asked) = asked else {
            return Ok(self.default);
        };
        let size = usize::try_from(asked).map_err(|_| OutOfRange)?;
        if (self.least..=self.most).contains(&size) {
            Ok(size)
        } else {
            Err(OutOfRange)
        }
    }
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
    behind(items, token, limit, id, |id, after| id > after)
}

/// [`page`] for items that descend by `id`.
pub fn page_descending<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, InvalidToken> {
    behind(items, token, limit, id, |id, after| id < after)
}

fn behind<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> String,
    is_behind: fn(&str, &str) -> bool,
) -> Result<Paged<T>, InvalidToken> {
    let after = token.map(decode).transpose()?;
    let seen = |item: &T| {
        after
            .as_ref()
            .is_some_and(|after| !is_behind(&id(item), after))
    };
    let mut rest = items.into_iter().skip_while(seen);
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
    fn sizes() {
        let size = Size {
            least: 5,
            ..Size::up_to(100)
        };
        let asked = [None, Some(5), Some(100), Some(4), Some(101), Some(-1)];
        assert_eq!(asked.map(|n| size.clamp(n)), [100, 5, 100, 5, 100, 100]);
        let checked = asked.map(|n| size.check(n).ok());
        assert_eq!(checked, [Some(100), Some(5), Some(100), None, None, None]);
        assert_eq!(Size::ANY.clamp(None), usize::MAX);
    }

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
        assert_eq!(
            page(all.clone(), Some("%%"), 3, String::clone),
            Err(InvalidToken)
        );
        let down: Vec<String> = all.into_iter().rev().collect();
        let first = page_descending(down.clone(), None, 4, String::clone).expect("no token");
        let rest = page_descending(down, first.next_token.as_deref(), 9, String::clone);
        assert_eq!(
            rest.expect("own token").items,
            ["k5", "k4", "k3", "k2", "k1", "k0"]
        );
    }
}
