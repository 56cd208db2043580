//! Builds the demo image's program: one static executable with no dependency, embedded by
//! `include_bytes!`, so that the first task runs without any registry.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=demo/web.rs");
    let var = |name: &str| std::env::var(name).expect("cargo sets it");
    let out = PathBuf::from(var("OUT_DIR")).join("demo-web");
    let status = Command::new(var("RUSTC"))
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "demo_web",
            "-C",
            "opt-level=s",
        ])
        .args([
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
            "-C",
            "target-feature=+crt-static",
        ])
        .args(["--target", &var("TARGET"), "demo/web.rs", "-o"])
        .arg(&out)
        .status()
        .expect("rustc runs");
    assert!(status.success(), "the demo program does not compile");
}
