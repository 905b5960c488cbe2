//! What tests rely on: a stack that starts, loses and regains a server, and goes without a trace.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use xtask::server::Service;
use xtask::stack::{Options, Stack};

#[test]
fn schema_ids_survive_a_restart_of_the_registry() {
    let stack = Stack::start("xtask-registry", &Options::for_test(&[Service::Registry])).unwrap();
    let port = port_of(&stack.addresses().schema_registry_url);
    let schema = |name: &str| format!(r#"{{"schema":"{{\"type\":\"record\",\"name\":\"{name}\",\"fields\":[]}}"}}"#);
    let first = http(port, "POST", "/apis/ccompat/v7/subjects/a/versions", &schema("A"));
    let second = http(port, "POST", "/apis/ccompat/v7/subjects/b/versions", &schema("B"));
    assert_ne!(first, second);
    let by_id = id_path(&second);
    let before = http(port, "GET", &by_id, "");

    stack.kill("registry").unwrap();
    stack.restart("registry").unwrap();

    assert_eq!(http(port, "GET", &by_id, ""), before);
    assert_eq!(http(port, "POST", "/apis/ccompat/v7/subjects/b/versions", &schema("B")), second);
    assert_eq!(http(port, "POST", "/apis/ccompat/v7/subjects/a/versions", &schema("A")), first);
}

#[test]
fn a_killed_mongod_comes_back_as_primary_and_nothing_of_a_dropped_stack_stays() {
    let stack = Stack::start("xtask-mongodb", &Options::for_test(&[Service::Mongodb, Service::Redis])).unwrap();
    let root = stack.paths().root.clone();
    let redis = port_of(&stack.addresses().redis_url);
    stack.kill("mongodb").unwrap();
    stack.stop("redis").unwrap();
    assert!(TcpStream::connect(("127.0.0.1", redis)).is_err());
    stack.restart("mongodb").unwrap();
    stack.restart("redis").unwrap();
    assert!(TcpStream::connect(("127.0.0.1", redis)).is_ok());
    assert!(stack.kill("kafka").is_err(), "a server that was never started cannot be killed");

    drop(stack);
    assert!(!root.exists());
    assert!(TcpStream::connect(("127.0.0.1", redis)).is_err());
}

fn port_of(url: &str) -> u16 {
    let (_, rest) = url.split_once("127.0.0.1:").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

fn id_path(answer: &str) -> String {
    let id: String = answer.chars().filter(char::is_ascii_digit).collect();
    format!("/apis/ccompat/v7/schemas/ids/{id}")
}

/// The body of the answer to one request.
fn http(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200"), "{answer}");
    body.to_owned()
}
