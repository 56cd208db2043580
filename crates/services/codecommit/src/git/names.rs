//! Which names callers may give: of repositories, references, objects and paths. Pure.

/// `refs/heads/`.
pub const HEADS: &str = "refs/heads/";
/// `refs/tags/`.
pub const TAGS: &str = "refs/tags/";
/// The id of no object.
pub const NOTHING: &str = "0000000000000000000000000000000000000000";
/// The longest name of a reference.
const LONGEST: usize = 256;

/// "letters, numbers, periods, underscores, and dashes between 1 and 100 characters … cannot end in .git"
/// (<https://docs.aws.amazon.com/codecommit/latest/userguide/limits.html>).
pub fn is_repository(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=100).contains(&name.len())
        && name.bytes().all(known)
        && !name.ends_with(".git")
        && !matches!(name, "." | "..")
}

/// Is it the id of an object, whole and in hexadecimal?
pub fn is_object(id: &str) -> bool {
    id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// As `git check-ref-format` judges a name behind `refs/heads/`.
pub fn is_reference(name: &str) -> bool {
    let bad = |c: char| c <= ' ' || c == '\x7f' || "~^:?*[\\".contains(c);
    let component =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    (1..=LONGEST).contains(&name.len())
        && !name.contains(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && !name.ends_with('.')
        && !name.starts_with('-')
        && name.split('/').all(component)
}

/// A path within a tree, without the slash that callers may begin it with: `None` where it climbs, has empty
/// parts, or is of git's own.
pub fn path(given: &str) -> Option<&str> {
    let path = given.strip_prefix('/').unwrap_or(given);
    let path = path.strip_suffix('/').unwrap_or(path);
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    let is_good = !path.contains(['\0', '\n']) && path.len() <= 4096 && path.split('/').all(good);
    is_good.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "My.Repo_1-x", &"a".repeat(100)] {
            assert!(is_repository(good), "{good}");
        }
        for bad in ["", "a b", "a.git", "..", "a/b", "é", &"a".repeat(101)] {
            assert!(!is_repository(bad), "{bad}");
        }
        for good in ["main", "feature/a", "ä", "a.b", "v1.0"] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            "", "a..b", "a b", "-x", "a~1", "a^", "x:y", ".a", "a/.b", "a.lock", "a/", "/a",
            "a//b", "@", "a@{1}", "a.", "a\nb",
        ] {
            assert!(!is_reference(bad), "{bad:?}");
        }
    }

    #[test]
    fn paths() {
        assert_eq!(path("/src/a b.rs"), Some("src/a b.rs"));
        assert_eq!(path("docs/"), Some("docs"));
        for bad in [
            "",
            "/",
            "a/../b",
            "./a",
            "a//b",
            ".git/config",
            "a/.GIT",
            "a\nb",
        ] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
    }
}
