use super::lab::{Lab, eventually};
use neargate_domain::{TerminalInput, TerminalOutput};
use neargate_node::runtime::{Terminal, TerminalError};

const MAIN: &str = "main";

async fn open(lab: &Lab, args: &[&str]) -> Result<Terminal, TerminalError> {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    lab.runtime.terminal(super::lab::TASK, MAIN, &args).await
}

async fn typed(terminal: &Terminal, text: &str) {
    let bytes = TerminalInput::Bytes(text.as_bytes().to_vec());
    terminal.input.send(bytes).await.unwrap();
}

/// What it shows until it has shown `text`.
async fn until(terminal: &mut Terminal, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        match terminal.output.recv().await.unwrap() {
            TerminalOutput::Bytes(bytes) => shown.push_str(&String::from_utf8(bytes).unwrap()),
            TerminalOutput::Ended(code) => panic!("{code}: {shown}"),
        }
    }
    shown
}

/// What it shows until it ends, and its exit code.
async fn to_the_end(mut terminal: Terminal) -> (String, Option<i32>) {
    let mut shown = Vec::new();
    while let Some(output) = terminal.output.recv().await {
        match output {
            TerminalOutput::Bytes(bytes) => shown.extend(bytes),
            TerminalOutput::Ended(code) => return (String::from_utf8(shown).unwrap(), Some(code)),
        }
    }
    (String::from_utf8(shown).unwrap(), None)
}

#[tokio::test]
async fn a_terminal_is_the_containers_and_its_program_is_root() {
    let lab = Lab::new();
    let mut config = lab.shell("sleep 1000");
    config.user = "web".into();
    config.cap_drop = vec!["NET_RAW".into()];
    lab.start(&config).await.unwrap();
    let script = "tty; id -u; echo $TERM $LANG $HOME; hostname; \
        grep -E '^(CapEff|Seccomp:)' /proc/self/status; tty < /dev/tty; exit 7";
    let terminal = open(&lab, &["sh", "-c", script]).await.unwrap();
    let want = "/dev/pts/0\n0\nxterm-256color C.UTF-8 /root\nbox\n\
        CapEff:\t00000000a80405fb\nSeccomp:\t2\n/dev/tty\n";
    let shown = (want.replace('\n', "\r\n"), Some(7));
    assert_eq!(to_the_end(terminal).await, shown);
    lab.assert_clean().await;
}

#[tokio::test]
async fn what_is_typed_arrives_and_its_size_counts() {
    let lab = Lab::new();
    lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let script = "stty -echo; echo ready; read a; stty size; echo got $a; read b; echo never";
    let mut terminal = open(&lab, &["sh", "-c", script]).await.unwrap();
    until(&mut terminal, "ready").await;
    let (columns, rows) = (101, 33);
    let size = TerminalInput::Size { columns, rows };
    terminal.input.send(size).await.unwrap();
    typed(&terminal, "one\n").await;
    let shown = until(&mut terminal, "got one").await;
    assert!(shown.contains("33 101\r\n"), "{shown}");
    typed(&terminal, "\x03").await;
    assert_eq!(to_the_end(terminal).await.1, Some(130));
    lab.assert_clean().await;
}

#[tokio::test]
async fn several_run_at_once_and_end_with_whoever_asked() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let first = open(
        &lab,
        &["sh", "-c", "trap '' HUP; while :; do sleep 1; done"],
    );
    let second = open(&lab, &["cat"]);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let cgroup = lab.task_cgroup().child("c-main");
    assert_eq!(cgroup.children().len(), 2);
    drop(first);
    eventually(|| cgroup.children().len() == 1).await;
    typed(&second, "a line\n\x04").await;
    let want = ("a line\r\na line\r\n".to_owned(), Some(0));
    assert_eq!(to_the_end(second).await, want);

    let third = open(&lab, &["cat"]).await.unwrap();
    container.signal(9).await.unwrap();
    assert_eq!(to_the_end(third).await.1, None, "the container ended first");
    lab.assert_clean().await;
}

#[tokio::test]
async fn much_output_comes_whole() {
    let lab = Lab::new();
    lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let terminal = open(&lab, &["seq", "1", "100000"]).await.unwrap();
    let (shown, code) = to_the_end(terminal).await;
    let want: String = (1..=100_000).map(|n| format!("{n}\r\n")).collect();
    assert!(shown == want, "{} of {}", shown.len(), want.len());
    assert_eq!(code, Some(0));
    lab.assert_clean().await;
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let lab = Lab::new();
    lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let missing = open(&lab, &["/bin/bash"]).await.unwrap_err();
    assert!(
        matches!(&missing, TerminalError::NotStarted(why) if why.contains("no such file")),
        "{missing}"
    );
    let args = ["sh".into()];
    let unknown = lab.runtime.terminal(super::lab::TASK, "other", &args);
    assert!(matches!(unknown.await, Err(TerminalError::NotRunning)));
    lab.assert_clean().await;
}
