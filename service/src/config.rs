//! Configuration from flags and environment variables: readers of values that say what is allowed, and errors that
//! name the variable.
//!
//! A binary has one `clap::Parser` struct whose fields carry `env = "GROOT_…"` and use the readers here as
//! `value_parser`; [`read`] fills it or ends the process with exit code 2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Parser};
use ipnet::IpNet;

use crate::http::TrustedProxies;

use crate::startup::EXIT_CONFIG;

/// The configuration is wrong; the text names the variable, its value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Reads the configuration from the process's arguments and environment. A bad value ends the process with exit code
/// 2 and a line that names the variable and what is allowed; `--help` and `--version` print and end it with 0.
pub fn read<T: Parser>() -> T {
    T::try_parse().unwrap_or_else(|error| {
        match explain(&error, &T::command()) {
            Some(ConfigError(text)) => eprintln!("error: {text}"),
            None => error.exit(),
        }
        std::process::exit(i32::from(EXIT_CONFIG))
    })
}

/// Reads the configuration from these arguments and the environment.
///
/// # Errors
/// When a value is missing or bad. `--help` and `--version` are given as errors too, with their text.
pub fn read_from<T: Parser>(arguments: &[&str]) -> Result<T, ConfigError> {
    T::try_parse_from(arguments)
        .map_err(|error| explain(&error, &T::command()).unwrap_or_else(|| ConfigError(error.to_string())))
}

/// An address to listen on or to call, such as `127.0.0.1:3001`.
pub fn socket_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port, such as 127.0.0.1:3001 or [::1]:3001".to_owned())
}

/// A length of time such as `250ms`, `2s`, `5m` or `1h`; more than nothing and at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let allowed = || "a length of time from 1ms to 24h, such as 250ms, 2s, 5m or 1h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(allowed)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| allowed())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    match milliseconds {
        Some(ms @ 1..=86_400_000) => Ok(Duration::from_millis(ms)),
        _ => Err(allowed()),
    }
}

/// Networks such as `10.0.0.0/8`, or addresses, with commas between; `none` for none.
pub fn networks(text: &str) -> Result<TrustedProxies, String> {
    let network = |text: &str| {
        let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address));
        text.parse().ok().or_else(address)
    };
    if matches!(text, "" | "none") {
        return Ok(TrustedProxies::default());
    }
    let networks: Option<Vec<_>> = text.split(',').map(|text| network(text.trim())).collect();
    networks
        .map(|networks: Vec<_>| TrustedProxies(networks.into()))
        .ok_or_else(|| "networks such as 10.0.0.0/8 or addresses, with commas between, or none".to_owned())
}

/// An `http://` or `https://` address without a trailing slash.
pub fn http_url(text: &str) -> Result<String, String> {
    let uri: Option<Uri> = text.parse().ok();
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("an address with http:// or https://, such as http://127.0.0.1:8081".to_owned()),
    }
}

/// One or more `host:port` pairs with commas between them, such as `127.0.0.1:9092`.
pub fn host_port_list(text: &str) -> Result<String, String> {
    let valid = |pair: &str| {
        pair.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if text.split(',').all(|pair| valid(pair.trim())) {
        Ok(text.to_owned())
    } else {
        Err("host:port pairs with commas between them, such as 127.0.0.1:9092".to_owned())
    }
}

/// A MongoDB connection string.
pub fn mongodb_uri(text: &str) -> Result<String, String> {
    if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
        Ok(text.to_owned())
    } else {
        Err("a connection string that begins with mongodb:// or mongodb+srv://".to_owned())
    }
}

/// Any text that is not blank.
pub fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a text that is not blank".to_owned()) } else { Ok(text.to_owned()) }
}

/// What the names of Elasticsearch indexes may begin with.
pub fn index_prefix(text: &str) -> Result<String, String> {
    let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if begins_well && text.chars().all(is_plain) && text.len() <= 100 {
        Ok(text.to_owned())
    } else {
        Err("to 100 lower-case letters, digits, - and _, the first a letter or a digit".to_owned())
    }
}

/// What a database of ClickHouse may be called.
pub fn database_name(text: &str) -> Result<String, String> {
    let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins_well && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && text.len() <= 100 {
        Ok(text.to_owned())
    } else {
        Err("to 100 letters, digits and _, the first not a digit".to_owned())
    }
}

/// One origin of the CORS allow-list, such as `https://blog.example`. `*` is refused: credentials are allowed.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let allowed = || {
        "origins with commas between them, each a scheme and a host without a path, such as https://blog.example"
            .to_owned()
    };
    let (scheme, host) = text.split_once("://").ok_or_else(allowed)?;
    let host_is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']);
    if !matches!(scheme, "http" | "https") || !host_is_bare || text.parse::<Uri>().is_err() {
        return Err(allowed());
    }
    // Browsers send the origin in lower case.
    HeaderValue::try_from(text.to_ascii_lowercase()).map_err(|_| allowed())
}

/// The address of a server without user name and password, fit for logs and errors.
pub fn without_credentials(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", path.split('?').next().unwrap_or_default())
}

/// Clap speaks of flags; operators mostly set variables. `None` where there is nothing to explain: help and version.
fn explain(error: &clap::Error, command: &Command) -> Option<ConfigError> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return None;
    }
    let value = text(error.get(ContextKind::InvalidValue));
    let text_of_clap = || error.to_string().trim_start_matches("error: ").trim_end().to_owned();
    let names: Vec<String> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => vec![name(argument, command)],
        Some(ContextValue::Strings(arguments)) => arguments.iter().map(|argument| name(argument, command)).collect(),
        _ => Vec::new(),
    };
    let names = names.join(", ");
    Some(ConfigError(match error.kind() {
        ErrorKind::MissingRequiredArgument if !names.is_empty() => {
            format!("{names} is not set; give it a value")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if !names.is_empty() => {
            let allowed = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) if !values.is_empty() => {
                    format!("one of {}", values.join(", "))
                }
                _ => std::error::Error::source(error).map(ToString::to_string).unwrap_or_default(),
            };
            let value = value.unwrap_or_default();
            format!("{names} has the value {value:?}, which is not allowed; allowed: {allowed}")
        }
        _ => text_of_clap(),
    }))
}

/// The variable behind an argument such as `--http-addr <ADDR>`, with its flag.
fn name(argument: &str, command: &Command) -> String {
    let flag = argument.split_whitespace().next().unwrap_or(argument);
    let found = all_arguments(command)
        .into_iter()
        .find(|arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)));
    match found.and_then(|arg| arg.get_env()) {
        Some(variable) => format!("{} ({flag})", variable.to_string_lossy()),
        None => flag.to_owned(),
    }
}

fn all_arguments(command: &Command) -> Vec<&clap::Arg> {
    let mut arguments: Vec<&clap::Arg> = command.get_arguments().collect();
    for sub in command.get_subcommands() {
        arguments.extend(all_arguments(sub));
    }
    arguments
}

fn text(value: Option<&ContextValue>) -> Option<String> {
    match value {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
