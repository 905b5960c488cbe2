//! The schema registry, spoken to by its Confluent API.

use std::error::Error;
use std::time::Duration;

use futures::future::try_join_all;
use reqwest::StatusCode;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SubjectNameStrategy, SuppliedSchema};
use serde_json::{Value, json};

use crate::event::SCHEMAS;

/// Every subject is held to it: a new version reads what every former one wrote, and the other way round.
pub const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// How long one call to the registry may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a schema is offered that the registry answers with a refusal.
const ATTEMPTS: u32 = 3;

/// Where the registry is, and for which topic the schemas are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The base of the Confluent API, without a slash at its end; for Apicurio it ends in `/apis/ccompat/v7`.
    pub url: String,
    /// The first part of every subject.
    pub topic: String,
}

/// The registry cannot serve us.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the schema registry at {url} cannot be used now: {reason}")]
    Unavailable { url: String, reason: String },
    #[error(
        "the schema registry refuses the schema of {subject}: {reason}; a new version must be compatible with all former ones in both directions"
    )]
    Incompatible { subject: String, reason: String },
    #[error(
        "the schema registry does not hold {subject} to {COMPATIBILITY}: {found}; set it there, or take away what overrides it"
    )]
    NotEnforced { subject: String, found: String },
    #[error("the schema registry knows no schema {id}")]
    UnknownId { id: u32 },
}

impl RegistryError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, RegistryError::Unavailable { .. })
    }
}

#[derive(Debug)]
pub(crate) struct Registry {
    config: RegistryConfig,
    settings: SrSettings,
    http: reqwest::Client,
}

/// A schema of ours and the id that the registry has given it.
#[derive(Debug)]
pub(crate) struct Registered {
    pub event_type: &'static str,
    /// The place of the version among those of its event type, from 0.
    pub version: usize,
    pub id: u32,
}

impl Registry {
    pub fn new(config: RegistryConfig) -> Result<Self, RegistryError> {
        let unusable = |reason: String| RegistryError::Unavailable { url: config.url.clone(), reason };
        let settings = SrSettings::new_builder(config.url.clone()).set_timeout(TIMEOUT).build();
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        Ok(Self {
            settings: settings.map_err(|error| unusable(chain(&error)))?,
            http: http.map_err(|error| unusable(chain(&error)))?,
            config,
        })
    }

    /// Registers every version of every schema. When it returns, each subject is held to [`COMPATIBILITY`].
    pub async fn enforce_and_register_all(&self) -> Result<Vec<Registered>, RegistryError> {
        let events = SCHEMAS.iter().map(async |event| {
            let subject = self.subject(event.event_type)?;
            self.demand_compatibility(&subject).await?;
            let registered = self.register(event.event_type, event.versions).await?;
            if let Some(current) = event.versions.last() {
                self.check_compatibility(&subject, current).await?;
            }
            Ok(registered)
        });
        Ok(try_join_all(events).await?.into_iter().flatten().collect())
    }

    /// Registers every version of every schema, at a level that is others' to set: a quarter of the requests.
    pub async fn register_all(&self) -> Result<Vec<Registered>, RegistryError> {
        let events = SCHEMAS.iter().map(|event| self.register(event.event_type, event.versions));
        Ok(try_join_all(events).await?.into_iter().flatten().collect())
    }

    /// The text of the schema that the registry has under this id.
    pub async fn schema(&self, id: u32) -> Result<String, RegistryError> {
        match get_schema_by_id(id, &self.settings).await {
            Ok(registered) => Ok(registered.schema),
            Err(error) if matches!(code(&error), Some(404 | 40403)) => Err(RegistryError::UnknownId { id }),
            Err(error) => Err(self.unavailable(chain(&error))),
        }
    }

