//! The registry as clients see it, over a real HTTP server on loopback.

#![allow(clippy::unwrap_used)]

mod access;
mod api;
mod clients;
mod collect;
mod lifecycle;
mod manifests;
mod server;
mod uploads;
