//! What comes off a connection, and what does not.

use super::lines::{Broken, Data, Lines};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const SOON: Duration = Duration::from_millis(200);

/// What the lines are of a client that says this and nothing more.
async fn lines(said: &[u8]) -> (Lines<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(said).await.expect("there is room");
    (Lines::new(server, SOON), client)
}

async fn mail(said: &[u8], most: usize) -> Result<Option<String>, String> {
    let (mut lines, _client) = lines(said).await;
    match lines.data(most, SOON).await {
        Ok(Data::Mail(mail)) => Ok(Some(String::from_utf8_lossy(&mail).into_owned())),
        Ok(Data::TooLong) => Ok(None),
        Err(broken) => Err(broken.to_string()),
    }
}

#[tokio::test]
async fn a_mail_ends_with_its_dot_and_with_nothing_else() {
    let whole = mail(b"a\r\n..b\r\n.c\r\n.\r\n", 100).await;
    assert_eq!(whole, Ok(Some("a\r\n.b\r\nc\r\n".into())));
    assert_eq!(mail(b".\r\n", 100).await, Ok(Some(String::new())));
    assert_eq!(mail(b"123456\r\n.\r\n", 5).await, Ok(None));
    let bare = Err("a line ends without CR LF".to_owned());
    for smuggled in [
        &b"a\n.\r\nMAIL FROM:<b>\r\n"[..],
        b"a\r\n.\nMAIL FROM:<b>\r\n.\r\n",
        b"a\n.\nb\r\n.\r\n",
        b"a\r.\rb\r\n.\r\n",
        b"a\r\n.\r.\r\n",
    ] {
        assert_eq!(mail(smuggled, 100).await, bare, "{smuggled:?}");
    }
    let endless = vec![b'a'; 20_000];
    assert_eq!(mail(&endless, 100).await, Err("a line is too long".into()));
    assert_eq!(
        mail(b"a\r\n", 100).await,
        Err("the client takes too long".into())
    );
}

#[tokio::test]
async fn commands_come_one_after_the_other() {
    let (mut lines, _client) = lines(b"NOOP\r\nRSET\r\nQUIT").await;
    assert_eq!(lines.line().await.unwrap(), b"NOOP");
    assert!(lines.has_more());
    assert_eq!(lines.line().await.unwrap(), b"RSET");
    assert!(matches!(lines.line().await, Err(Broken::Late)));
}
