//! What the script of a build's phases says: its events make phases, its output makes the log.

use super::container::{self, Failed};
use neargate_service::House;
use neargate_service::session::Place;

/// How much of the log comes at once.
pub const LOG_BYTES: usize = 256 << 10;
/// More than any build has to tell.
const EVENTS_BYTES: usize = 4 << 20;

/// A look into the container.
#[derive(Debug, PartialEq, Eq)]
pub struct Look {
    pub done: bool,
    pub events: String,
    pub log: Vec<u8>,
}

/// What is new behind the first `logged` bytes of the log, and all events.
pub async fn look(house: &House, place: &Place, logged: u64) -> Result<Look, Failed> {
    let script = format!(
        "cd /codebuild/run || exit 92
d=0; [ -e done ] && d=1
e=$(cat events 2>/dev/null)
printf '%s %s\\n%s' \"$d\" \"$(printf %s \"$e\" | wc -c)\" \"$e\"
[ -e log ] || exit 0
tail -c +{} log | head -c {LOG_BYTES}",
        logged + 1
    );
    let said = container::run(house, place, &script, None, EVENTS_BYTES + LOG_BYTES).await?;
    read(&said.bytes).ok_or_else(|| Failed::Away("the container's answer is cut off".to_owned()))
}

fn read(bytes: &[u8]) -> Option<Look> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut parts = head.split_whitespace();
    let done = parts.next()? == "1";
    let length: usize = parts.next()?.parse().ok()?;
    let rest = &bytes[end + 1..];
    let events = rest.get(..length)?;
    Some(Look {
        done,
        events: String::from_utf8_lossy(events).into_owned(),
        log: rest[length..].to_vec(),
    })
}

/// The most of a log that is kept as one object.
const WHOLE_BYTES: usize = 64 << 20;

/// All of the log; of a longer one its end.
pub async fn whole(house: &House, place: &Place) -> Result<Vec<u8>, Failed> {
    let script = format!("tail -c {WHOLE_BYTES} /codebuild/run/log");
    let said = container::run(house, place, &script, None, WHOLE_BYTES).await?;
    Ok(said.bytes)
}

/// The small files of a directory of the script's, by their names.
pub async fn small_files(
    house: &House,
    place: &Place,
    directory: &str,
) -> Result<Vec<(String, String)>, Failed> {
    let script = format!(
        "cd /codebuild/run/{directory} 2>/dev/null || exit 0
for f in *; do [ -f \"$f\" ] && printf '%s %s\\n' \"$(wc -c <\"$f\")\" \"$f\" && cat \"$f\"; done; exit 0"
    );
    let said = container::run(house, place, &script, None, EVENTS_BYTES).await?;
    let mut rest = &said.bytes[..];
    let mut files = Vec::new();
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let Some((length, name)) = head.trim_start().split_once(' ') else {
            break;
        };
        let Some(content) = length
            .parse::<usize>()
            .ok()
            .and_then(|n| rest.get(end + 1..end + 1 + n))
        else {
            break;
        };
        let text = String::from_utf8_lossy(content).into_owned();
        files.push((name.to_owned(), text));
        rest = &rest[end + 1 + content.len()..];
    }
    Ok(files)
}

/// Text that may be shown: whole lines, but for a piece without an end or at the end of all.
pub fn whole_lines(log: &[u8], last: bool) -> &[u8] {
    let end = log.iter().rposition(|b| *b == b'\n').map(|at| at + 1);
    match end {
        _ if last => log,
        Some(end) => &log[..end],
        None if log.len() >= LOG_BYTES => log,
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let look = read(b"1 5\nB x 1line\nrest").expect("read");
        assert_eq!(look.events, "B x 1");
        assert!(look.done);
        assert_eq!(look.log, b"line\nrest");
        assert_eq!(whole_lines(&look.log, false), b"line\n");
        assert_eq!(whole_lines(&look.log, true), b"line\nrest");
        assert_eq!(read(b"1 50\nB"), None);
    }
}
