use std::net::IpAddr;

/// The hosts that are reached without the proxy, as curl reads `NO_PROXY`: names, each with everything below it, addresses,
/// networks (`10.0.0.0/8`), and `*` for all.
#[derive(Clone, Debug, Default)]
pub struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug)]
enum Exception {
    All,
    Network(IpAddr, u32),
    Name(String),
}

impl Exceptions {
    /// Separated by commas or white space.
    pub fn parse(text: &str) -> Self {
        let items = text.split([',', ' ', '\t', '\n']).filter(|item| !item.is_empty());
        Self(items.map(Exception::parse).collect())
    }

    pub fn cover(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        self.0.iter().any(|exception| match (exception, address) {
            (Exception::All, _) => true,
            (Exception::Network(network, length), Some(address)) => is_within(address, *network, *length),
            (Exception::Name(name), None) => is_at_or_below(host, name),
            _ => false,
        })
    }
}

impl Exception {
    fn parse(item: &str) -> Self {
        if item == "*" {
            return Self::All;
        }
        let (address, length) = item.split_once('/').map_or((item, None), |(address, length)| (address, Some(length)));
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        match (bare.parse::<IpAddr>(), length.map(str::parse)) {
            (Ok(address), None) => Self::Network(address.to_canonical(), 128),
            (Ok(address), Some(Ok(length))) => Self::Network(address, length),
            _ => Self::Name(item.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let differing = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
        (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
        _ => return false,
    };
    differing.leading_zeros() >= length
}

fn is_at_or_below(host: &str, name: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let above = host.trim_end_matches('.').strip_suffix(name);
    !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_networks_are_left_out() {
        let exceptions =
            Exceptions::parse("localhost, .example.test.,Mail.Other.Test 10.0.0.0/8,192.0.2.7,[::1],fd00::/8");
        for host in [
            "localhost",
            "a.localhost",
            "example.test",
            "smtp.EXAMPLE.test",
            "mail.other.test",
            "10.255.0.1",
            "192.0.2.7",
            "::1",
            "fd12::1",
            "::ffff:192.0.2.7",
        ] {
            assert!(exceptions.cover(host), "{host}");
        }
        for host in [
            "xlocalhost",
            "badexample.test",
            "other.test",
            "11.0.0.1",
            "192.0.2.8",
            "::2",
            "fe80::1",
            "10.example",
            "test",
        ] {
            assert!(!exceptions.cover(host), "{host}");
        }
    }

    #[test]
    fn a_star_is_all_and_nothing_is_none() {
        assert!(Exceptions::parse("*").cover("mail.example.test"));
        for nothing in ["", " , ", ".", "*.example.test", "10.0.0.0/x", "10.0.0.0/-1"] {
            assert!(!Exceptions::parse(nothing).cover("mail.example.test"), "{nothing}");
            assert!(!Exceptions::parse(nothing).cover("10.0.0.1"), "{nothing}");
        }
    }
}
