//! The network for real, each test in a network and mount namespace of its own: the host is
//! not touched, and whatever is left goes with the test's thread. They need root and nft.

mod acls;
mod batch;
mod flows;
mod gateways;
mod groups;
mod instance;
mod isolation;
mod lifecycle;
mod overlay;
mod peering;
mod place;
mod ports;
mod pure;
mod reach;
mod rules;
mod vpc;
