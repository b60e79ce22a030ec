//! The sockets that a host's servers listen at, and whose they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket at a port that a service is proven at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The service's place among the host's.
    pub service: usize,
    /// The address that it is bound to; unspecified for every address of the host.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// It belongs to the service's master or to one of its children, whom a reload reaches.
    pub own: bool,
}

/// Another process that takes connections where a service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// The service's place among the host's.
    pub service: usize,
    /// TCP port.
    pub port: u16,
    /// Its number; 0 where it could not be found.
    pub process: u32,
    /// Its name.
    pub name: String,
}

impl Listener {
    /// `SERVICE ADDRESS:PORT own|else`, address and port as /proc/net/tcp has them on a little-endian host (proc(5)).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let service = words.next()?.parse::<usize>().ok()?.checked_sub(1)?;
        let (address, port) = words.next()?.split_once(':')?;
        let own = match words.next()? {
            "own" => true,
            "else" => false,
            _ => return None,
        };
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Self { service, address: address_of(address)?, port, own })
    }
}

/// Words of 32 bits, each with its last byte first.
fn address_of(text: &str) -> Option<IpAddr> {
    let mut bytes = hex::decode(text).ok()?;
    bytes.chunks_mut(4).for_each(<[u8]>::reverse);
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            // A socket for IPv6 that is bound to an address of IPv4.
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

impl Rival {
    /// `SERVICE PORT PROCESS NAME`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let service = words.next()?.parse::<usize>().ok()?.checked_sub(1)?;
        let (port, process) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { service, port, process, name: words.next().unwrap_or_default().to_owned() })
    }
}

/// Whether everybody who connects to a place is answered by one master, as far as is known. Without an address, every
/// socket at the port counts.
pub fn has_one_master(listeners: &[Listener], service: usize, address: Option<IpAddr>, port: u16) -> bool {
    let there = listeners.iter().filter(|one| one.service == service && one.port == port);
    let Some(address) = address else { return is_own(there) };
    // The kernel prefers the socket that is bound most closely; one for IPv6 takes IPv4 as well.
    let bound = |to: IpAddr| there.clone().filter(move |one| one.address == to);
    let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let closest = [address, any, Ipv6Addr::UNSPECIFIED.into()];
    closest.into_iter().find(|to| bound(*to).next().is_some()).is_some_and(|to| is_own(bound(to)))
}

fn is_own<'l>(mut listeners: impl Iterator<Item = &'l Listener>) -> bool {
    listeners.next().is_some_and(|first| first.own && listeners.all(|one| one.own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(text: &str) -> Vec<Listener> {
        text.split(", ").map(|one| Listener::parse(one).unwrap()).collect()
    }

    #[test]
    fn an_address_is_read_as_the_kernel_writes_it() {
        let address =
            |text: &str| Listener::parse(&format!("1 {text}:01BB own")).unwrap().address.to_string();
        assert_eq!(address("0100007F"), "127.0.0.1");
        assert_eq!(address("00000000"), "0.0.0.0");
        assert_eq!(address("00000000000000000000000000000000"), "::");
        assert_eq!(address("B80D0120000000000000000001000000"), "2001:db8::1");
        assert_eq!(address("0000000000000000FFFF00000100007F"), "127.0.0.1");
        assert_eq!(listeners("2 0100007F:20FB else")[0].port, 8443);
        for bad in [
            "",
            "0 0100007F:01BB own",
            "1 0100007F own",
            "1 01007F:01BB own",
            "1 0100007F:01BB mine",
            "1 xy:01BB own",
        ] {
            assert_eq!(Listener::parse(bad), None, "{bad}");
        }
        let rival = Rival { service: 0, port: 443, process: 7, name: "old nginx".to_owned() };
        assert_eq!(Rival::parse("1 443 7 old nginx"), Some(rival));
        assert_eq!(Rival::parse("1 443 x nginx"), None);
    }

    #[test]
    fn the_socket_that_is_bound_most_closely_answers() {
        let one = |text: &str, address: &str| has_one_master(&listeners(text), 0, address.parse().ok(), 443);
        let (all, here, all6) = ("00000000:01BB", "0100007F:01BB", "00000000000000000000000000000000:01BB");
        for (text, address, is_one) in [
            (format!("1 {all} own"), "127.0.0.1", true),
            (format!("1 {all} own, 1 {all} own"), "127.0.0.1", true),
            (format!("1 {all} own, 1 {all} else"), "127.0.0.1", false),
            (format!("1 {all} own, 1 {here} else"), "127.0.0.1", false),
            (format!("1 {all} own, 1 {here} else"), "127.0.0.2", true),
            (format!("1 {all} else, 1 {here} own"), "127.0.0.1", true),
            (format!("1 {all6} own"), "127.0.0.1", true),
            (format!("1 {all6} own"), "2001:db8::1", true),
            (format!("1 {all} own"), "2001:db8::1", false),
            (format!("1 {all6} else, 1 {all} own"), "127.0.0.1", true),
            // A name that only the host resolves.
            (format!("1 {all} own"), "web01", true),
            (format!("1 {all} own, 1 {here} else"), "web01", false),
            // Another service's, and another port's.
            (format!("2 {all} own"), "127.0.0.1", false),
            ("1 00000000:01BC own".to_owned(), "127.0.0.1", false),
        ] {
            assert_eq!(one(&text, address), is_one, "{text} {address}");
        }
        assert!(!has_one_master(&[], 0, None, 443));
    }
}
