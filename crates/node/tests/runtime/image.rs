//! What images and their programs take for granted under Docker.

use super::lab::{Lab, TASK};
use neargate_node::runtime::{ContainerConfig, ExecEnd, Runtime, ShownFile, Tmpfs};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::time::Duration;

fn layer(lab: &Lab, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let layer = lab.dir().join(name);
    fs::create_dir_all(&layer).unwrap();
    for (path, text) in files {
        let path = layer.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    layer
}

fn file(target: &str, text: &str) -> ShownFile {
    ShownFile {
        target: target.into(),
        text: text.into(),
    }
}

#[tokio::test]
async fn one_layer_may_be_there_more_than_once() {
    let lab = Lab::new();
    let a = layer(&lab, "a", &[("a", "1"), ("d/one", "")]);
    let b = layer(&lab, "b", &[("a", "2"), ("d/two", "")]);
    let empty = layer(&lab, "empty", &[]);
    let mut config = lab.shell("cat /a; ls /d");
    for (name, layers, want) in [
        ("aa", vec![&a, &a], "1one\n"),
        ("aba", vec![&a, &b, &a], "1one\ntwo\n"),
        ("bab", vec![&b, &a, &b], "2one\ntwo\n"),
        (
            "empty",
            [vec![&a], vec![&empty; 200], vec![&b], vec![&empty; 200]].concat(),
            "2one\ntwo\n",
        ),
    ] {
        config.name = name.into();
        config.layers.truncate(1);
        config.layers.extend(layers.into_iter().cloned());
        let (_, output) = lab.run(&config).await;
        assert_eq!(output, want, "{name}");
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn as_many_layers_as_the_kernel_takes() {
    let lab = Lab::new();
    let mut config = lab.shell("cat /top");
    for n in 1..500 {
        let name = format!("a-rather-long-directory-name-for-a-layer-{n}");
        config
            .layers
            .push(layer(&lab, &name, &[("top", &format!("{n}"))]));
    }
    assert_eq!(lab.run(&config).await.1, "499\n");
    lab.assert_clean().await;
}

#[tokio::test]
async fn volumes_are_writable_and_the_image_s() {
    let lab = Lab::new();
    let image = layer(
        &lab,
        "image",
        &[
            ("data/seed", "seed\n"),
            ("data/sub/deep", "deep\n"),
            ("run/data/x", "x\n"),
            ("a-file", ""),
        ],
    );
    let data = image.join("data");
    chown(&data, Some(1000), Some(1001)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o750)).unwrap();
    // As `/var/run` is in many images, and a link that leads nowhere yet.
    fs::create_dir_all(image.join("var")).unwrap();
    symlink("/run", image.join("var/run")).unwrap();
    symlink("../new/place", image.join("var/lib")).unwrap();
    let script =
        "exec 2>/dev/null; touch /x && echo root; echo new > /data/new && cat /data/seed /data/new
        stat -c '%u %g %a' /data; cat /data/sub/deep; echo 1 > /data/sub/deep && echo sub
        cat /run/data/x; touch /run/data/y && ls /run/data; touch /run/other && echo run
        stat -c '%u %a' /made/here; readlink /var/lib; grep -c ' /data ' /proc/self/mounts
        cat /scratch/x || touch /scratch/z && ls /scratch";
    let mut config = lab.shell(script);
    config.layers.push(image);
    config.read_only_root = true;
    config.user = "web".into();
    config.volumes = [
        "/data/sub",
        "/data/",
        "/var/run/data",
        "made/here",
        "/var/lib/q",
        "/scratch",
    ]
    .map(str::to_owned)
    .into();
    config.tmpfs = ["/run", "/scratch"]
        .map(|path| Tmpfs {
            path: path.into(),
            size_bytes: 1 << 20,
            options: vec![],
        })
        .into();
    let (_, output) = lab.run(&config).await;
    let want = "seed\nnew\n1000 1001 750\ndeep\nx\nrun\n0 755\n../new/place\n1\nz\n";
    assert_eq!(output, want);

    // Written to, they are still the container's own files, with a writable root, too.
    config.name = "writable".into();
    config.read_only_root = false;
    config.user = String::new();
    config.args[2] = "echo new > /data/new; touch /x && cat /data/new /data/seed".into();
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "new\nseed\n");
    let upper = lab.runtime.state_dir(TASK, "writable").join("upper");
    assert_eq!(fs::read(upper.join("data/new")).unwrap(), b"new\n");

    for (name, volume, why) in [
        (
            "file",
            "/a-file",
            "cannot mount volume over existing file, file exists /a-file",
        ),
        (
            "root",
            "/data/..",
            "invalid volume specification: '/': destination can't be '/'",
        ),
        (
            "proc",
            "/proc/sys",
            "\"/proc/sys\" cannot be mounted because it is inside /proc",
        ),
    ] {
        config.name = name.into();
        config.volumes = vec![volume.into()];
        let error = lab.start(&config).await.unwrap_err();
        assert_eq!(error.to_string(), why);
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn nothing_of_the_image_stands_in_for_proc() {
    let lab = Lab::new();
    let image = layer(&lab, "image", &[]);
    symlink("/proc", image.join("link")).unwrap();
    let mut config = lab.container(&["true"]);
    config.layers.push(image);
    for (name, path) in [("plain", "/proc"), ("link", "/link/self")] {
        config.name = name.into();
        config.tmpfs = vec![Tmpfs {
            path: path.into(),
            ..Tmpfs::default()
        }];
        let error = lab.start(&config).await.unwrap_err().to_string();
        assert!(
            error.contains("inside /proc") || error.contains("link"),
            "{error}"
        );
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn shown_files_are_bounded_and_as_writable_as_the_root() {
    let lab = Lab::new();
    let script = "exec 2>/dev/null; cat /etc/hosts /etc/resolv.conf
        echo x >> /etc/hosts && echo wrote; cat /dev/zero > /etc/hosts; \
        test $(stat -c %s /etc/hosts) -le 4194304 && echo bounded; ls -l /etc/hosts | head -c 10";
    let mut config = lab.shell(script);
    symlink("../run/stub/resolv.conf", lab.layer.join("etc/resolv.conf")).unwrap();
    config.files = vec![
        file("/etc/hosts", "127.0.0.1 localhost\n"),
        file("/etc/resolv.conf", "nameserver 192.0.2.1\n"),
    ];
    let text = "127.0.0.1 localhost\nnameserver 192.0.2.1\n";
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, format!("{text}wrote\nbounded\n-rw-r--r--\n"));
    config.name = "read-only".into();
    config.read_only_root = true;
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, format!("{text}bounded\n-rw-r--r--\n"));
    lab.assert_clean().await;
}

async fn output_of_exec(lab: &Lab, args: &[&str]) -> String {
    let found = lab.another_runtime().adopt(TASK, "main").await.unwrap();
    let neargate_node::runtime::Adopted::Running(container) = found else {
        panic!("it runs");
    };
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let done = container.exec(&args, Duration::from_secs(60)).await;
    let done = done.unwrap().unwrap();
    assert_eq!(done.end, ExecEnd::Exited(0), "{}", done.output);
    done.output
}

/// Whatever the container writes into its user files.
#[tokio::test]
async fn the_user_is_decided_once() {
    let lab = Lab::new();
    let ids = "id -u; id -g; awk '/^Groups/ {print $2, $3}' /proc/self/status; echo $HOME";
    let script = format!("{ids}; echo web:x:0:0::/root: > /etc/passwd && echo ready; sleep 1000");
    let mut config = lab.shell(&script);
    config.user = "web".into();
    let etc = layer(
        &lab,
        "writable",
        &[("etc/passwd", "web:x:1000:1001::/srv/web:\n")],
    );
    fs::set_permissions(etc.join("etc/passwd"), fs::Permissions::from_mode(0o666)).unwrap();
    config.layers.push(etc);
    let container = lab.start(&config).await.unwrap();
    lab.line("main", "ready").await;
    let want = "1000\n1001\n50 1001\n/srv/web\n";
    assert_eq!(lab.output("main"), format!("{want}ready\n"));
    assert_eq!(output_of_exec(&lab, &["sh", "-c", ids]).await, want);
    container.signal(9).await.unwrap();
    container.wait().await;
    let again = lab.runtime.restart(TASK, "main", Vec::new()).await.unwrap();
    lab.line("main", "ready").await;
    assert_eq!(output_of_exec(&lab, &["sh", "-c", ids]).await, want);
    again.signal(9).await.unwrap();
    again.wait().await;
    lab.assert_clean().await;
}

/// What stands at the path of the user files need not be a file.
#[tokio::test]
async fn user_files_are_found_in_the_image_only() {
    let lab = Lab::new();
    let outside = lab.dir().join("outside");
    fs::write(&outside, "host:x:0:0::/:\n").unwrap();
    let passwd = |name: &str| {
        let layer = layer(&lab, name, &[("usr/passwd", "web:x:7:8::/seven:\n")]);
        fs::create_dir_all(layer.join("etc")).unwrap();
        (layer.clone(), layer.join("etc/passwd"))
    };
    let run = async |name: &str, layer: PathBuf, user: &str| {
        let mut config: ContainerConfig = lab.shell("echo $(id -u) $HOME");
        config.name = name.into();
        config.user = user.into();
        config.layers.push(layer);
        match lab.start(&config).await {
            Ok(container) => {
                container.wait().await;
                lab.output(name)
            }
            Err(error) => error.to_string(),
        }
    };
    let (image, path) = passwd("link");
    symlink("../../../usr/passwd", path).unwrap();
    assert_eq!(run("link", image, "web").await, "7 /seven\n");
    let missing = |user| format!("unable to find user {user}: no matching entries in passwd file");
    let (image, path) = passwd("out");
    symlink(&outside, path).unwrap();
    assert_eq!(run("out", image, "host").await, missing("host"));
    let (image, path) = passwd("directory");
    fs::create_dir(path).unwrap();
    assert_eq!(run("directory", image.clone(), "web").await, missing("web"));
    assert_eq!(run("number", image, "12").await, "12 /\n");
    let (image, path) = passwd("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(run("pipe", image, "web").await, missing("web"));
    let (image, path) = passwd("proc");
    symlink("/proc/self/environ", path).unwrap();
    assert_eq!(run("proc", image, "web").await, missing("web"));
    lab.assert_clean().await;
}

#[tokio::test]
async fn the_first_process_belongs_to_the_user_with_an_init_too() {
    let lab = Lab::new();
    let script =
        "(echo second > /proc/1/fd/1) & wait; stat -c %u /proc/1/fd; cat /proc/1/environ | wc -c";
    let mut config = lab.shell(script);
    config.user = "33".into();
    config.name = "plain".into();
    assert!(lab.run(&config).await.1.starts_with("second\n33\n"));
    config.name = "init".into();
    config.init_process = true;
    let (_, output) = lab.run(&config).await;
    assert!(output.starts_with("second\n33\n"), "{output}");
    // What is in the init's memory is nothing of the host's.
    config.name = "environment".into();
    config.args[2] = "cat /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline".into();
    let (_, output) = lab.run(&config).await;
    assert!(
        !output.contains("HOME") && !output.contains("PATH"),
        "{output}"
    );
    let want = format!("/sbin/docker-init -- sh -c {} \n", config.args[2]);
    assert!(
        output
            .trim_end_matches([' ', '\n'])
            .ends_with(want.trim_end()),
        "{output:?}"
    );
    lab.assert_clean().await;
}

/// Writes `32` and ends with the error number that `mount` answers; for i386.
#[cfg(target_arch = "x86_64")]
fn program_of_32_bits() -> Vec<u8> {
    const AT: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    let mut code = vec![0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9]; // write(1, text, 3)
    code.extend([0; 4]); // where the text is, once it is known
    code.extend([0xba, 3, 0, 0, 0, 0xcd, 0x80]);
    code.extend([0xb8, 21, 0, 0, 0, 0xcd, 0x80]); // mount(...)
    code.extend([0xf7, 0xd8, 0x89, 0xc3]); // its error number
    code.extend([0xb8, 1, 0, 0, 0, 0xcd, 0x80]); // exit
    let text = AT + HEADERS + code.len() as u32;
    code[11..15].copy_from_slice(&text.to_le_bytes());
    code.extend(b"32\n");
    let size = HEADERS + code.len() as u32;
    let mut program = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    let words = |program: &mut Vec<u8>, words: &[u32]| {
        program.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    };
    words(&mut program, &[AT + HEADERS, 52, 0, 0]);
    program.extend([52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    words(&mut program, &[1, 0, AT, AT, size, size, 5, 0x1000]);
    program.extend(code);
    program
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn programs_of_32_bits_run_and_are_confined() {
    let lab = Lab::new();
    let path = lab.layer.join("bin/narrow");
    fs::write(&path, program_of_32_bits()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let (exit, output) = lab.run(&lab.container(&["narrow"])).await;
    assert_eq!((output.as_str(), exit.code), ("32\n", Some(libc::EPERM)));
    lab.assert_clean().await;
}