    async fn register(
        &self,
        event_type: &'static str,
        versions: &'static [&'static str],
    ) -> Result<Vec<Registered>, RegistryError> {
        let subject = self.subject(event_type)?;
        let mut registered = Vec::with_capacity(versions.len());
        for (version, text) in versions.iter().enumerate() {
            let id = self.register_version(&subject, event_type, text).await?;
            registered.push(Registered { event_type, version, id });
        }
        Ok(registered)
    }

    /// The id of this version, new or known. Programs that start together race for the same subjects, and the registry
    /// refuses those that lose: asked again, it answers with what the winner registered.
    async fn register_version(&self, subject: &str, event_type: &str, text: &str) -> Result<u32, RegistryError> {
        let mut attempt = 1;
        loop {
            let name = Some(event_type.to_owned());
            let schema = SuppliedSchema::new(name, SchemaType::Avro, text.to_owned());
            let error = match post_schema(&self.settings, subject.to_owned(), schema).await {
                Ok(answer) => return Ok(answer.id),
                Err(error) => error,
            };
            match code(&error) {
                Some(_) if attempt < ATTEMPTS => attempt += 1,
                Some(409 | 422 | 42201) => {
                    return Err(RegistryError::Incompatible { subject: subject.to_owned(), reason: chain(&error) });
                }
                _ => return Err(self.unavailable(chain(&error))),
            }
        }
    }

    fn subject(&self, event_type: &str) -> Result<String, RegistryError> {
        SubjectNameStrategy::TopicRecordNameStrategy(self.config.topic.clone(), event_type.to_owned())
            .get_subject()
            .map_err(|error| self.unavailable(chain(&error)))
    }

    async fn demand_compatibility(&self, subject: &str) -> Result<(), RegistryError> {
        let url = self.url(&format!("config/{subject}"));
        let level = json!({ "compatibility": COMPATIBILITY });
        let mut attempt = 1;
        loop {
            match self.call(self.http.put(&url).json(&level)).await {
                // Another program that starts now has set it first; asked again, the registry sets it anew.
                Err(Failure::Refused(..)) if attempt < ATTEMPTS => attempt += 1,
                answer => return answer.map(drop).map_err(|failure| self.failed(failure)),
            }
        }
    }

    /// Believes neither what was set nor what is said to be set, but asks for a verdict that only a registry which
    /// enforces the level gives: a new field without a default must be refused.
    async fn check_compatibility(&self, subject: &str, current: &str) -> Result<(), RegistryError> {
        let level = self
            .call(self.http.get(self.url(&format!("config/{subject}"))))
            .await
            .map_err(|failure| self.failed(failure))?;
        let not_enforced = |found: String| RegistryError::NotEnforced { subject: subject.to_owned(), found };
        if level["compatibilityLevel"] != COMPATIBILITY {
            return Err(not_enforced(format!("it says {}", level["compatibilityLevel"])));
        }
        let request = self.http.post(self.url(&format!("compatibility/subjects/{subject}/versions")));
        let schema = json!({ "schemaType": "AVRO", "schema": with_a_new_field(current) });
        let verdict = self.call(request.json(&schema)).await.map_err(|failure| self.failed(failure))?;
        if verdict["is_compatible"] != false {
            return Err(not_enforced("it would take a new field without a default".to_owned()));
        }
        Ok(())
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            return Err(Failure::Refused(status, body));
        }
        serde_json::from_str(&body).map_err(|error| Failure::NotJson(error.to_string()))
    }

    fn failed(&self, failure: Failure) -> RegistryError {
        self.unavailable(chain(&failure))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.config.url)
    }

    fn unavailable(&self, reason: String) -> RegistryError {
        RegistryError::Unavailable { url: self.config.url.clone(), reason }
    }
}

/// Why a call of our own brought nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    #[error("it answered {0}: {1}")]
    Refused(StatusCode, String),
    #[error("its answer is not JSON: {0}")]
    NotJson(String),
}

fn with_a_new_field(schema: &str) -> String {
    let mut schema: Value =
        serde_json::from_str(schema).expect("the schemas are part of the program, and the suite parses each");
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.push(json!({ "name": "newFieldWithoutDefault", "type": "string" }));
    }
    schema.to_string()
}

/// The error code that the registry answered with.
fn code(error: &SRCError) -> Option<u32> {
    Some(error.source()?.downcast_ref::<RawError>()?.error_code)
}

/// The error and what caused it, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<SRCError>() {
        Some(error) => error.error.clone(),
        None => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
