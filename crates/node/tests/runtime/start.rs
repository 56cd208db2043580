use super::lab::{Lab, TASK};
use neargate_node::runtime::{Adopted, Bind, Runtime, RuntimeError};
use std::fs;

#[tokio::test]
async fn exit_codes_are_the_program_s() {
    let lab = Lab::new();
    let mut config = lab.container(&["true"]);
    let (exit, _) = lab.run(&config).await;
    assert_eq!(
        (exit.code, exit.signal, exit.oom_killed, exit.error),
        (Some(0), None, false, None)
    );
    assert!(exit.started_at.unwrap() <= exit.finished_at);
    config = lab.shell("exit 42");
    config.name = "second".into();
    assert_eq!(lab.run(&config).await.0.code, Some(42));
    lab.assert_clean().await;
}

#[tokio::test]
async fn signals_end_it() {
    let lab = Lab::new();
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let container = lab.start(&lab.shell(script)).await.unwrap();
    lab.line("main", "ready").await;
    container.signal(15).await.unwrap();
    let exit = container.wait().await;
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    assert_eq!(lab.output("main"), "ready\nbye\n");
    container
        .signal(15)
        .await
        .expect("a container that has ended is no error");

    let mut config = lab.container(&["sleep", "1000"]);
    config.name = "killed".into();
    let container = lab.start(&config).await.unwrap();
    container.signal(9).await.unwrap();
    let exit = container.wait().await;
    assert_eq!(
        (exit.code, exit.signal, exit.oom_killed),
        (Some(137), Some(9), false)
    );

    // With a reaper as pid 1 the program has SIGTERM's default action.
    config.name = "reaped".into();
    config.init_process = true;
    let container = lab.start(&config).await.unwrap();
    container.signal(15).await.unwrap();
    assert_eq!(container.wait().await.code, Some(143));
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_reaper_collects_orphans() {
    let lab = Lab::new();
    let mut config =
        lab.shell("(sleep 0.01 & ) ; sleep 0.1; ps -o pid,stat,comm | grep -c ' Z ' ; exit 7");
    config.init_process = true;
    let (exit, output) = lab.run(&config).await;
    assert_eq!((exit.code, output.as_str()), (Some(7), "0\n"));
    lab.assert_clean().await;
}

#[tokio::test]
async fn environment_directory_user_and_host() {
    let lab = Lab::new();
    let mut config = lab.shell("env | sort; pwd; id -u; id -g; id -G; hostname; umask");
    config.env = vec!["A=1".into(), "GREETING=good day = today".into()];
    config.cwd = "/made/here".into();
    config.user = "web".into();
    let (exit, output) = lab.run(&config).await;
    assert_eq!(exit.code, Some(0), "{output}");
    let want = "A=1\nGREETING=good day = today\nHOME=/srv/web\nHOSTNAME=box\n\
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/made/here\n\
        SHLVL=1\n/made/here\n1000\n1001\n1001 50\nbox\n0022\n";
    assert_eq!(output, want);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_missing_program_is_told_as_docker_does() {
    let lab = Lab::new();
    let cases = [
        (
            "foo",
            127,
            "exec: \"foo\": executable file not found in $PATH: unknown",
        ),
        (
            "/no/foo",
            127,
            "exec: \"/no/foo\": stat /no/foo: no such file or directory: unknown",
        ),
        (
            "/etc/passwd",
            126,
            "exec: \"/etc/passwd\": permission denied: unknown",
        ),
        ("/etc", 126, "exec: \"/etc\": is a directory: unknown"),
    ];
    for (index, (program, code, text)) in cases.into_iter().enumerate() {
        let mut config = lab.container(&[program]);
        config.name = format!("case-{index}");
        let error = lab.start(&config).await.unwrap_err();
        let want = format!("unable to start container process: {text}");
        assert!(
            matches!(&error, RuntimeError::Start(text) if *text == want),
            "{error:?}"
        );
        let Adopted::Exited(exit) = lab.runtime.adopt(TASK, &config.name).await.unwrap() else {
            panic!("{program} has not ended");
        };
        assert_eq!(
            (exit.code, exit.started_at, exit.error),
            (Some(code), None, Some(want))
        );
    }
    let mut config = lab.container(&["true"]);
    config.user = "ghost".into();
    let error = lab.start(&config).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "unable to find user ghost: no matching entries in passwd file"
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_program_the_kernel_refuses_says_so_in_its_log() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    for (name, bytes) in [
        ("garbage", &b"\x7fELF nothing"[..]),
        ("script", b"#!/no/interpreter\n"),
    ] {
        let path = lab.layer.join("bin").join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = lab.container(&[name]);
        config.name = name.into();
        let (exit, output) = lab.run(&config).await;
        assert_eq!(exit.code, Some(255));
        let reason = match name {
            "garbage" => "exec format error",
            _ => "no such file or directory",
        };
        assert_eq!(output, format!("exec /bin/{name}: {reason}\n"));
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn many_layers_and_bound_files() {
    let lab = Lab::new();
    let mut config = lab.shell("cat /top /n1 /n119 /etc/resolv.conf; echo x >> /etc/hosts");
    for index in 0..120 {
        let layer = lab
            .dir()
            .join(format!("a-rather-long-directory-name-for-a-layer-{index}"));
        fs::create_dir(&layer).unwrap();
        fs::write(layer.join("top"), format!("top {index}\n")).unwrap();
        fs::write(layer.join(format!("n{index}")), format!("n {index}\n")).unwrap();
        config.layers.push(layer);
    }
    let source = lab.dir().join("resolv");
    fs::write(&source, "nameserver 192.0.2.1\n").unwrap();
    // As on systems with resolved: a link that leads nowhere in the image.
    std::os::unix::fs::symlink("../run/stub/resolv.conf", lab.layer.join("etc/resolv.conf"))
        .unwrap();
    let hosts = lab.dir().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let bind = |source: &std::path::Path, target: &str, read_only| Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
        fill: false,
        ..Bind::default()
    };
    config.binds = vec![
        bind(&source, "/etc/resolv.conf", true),
        bind(&hosts, "/etc/hosts", false),
    ];
    let (exit, output) = lab.run(&config).await;
    assert_eq!(output, "top 119\nn 1\nn 119\nnameserver 192.0.2.1\n");
    assert_eq!(exit.code, Some(0));
    assert_eq!(
        fs::read_to_string(&hosts).unwrap(),
        "127.0.0.1 localhost\nx\n"
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn an_empty_image_and_odd_names() {
    let lab = Lab::new();
    let mut config = lab.container(&["/nothing"]);
    config.layers.clear();
    assert!(matches!(
        lab.start(&config).await,
        Err(RuntimeError::Start(_))
    ));
    for name in ["", "..", "a/b", "a b"] {
        config.name = name.into();
        assert!(
            matches!(lab.start(&config).await, Err(RuntimeError::Invalid(_))),
            "{name:?}"
        );
    }
    let mut config = lab.container(&["true"]);
    config.name = "n".repeat(255);
    assert_eq!(lab.run(&config).await.0.code, Some(0));
    config.name = "tasks".into();
    assert_eq!(lab.run(&config).await.0.code, Some(0));
    let again = lab.start(&config).await.unwrap_err();
    assert!(again.to_string().contains("started before"), "{again}");
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_terminal_is_one() {
    let lab = Lab::new();
    let mut config = lab.shell("tty; test -t 0 -a -t 1 -a -t 2 && echo terminal; echo $TERM");
    config.terminal = true;
    let (exit, output) = lab.run(&config).await;
    assert_eq!(
        (exit.code, output.as_str()),
        (Some(0), "/dev/pts/0\r\nterminal\r\nxterm\r\n")
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn standard_input_stays_open_where_it_is_asked_for() {
    let lab = Lab::new();
    let mut config = lab.shell("readlink /proc/self/fd/0");
    assert_eq!(lab.run(&config).await.1, "/dev/null\n");
    (config.name, config.interactive) = ("open".into(), true);
    let (_, output) = lab.run(&config).await;
    assert!(output.starts_with("pipe:"), "{output}");
    lab.assert_clean().await;
}
