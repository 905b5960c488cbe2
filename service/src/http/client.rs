//! From where a request comes, when proxies may stand between.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Networks of proxies whose word on their clients is taken. Cheap to clone. From anybody else such a word is what a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Arc<[IpNet]>);

/// What is known of a client's whereabouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    pub address: IpAddr,
    /// Two capital letters, of ISO 3166-1, if a proxy says so.
    pub country: Option<String>,
    pub region: Option<String>,
}

const FORWARDED_FOR: &str = "x-forwarded-for";
/// As proxies name them that look addresses up.
const COUNTRY: &str = "x-geo-country";
const REGION: &str = "x-geo-region";
const REGION_MAX: usize = 64;

impl TrustedProxies {
    /// Each proxy appends whom it has the request from to `X-Forwarded-For`: read from the end, the first one that is no
    /// proxy is the client. `X-Geo-Country` and `X-Geo-Region` are taken where the connection is a proxy's.
    pub fn whereabouts(&self, peer: IpAddr, headers: &HeaderMap) -> Whereabouts {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Whereabouts { address: peer, country: None, region: None };
        }
        let mut address = peer;
        let named = headers.get_all(FORWARDED_FOR).iter().rev();
        for name in named.flat_map(|value| value.to_str().unwrap_or("?").rsplit(',')) {
            // What stands further to the left was told to somebody who tells nonsense.
            let Ok(named) = name.trim().parse::<IpAddr>() else { break };
            address = named.to_canonical();
            if !self.trusts(address) {
                break;
            }
        }
        // The last one is the nearest proxy's own; what stands before may be the client's.
        let said =
            |name: &str| headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok()).map(str::trim);
        let country = said(COUNTRY).filter(|country| is_country(country)).map(str::to_ascii_uppercase);
        let region = said(REGION).filter(|region| !region.is_empty() && region.len() <= REGION_MAX).map(str::to_owned);
        Whereabouts { address, country, region }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn asked(peer: &str, headers: &[(&'static str, &'static str)]) -> Whereabouts {
        let trusted =
            TrustedProxies(["10.0.0.0/8", "::1/128"].iter().map(|network| network.parse().unwrap()).collect());
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<Vec<(axum::http::HeaderName, _)>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        trusted.whereabouts(peer.parse().unwrap(), &map)
    }

    fn at(address: &str, country: Option<&str>) -> Whereabouts {
        let country = country.map(str::to_owned);
        Whereabouts { address: address.parse().unwrap(), country, region: None }
    }

    #[test]
    fn a_client_is_not_believed_who_it_says_it_is() {
        let lies = [("x-forwarded-for", "192.0.2.1"), ("x-geo-country", "DE")];
        assert_eq!(asked("203.0.113.9", &lies), at("203.0.113.9", None));
    }

    #[test]
    fn of_a_chain_the_last_one_that_is_no_proxy_is_the_client() {
        let chain = [("x-forwarded-for", "198.51.100.1, 192.0.2.1"), ("x-forwarded-for", "10.1.2.3")];
        assert_eq!(asked("10.0.0.1", &chain), at("192.0.2.1", None));
        assert_eq!(asked("::ffff:10.0.0.1", &[("x-forwarded-for", "2001:db8::7")]), at("2001:db8::7", None));
    }

    #[test]
    fn nonsense_ends_the_chain() {
        assert_eq!(asked("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, unknown, 10.1.2.3")]), at("10.1.2.3", None));
        assert_eq!(asked("10.0.0.1", &[]), at("10.0.0.1", None));
    }

    #[test]
    fn what_the_nearest_proxy_says_of_a_country_counts() {
        let told = [("x-geo-country", "FR"), ("x-geo-country", "DE")];
        assert_eq!(asked("::1", &told), at("::1", Some("DE")));
    }

    #[test]
    fn a_proxy_tells_country_and_region() {
        let told = [("x-forwarded-for", "192.0.2.1"), ("x-geo-country", "de"), ("x-geo-region", "BE")];
        assert_eq!(asked("10.0.0.1", &told), Whereabouts { region: Some("BE".into()), ..at("192.0.2.1", Some("DE")) });
        assert_eq!(asked("::1", &[("x-geo-country", "Germany")]), at("::1", None));
    }
}
