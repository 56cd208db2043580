use super::lab::{Lab, TASK};
use neargate_node::runtime::{Limits, Runtime, TaskLimits, Tmpfs, Ulimit};

#[tokio::test]
async fn memory_beyond_the_limit_is_killed_and_told() {
    let lab = Lab::new();
    // A fresh tmpfs page counts as memory of whoever touches it.
    let mut config = lab.shell("exec tail -c 200000000 /dev/zero");
    config.limits = Limits {
        memory_mib: Some(32),
        ..Limits::default()
    };
    let (exit, _) = lab.run(&config).await;
    assert_eq!((exit.code, exit.oom_killed), (Some(137), true), "{exit:?}");

    config.name = "own-kill".into();
    config.args = vec!["sh".into(), "-c".into(), "kill -9 $$; exit 137".into()];
    let (exit, _) = lab.run(&config).await;
    assert_eq!((exit.code, exit.oom_killed), (Some(137), false), "{exit:?}");
    lab.assert_clean().await;
}

#[tokio::test]
async fn the_task_s_memory_limits_all_its_containers() {
    let lab = Lab::new();
    lab.runtime
        .prepare_task(
            TASK,
            &TaskLimits {
                cpu_units: Some(512),
                memory_mib: Some(64),
                ..TaskLimits::default()
            },
        )
        .await
        .unwrap();
    let config = lab.shell("exec tail -c 400000000 /dev/zero");
    let container = lab.runtime.start(&config).await.unwrap();
    let exit = container.wait().await;
    assert_eq!((exit.code, exit.oom_killed), (Some(137), true), "{exit:?}");
    assert_eq!(
        lab.runtime.usage(TASK).await.unwrap().memory_limit_bytes,
        Some(64 << 20)
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn limits_are_visible_inside() {
    let lab = Lab::new();
    let mut config = lab.shell(
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us \
         cpu.max pids/pids.max pids.max 2>/dev/null; ulimit -n; ulimit -c; df -k /dev/shm /scratch",
    );
    config.limits = Limits {
        memory_mib: Some(64),
        cpu_quota_units: Some(512),
        pids: Some(50),
        ..Limits::default()
    };
    config.ulimits = vec![
        Ulimit {
            name: "nofile".into(),
            soft: 123,
            hard: 456,
        },
        Ulimit {
            name: "core".into(),
            soft: u64::MAX,
            hard: u64::MAX,
        },
    ];
    config.shm_size_bytes = Some(8 << 20);
    config.tmpfs = vec![Tmpfs {
        path: "/scratch".into(),
        size_bytes: 4 << 20,
        options: vec![],
    }];
    let (exit, output) = lab.run(&config).await;
    assert_eq!(exit.code, Some(0), "{output}");
    let words: Vec<&str> = output.split_whitespace().collect();
    for want in ["67108864", "50000", "50", "123", "8192", "4096"] {
        assert!(words.contains(&want), "{want} is not in {output}");
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_fork_bomb_stays_inside() {
    let lab = Lab::new();
    let mut config = lab.shell("(while :; do sleep 1000 & done) 2>/dev/null; while :; do :; done");
    config.limits = Limits {
        pids: Some(64),
        cpu_quota_units: Some(256),
        ..Limits::default()
    };
    let container = lab.start(&config).await.unwrap();
    // The shell that forks gives up when it cannot; its children stay.
    while container.usage().await.unwrap().pids < 60 {}
    assert!(container.usage().await.unwrap().pids <= 64);
    container.signal(9).await.unwrap();
    assert_eq!(container.wait().await.code, Some(137));
    lab.assert_clean().await;
}

#[tokio::test]
async fn usage_counts() {
    let lab = Lab::new();
    let config = lab
        .shell("dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo ready; sleep 1000");
    let container = lab.start(&config).await.unwrap();
    lab.line("main", "ready").await;
    let usage = container.usage().await.unwrap();
    assert!(usage.working_set_bytes >= 20 << 20, "{usage:?}");
    assert!(usage.cpu_nanos > 0 && usage.pids >= 1, "{usage:?}");
    let task = lab.runtime.usage(TASK).await.unwrap();
    assert!(task.memory_bytes >= 20 << 20, "{task:?}");
    lab.assert_clean().await;
}

#[tokio::test]
async fn kernel_parameters_of_the_container_only() {
    let lab = Lab::new();
    let mut config =
        lab.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni");
    config
        .sysctls
        .insert("net.ipv4.ip_unprivileged_port_start".into(), "80".into());
    config.sysctls.insert("kernel.shmmni".into(), "1234".into());
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "80\n1234\n");
    for name in [
        "kernel.core_pattern",
        "vm.swappiness",
        "net.../../kernel/core_pattern",
    ] {
        let mut config = lab.container(&["true"]);
        config.name = format!("refused-{}", name.len());
        config.sysctls.insert(name.into(), "1".into());
        let error = lab.start(&config).await.unwrap_err().to_string();
        assert!(error.contains("separate kernel namespace"), "{error}");
    }
    lab.assert_clean().await;
}
