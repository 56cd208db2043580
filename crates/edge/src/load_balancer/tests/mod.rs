//! Load balancers with real sockets on loopback addresses of their own: what clients and targets see.

mod clients;
mod desync;
mod faults;
mod forwarding;
mod handover;
mod health;
mod lab;
mod mutual;
mod network;
mod rules;
mod secure;
mod stickiness;
mod tokens;
mod watch;
