//! Asks a server over its own protocol whether it serves: an open port alone proves little.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::mongodb_wire;

const PATIENCE: Duration = Duration::from_secs(2);

/// How to see that a server is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// `GET path` answers 200.
    Http { port: u16, path: String },
    /// The broker knows of this many brokers, itself included.
    Kafka { port: u16, brokers: usize },
    /// The replica set has its primary here; it is initiated when it was not.
    Mongodb { port: u16 },
    /// `PING` is answered.
    Redis { port: u16 },
}

impl Probe {
    pub fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Kafka { port, .. } | Self::Mongodb { port } | Self::Redis { port } => *port,
        }
    }

    pub fn is_ready(&self) -> bool {
        match self {
            Self::Http { port, path } => http_status(*port, path) == Some(200),
            Self::Kafka { port, brokers } => kafka_brokers(*port).is_some_and(|known| known >= *brokers),
            Self::Mongodb { port } => mongodb_wire::is_primary(*port).unwrap_or(false),
            Self::Redis { port } => redis_answers(*port).unwrap_or(false),
        }
    }
}

/// A connection to a local server with time limits on it.
pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn http_status(port: u16, path: &str) -> Option<u16> {
    let mut stream = connect(port).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    // "HTTP/1.1 200"
    std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
}

fn redis_answers(port: u16) -> std::io::Result<bool> {
    let mut stream = connect(port)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"+PONG")
}

/// How many brokers this one knows, by a Metadata request (version 4) that names no topic.
fn kafka_brokers(port: u16) -> Option<usize> {
    let mut stream = connect(port).ok()?;
    let mut body = vec![0, 3, 0, 4, 0, 0, 0, 1];
    body.extend([0, 5]);
    body.extend(b"probe");
    body.extend([0, 0, 0, 0, 0]);
    let mut request = u32::try_from(body.len()).ok()?.to_be_bytes().to_vec();
    request.extend(body);
    stream.write_all(&request).ok()?;
    // Length, correlation id, throttle time, number of brokers: four bytes each.
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).ok()?;
    let count = i32::from_be_bytes(answer[12..].try_into().ok()?);
    usize::try_from(count).ok()
}
