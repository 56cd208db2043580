//! Log files: a file for each node and five minutes, compressed, under AWS's names.
//!
//! A file grows below `.open` as text and is moved to its place once its time is over, whole. What a
//! process that was killed left there is finished by the next one. Lines are written as long as the disk
//! has room, and dropped when more come than can be written: these logs are no full account, as on AWS.

use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_base::time::{Clock as _, SystemClock, Timestamp};
use neargate_base::{DiskSpace, Rng};
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// What one file holds.
const PERIOD_SECONDS: i64 = 300;
/// How many lines may wait to be written.
const WAITING_MAX: usize = 64 * 1024;
/// A file that has so much text ends before its time; a bucket gets objects of a tenth of it.
const FILE_BYTES: usize = 256 << 20;
const FLUSH: Duration = Duration::from_secs(1);
/// A disk that takes no more than this is full.
const ROOM_BYTES: u64 = 1 << 20;
const OPEN: &str = ".open";

/// Where logs of one kind of a load balancer go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    pub bucket: String,
    pub prefix: String,
    /// Such as `conn_log.`, which names of connection logs begin with.
    pub kind: &'static str,
    pub load_balancer_arn: String,
}

impl Destination {
    /// The directory and the begin and the end of the name of a file that ends then
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-file-format>).
    /// `None`: this is no place for files.
    fn file(&self, node: Ipv4Addr, end: Timestamp, random: &str) -> Option<PathBuf> {
        let mut arn = self.load_balancer_arn.splitn(6, ':').skip(3);
        let (region, account) = (arn.next()?, arn.next()?);
        let id = arn.next()?.strip_prefix("loadbalancer/")?.replace('/', ".");
        let end = end.rfc3339();
        let (date, time) = (end.get(..10)?, end.get(11..16)?);
        let end = format!("{}T{}Z", date.replace('-', ""), time.replace(':', ""));
        let kind = self.kind;
        let name =
            format!("{kind}{account}_elasticloadbalancing_{region}_{id}_{end}_{node}_{random}.log");
        let parts = std::iter::once(self.bucket.as_str()).chain(self.prefix.split('/'));
        let mut path = PathBuf::new();
        for part in parts.filter(|part| !part.is_empty()) {
            if part.starts_with('.') || part.contains('\0') {
                return None;
            }
            path.push(part);
        }
        path.push("AWSLogs");
        path.extend([account, "elasticloadbalancing", region]);
        path.push(date.replace('-', "/"));
        path.push(name);
        Some(path)
    }
}

/// Takes lines.
#[derive(Debug, Clone)]
pub struct Logs(SyncSender<Line>);

#[derive(Debug)]
struct Line {
    destination: Arc<Destination>,
    node: Ipv4Addr,
    text: String,
}

impl Logs {
    /// Writes below this directory.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn start(dir: PathBuf, rng: Arc<Rng>) -> io::Result<Logs> {
        let (tell, told) = sync_channel(WAITING_MAX);
        let writer = Writer {
            dir,
            rng,
            open: HashMap::new(),
            is_full: false,
        };
        let thread = std::thread::Builder::new().name("balancer-logs".into());
        thread.spawn(move || writer.run(&told))?;
        Ok(Logs(tell))
    }

    pub fn write(&self, destination: &Arc<Destination>, node: Ipv4Addr, text: String) {
        let line = Line {
            destination: Arc::clone(destination),
            node,
            text,
        };
        // What is too much is dropped.
        let _ = self.0.try_send(line);
    }
}

struct Writer {
    dir: PathBuf,
    rng: Arc<Rng>,
    open: HashMap<(Arc<Destination>, Ipv4Addr), Open>,
    is_full: bool,
}

/// A file that grows.
struct Open {
    file: io::BufWriter<File>,
    /// Below the directory of open files, and below that of all.
    path: PathBuf,
    end: Timestamp,
    bytes: usize,
}

impl Writer {
    /// Until nobody has lines any more.
    fn run(mut self, told: &Receiver<Line>) {
        self.finish_others();
        let mut flushed = SystemClock.now();
        loop {
            let line = told.recv_timeout(FLUSH);
            let now = SystemClock.now();
            match line {
                Ok(line) if !self.is_full => {
                    if let Err(error) = self.write(line, now) {
                        tracing::warn!(%error, "a line of a log is lost");
                    }
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(|_| true),
            }
            if now.since(flushed) >= FLUSH {
                flushed = now;
                self.flush(now);
            }
        }
    }

    fn write(&mut self, line: Line, now: Timestamp) -> io::Result<()> {
        let key = (line.destination, line.node);
        if !self.open.contains_key(&key) {
            let open = Open::new(&self.dir, &key.0, key.1, now, &self.rng)?;
            self.open.insert(key.clone(), open);
        }
        match self.open.get_mut(&key) {
            Some(open) => {
                open.bytes += line.text.len();
                open.file.write_all(line.text.as_bytes())
            }
            None => Ok(()),
        }
    }

    fn flush(&mut self, now: Timestamp) {
        for open in self.open.values_mut() {
            if let Err(error) = open.file.flush() {
                tracing::warn!(%error, "lines of a log are lost");
            }
        }
        let had = self.open.len();
        self.finish(|open| open.end <= now || open.bytes >= FILE_BYTES);
        if self.open.len() < had {
            self.finish_others();
        }
        let space = DiskSpace::at(&self.dir);
        let is_full = space.is_ok_and(|space| !space.takes(ROOM_BYTES));
        if is_full && !self.is_full {
            tracing::warn!("the disk is full: logs of load balancers are not written");
        }
        self.is_full = is_full;
    }

    fn finish(&mut self, is_over: impl Fn(&Open) -> bool) {
        let dir = &self.dir;
        self.open.retain(|_, open| {
            if !is_over(open) {
                return true;
            }
            let done = open.file.flush().and_then(|()| finish(dir, &open.path));
            if let Err(error) = done {
                tracing::warn!(%error, path = %open.path.display(), "a log is not finished");
            }
            false
        });
    }

    /// Finishes what processes left that are gone.
    fn finish_others(&self) {
        let mut dirs = vec![self.dir.join(OPEN)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                let Ok(file) = File::open(&path) else {
                    continue;
                };
                let is_free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
                if is_free
                    && let Ok(below) = path.strip_prefix(self.dir.join(OPEN))
                    && let Err(error) = finish(&self.dir, below)
                {
                    tracing::warn!(%error, path = %path.display(), "a log is not finished");
                }
            }
        }
    }
}

