//! The kernel's tables of TCP sockets, `/proc/net/tcp` and `tcp6`. Also used by the engine, for dynos without init.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket in state LISTEN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub address: IpAddr,
    pub port: u16,
    pub inode: u64,
}

impl Row {
    /// Whether only the dyno itself can reach it.
    pub fn is_loopback(&self) -> bool {
        match self.address {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        }
    }
}

/// The rows in state LISTEN, without those of the engine's own name server.
pub fn listening(table: &str) -> Vec<Row> {
    const LISTEN: &str = "0A";
    const ENGINE_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        if fields.get(3) != Some(&LISTEN) {
            return None;
        }
        let (address, port) = fields[1].split_once(':')?;
        let row = Row {
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            inode: fields.get(9)?.parse().ok()?,
        };
        (row.address != ENGINE_DNS).then_some(row)
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The kernel prints each 32-bit word of an address as a number in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0_u8; 16];
            for part in 0..4 {
                bytes[part * 4..part * 4 + 4].copy_from_slice(&word(part * 8)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, listening};

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 12345        0 777 1 0 100 0 0 10 0
   1: 0B00007F:9C45 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100 0 0 10 0
   2: 020011AC:0BB8 010011AC:D431 01 00000000:00000000 00:00000000 00000000 12345        0 779 1 0 100 0 0 10 0
";

    #[test]
    fn only_sockets_of_the_app_that_listen_count() {
        let expected = Row { address: "127.0.0.1".parse().unwrap(), port: 3000, inode: 777 };
        assert_eq!(listening(TABLE), [expected]);
    }

    #[test]
    fn ipv6_addresses_are_read_in_the_kernel_s_word_order() {
        let table = |address: &str| format!("head\n 0: {address}:1F90 0:0 0A 0:0 00:0 0 0 0 5 1\n");
        let address = |hex: &str| listening(&table(hex))[0].address.to_string();
        assert_eq!(address("00000000000000000000000001000000"), "::1");
        assert_eq!(address("00000000000000000000000000000000"), "::");
        assert!(listening(&table("0000000000000000FFFF00000100007F"))[0].is_loopback());
    }
}
