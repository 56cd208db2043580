//! What is acknowledged is there at the next start, whatever a crash cut off.

use super::*;

/// The words that were said, but those taken back.
#[derive(Debug, Default)]
struct Words(Vec<String>);

impl State for Words {
    fn apply(&mut self, frame: &[u8]) {
        let word = String::from_utf8_lossy(frame).into_owned();
        match word.strip_prefix('-') {
            Some(gone) => self.0.retain(|w| w != gone),
            None => self.0.push(word),
        }
    }

    fn frames(&self, put: &mut dyn FnMut(&[u8])) {
        self.0.iter().for_each(|word| put(word.as_bytes()));
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

fn words(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[tokio::test]
async fn what_is_acknowledged_is_there_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("in").join("words");
    let journal = Journal::open(&path, Words::default()).expect("opens");
    journal.append(words(&["a", "b"])).await.expect("kept");
    journal.note(b"-a".to_vec());
    drop(journal);
    // A crash in the middle of a write.
    let mut file = OpenOptions::new().append(true).open(&path).expect("there");
    file.write_all(&[9, 0, 0, 0, 1, 2]).expect("written");
    let journal = Journal::open(&path, Words::default()).expect("opens");
    assert_eq!(journal.state().0, ["b"]);
    journal.append(words(&["c"])).await.expect("kept");
    drop(journal);
    let journal = Journal::open(&path, Words::default()).expect("opens");
    assert_eq!(journal.state().0, ["b", "c"]);
    journal.wipe().await.expect("wiped");
    drop(journal);
    let journal = Journal::open(&path, Words::default()).expect("opens");
    assert!(journal.state().0.is_empty());
}

#[tokio::test]
async fn it_grows_with_what_is_kept_and_not_with_what_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("words");
    let journal = Journal::open(&path, Words::default()).expect("opens");
    let long = "x".repeat(1 << 20);
    for n in 0..40 {
        let word = format!("{n}{long}");
        journal.append(words(&[&word])).await.expect("kept");
        journal.note(format!("-{word}").into_bytes());
    }
    journal.append(words(&["end"])).await.expect("kept");
    drop(journal);
    let bytes = std::fs::metadata(&path).expect("there").len();
    assert!(bytes < 2 * SHORT, "{bytes}");
    let journal = Journal::open(&path, Words::default()).expect("opens");
    assert_eq!(journal.state().0, ["end"]);
}

#[test]
fn another_file_is_no_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("words");
    std::fs::write(&path, b"something else").expect("written");
    assert!(Journal::open(&path, Words::default()).is_err());
}
