//! `$PORT` of a dyno that shares this machine's network: a free port of the machine.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// So many ports are not given again: the dynos that got them may not have bound them yet.
const REMEMBERED: usize = 256;
/// How often another port is picked before the system is asked for one.
const TRIES: usize = 20;

/// Which ports were given.
#[derive(Default)]
pub(super) struct Ports(Mutex<VecDeque<u16>>);

impl Ports {
    /// `proposed` when it is free, else another port. Nobody holds it until the dyno binds it.
    pub(super) fn free(&self, proposed: u16) -> u16 {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let picked = std::iter::once(Some(proposed)).chain((0..TRIES).map(|_| portpicker::pick_unused_port()));
        let port = picked.flatten().find(|port| !given.contains(port) && is_free(*port));
        let port = port.or_else(system).unwrap_or(proposed);
        given.push_back(port);
        if given.len() > REMEMBERED {
            given.pop_front();
        }
        port
    }
}

/// portpicker wants IPv6 too, and says no on a machine without it.
fn is_free(port: u16) -> bool {
    portpicker::is_free_tcp(port) || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn system() -> Option<u16> {
    Some(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?.local_addr().ok()?.port())
}

#[cfg(test)]
mod tests {
    use super::Ports;
    use std::net::TcpListener;

    #[test]
    fn a_port_that_is_taken_or_was_given_is_not_given() {
        let ports = Ports::default();
        let taken = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(ports.free(port), port, "somebody listens there");
        drop(taken);
        assert_eq!(ports.free(port), port);
        assert_ne!(ports.free(port), port, "another dyno is about to bind it");
    }
}