impl Open {
    fn new(
        dir: &Path,
        destination: &Destination,
        node: Ipv4Addr,
        now: Timestamp,
        rng: &Rng,
    ) -> io::Result<Open> {
        let seconds = now.as_millis().div_euclid(1000);
        let end = (seconds.div_euclid(PERIOD_SECONDS) + 1) * PERIOD_SECONDS;
        let end = Timestamp::from_millis(end * 1000);
        let random = format!("{:08x}", rng.u64() >> 32);
        let path = destination.file(node, end, &random);
        let path = path.ok_or_else(|| io::Error::other("this is no name of a bucket"))?;
        let at = dir.join(OPEN).join(&path);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&at)?;
        // Held as long as the file is open: nobody else finishes it.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Open {
            file: io::BufWriter::new(file),
            path,
            end,
            bytes: 0,
        })
    }
}

/// Compresses an open file and moves it to its place.
fn finish(dir: &Path, below: &Path) -> io::Result<()> {
    let text = dir.join(OPEN).join(below);
    let mut compressed = text.clone().into_os_string();
    compressed.push(".gz");
    let compressed = PathBuf::from(compressed);
    if text.extension().is_some_and(|kind| kind == "gz") {
        // Half of one, which is made again from the text.
        return fs::remove_file(&text);
    }
    let mut to = GzEncoder::new(File::create(&compressed)?, Compression::default());
    io::copy(&mut File::open(&text)?, &mut to)?;
    to.finish()?.sync_all()?;
    let mut place = dir.join(below).into_os_string();
    place.push(".gz");
    let place = PathBuf::from(place);
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(&compressed, &place)?;
    fs::remove_file(&text)?;
    // Directories of days that are over go.
    let mut empty = text.parent();
    while let Some(parent) = empty.filter(|parent| !parent.ends_with(OPEN)) {
        if fs::remove_dir(parent).is_err() {
            break;
        }
        empty = parent.parent();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn destination(bucket: &str, prefix: &str) -> Arc<Destination> {
        Arc::new(Destination {
            bucket: bucket.into(),
            prefix: prefix.into(),
            kind: "",
            load_balancer_arn:
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
                    .into(),
        })
    }

    const NODE: Ipv4Addr = Ipv4Addr::new(172, 160, 1, 192);

    /// Everything below a directory that was finished.
    fn finished(dir: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(next) = dirs.pop() {
            for entry in fs::read_dir(next).unwrap().flatten() {
                let path = entry.path();
                if path.ends_with(OPEN) {
                    continue;
                } else if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                let mut text = String::new();
                let file = File::open(&path).unwrap();
                flate2::read::GzDecoder::new(file)
                    .read_to_string(&mut text)
                    .unwrap();
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, text));
            }
        }
        found
    }

    #[test]
    fn names_are_those_of_aws_and_lead_nowhere_else() {
        let end = Timestamp::from_millis(1_392_421_200_000);
        let file = destination("logs", "/a/b")
            .file(NODE, end, "20sg8hgm")
            .unwrap();
        assert_eq!(
            file.to_str().unwrap(),
            "logs/a/b/AWSLogs/123456789012/elasticloadbalancing/us-east-1/2014/02/14/\
             123456789012_elasticloadbalancing_us-east-1_app.web.50dc6c495c0c9188_20140214T2340Z_\
             172.160.1.192_20sg8hgm.log"
        );
        for (bucket, prefix) in [("..", ""), ("logs", "../.."), (".open", ""), ("l", "a/./b")] {
            assert_eq!(destination(bucket, prefix).file(NODE, end, "r"), None);
        }
    }

    #[test]
    fn what_was_left_is_finished_and_what_another_has_open_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let rng = Arc::new(Rng::seeded(1));
        let now = SystemClock.now();
        let logs = destination("logs", "");
        let mut left = Open::new(dir.path(), &logs, NODE, now, &rng).unwrap();
        left.file.write_all(b"left\n").unwrap();
        left.file.flush().unwrap();
        let writer = || Writer {
            dir: dir.path().into(),
            rng: Arc::clone(&rng),
            open: HashMap::new(),
            is_full: false,
        };
        let (tell, told) = sync_channel(10);
        let line = |text: &str| Line {
            destination: Arc::clone(&logs),
            node: NODE,
            text: text.into(),
        };
        tell.send(line("one\n")).unwrap();
        tell.send(line("two\n")).unwrap();
        drop(tell);
        writer().run(&told);
        let found = finished(dir.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].1, "one\ntwo\n");
        drop(left);
        writer().finish_others();
        let texts: std::collections::BTreeSet<_> = finished(dir.path())
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(texts, ["left\n".to_owned(), "one\ntwo\n".into()].into());
    }
}
