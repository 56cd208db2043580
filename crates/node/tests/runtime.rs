//! Real containers: needs root, and busybox (package busybox-static) for a root file system.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "runtime/lab.rs"]
mod lab;

#[path = "runtime/again.rs"]
mod again;
#[path = "runtime/confinement.rs"]
mod confinement;
#[path = "runtime/disk.rs"]
mod disk;
#[path = "runtime/exec.rs"]
mod exec;
#[path = "runtime/image.rs"]
mod image;
#[path = "runtime/limits.rs"]
mod limits;
#[path = "runtime/logs.rs"]
mod logs;
#[path = "runtime/start.rs"]
mod start;
#[path = "runtime/survival.rs"]
mod survival;
#[path = "runtime/terminal.rs"]
mod terminal;
