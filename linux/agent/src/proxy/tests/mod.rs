//! The proxy between a raw client and a real upstream, all on loopback.

mod bodies;
mod decisions;
mod headers;
mod lifecycle;
mod malformed;
mod rig;
mod secure;
mod tunnels;
mod upstream;
mod wire;
