use super::*;
use crate::http::HttpArgs;
use crate::telemetry::TelemetryArgs;

#[derive(Debug, Parser)]
struct Sample {
    #[arg(long, env = "GROOT_SAMPLE_ADDR", default_value = "127.0.0.1:3001", value_parser = socket_addr)]
    sample_addr: SocketAddr,
    #[arg(long, env = "GROOT_SAMPLE_COUNT", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=100))]
    sample_count: u16,
    #[arg(long, env = "GROOT_SAMPLE_TOPIC", value_parser = not_blank)]
    sample_topic: String,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    http: HttpArgs,
}

fn error(arguments: &[&str]) -> String {
    let mut all = vec!["sample", "--sample-topic", "t"];
    all.extend(arguments);
    read_from::<Sample>(&all).unwrap_err().0
}

#[test]
fn every_value_has_a_default_but_what_is_required() {
    let sample: Sample = read_from(&["sample", "--sample-topic", "t"]).unwrap();
    assert_eq!((sample.sample_count, sample.sample_addr.port()), (12, 3001));
    assert_eq!(
        read_from::<Sample>(&["sample"]).unwrap_err().0,
        "GROOT_SAMPLE_TOPIC (--sample-topic) is not set; give it a value"
    );
}

#[test]
fn a_bad_value_names_the_variable_the_value_and_what_is_allowed() {
    assert_eq!(
        error(&["--sample-addr", "here"]),
        "GROOT_SAMPLE_ADDR (--sample-addr) has the value \"here\", which is not allowed; \
         allowed: an IP address and a port, such as 127.0.0.1:3001 or [::1]:3001"
    );
    let bounds = error(&["--sample-count", "0"]);
    assert!(bounds.starts_with("GROOT_SAMPLE_COUNT (--sample-count)") && bounds.contains("1..=100"), "{bounds}");
    let choice = error(&["--log-format", "xml"]);
    assert!(choice.starts_with("GROOT_LOG_FORMAT (--log-format)"), "{choice}");
    assert!(choice.ends_with("allowed: one of text, json"), "{choice}");
    let filter = error(&["--log", "groot=loud=x"]);
    assert!(filter.starts_with("GROOT_LOG (--log)") && filter.contains("debug"), "{filter}");
    let origins = error(&["--allowed-origins", "*"]);
    assert!(origins.starts_with("ALLOWED_ORIGINS (--allowed-origins)"), "{origins}");
}

#[test]
fn an_unknown_flag_is_named() {
    assert!(error(&["--colour", "red"]).contains("--colour"));
}

#[test]
fn durations_have_a_unit_and_bounds() {
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
    assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
    for bad in ["", "5", "s", "0s", "-1s", "1.5s", "25h", "99999999999999999999s", "18446744073709551615h"] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn origins_are_bare_and_never_a_wildcard() {
    assert_eq!(origin("https://Blog.Example").unwrap(), "https://blog.example");
    assert_eq!(origin("http://localhost:3000").unwrap(), "http://localhost:3000");
    for bad in ["*", "https://*", "https://a/", "blog.example", "ftp://a", "https://", "https://u@a", "null"] {
        assert!(origin(bad).is_err(), "{bad}");
    }
}

#[test]
fn addresses_are_checked() {
    assert_eq!(http_url("http://127.0.0.1:8081/").unwrap(), "http://127.0.0.1:8081");
    assert!(http_url("127.0.0.1:8081").is_err());
    assert!(host_port_list("a:1,b:2").is_ok());
    for bad in ["", "a", "a:", ":1", "a:0", "a:1,", "a:70000"] {
        assert!(host_port_list(bad).is_err(), "{bad}");
    }
    assert!(mongodb_uri("mongodb://127.0.0.1").is_ok());
    assert!(mongodb_uri("http://127.0.0.1").is_err());
    assert!(not_blank(" ").is_err());
}

#[test]
fn an_address_for_the_log_has_no_password() {
    assert_eq!(without_credentials("mongodb://u:p@h:1/db?x=y"), "mongodb://h:1/db");
    assert_eq!(without_credentials("mongodb://u:p@ss@h:1,i:2"), "mongodb://h:1,i:2");
    assert_eq!(without_credentials("127.0.0.1:9092"), "127.0.0.1:9092");
}
