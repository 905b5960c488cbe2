//! The bodies of post commands. Types are checked by the reader of fields, values by the domain, and whatever is wrong
//! with either is noted, so that a client learns of everything at once.

use chrono::{DateTime, Utc};
use event_schema::id::PersonId;
use event_schema::post::PostType;
use service::json::{Fields, Patch};
use service::problem::Problem;

use crate::domain::FieldError;
use crate::domain::fields as allowed;
use crate::domain::post::{Change, PostChanges, PostContents};

const TYPES: &[(&str, PostType)] =
    &[("article", PostType::Article), ("note", PostType::Note), ("link", PostType::Link)];

/// All fields of a post, those left out by their defaults.
pub fn contents(mut fields: Fields) -> Result<PostContents, Problem> {
    let built = read_contents(&mut fields);
    fields.finish_with(built)
}

/// The fields of a merge patch.
pub fn changes(mut fields: Fields) -> Result<PostChanges, Problem> {
    let changes = read_changes(&mut fields);
    fields.finish()?;
    Ok(changes)
}

/// `publishedAt` and `slug`, which may be left out.
pub fn publication(mut fields: Fields) -> Result<(Option<DateTime<Utc>>, Option<String>), Problem> {
    let time = optional_time(&mut fields, "publishedAt");
    let slug = fields.opt_string("slug").and_then(|text| checked(&mut fields, allowed::slug(&text)));
    fields.finish()?;
    Ok((time, slug))
}

/// `at`, which must be there.
pub fn schedule(mut fields: Fields) -> Result<DateTime<Utc>, Problem> {
    let time = fields.datetime("at").and_then(|time| checked(&mut fields, allowed::time("at", time)));
    fields.finish_with(time)
}

/// A body in which nothing may stand.
pub fn nothing(fields: Fields) -> Result<(), Problem> {
    fields.finish()
}

fn read_contents(fields: &mut Fields) -> Option<PostContents> {
    // Each line runs whatever became of the ones before.
    let post_type = if fields.has("type") { fields.choice("type", TYPES) } else { Some(PostType::Article) };
    let title = fields.string("title").and_then(|text| checked(fields, allowed::title(&text)));
    let content = fields.string("content").and_then(|text| checked(fields, allowed::content(text)));
    let excerpt = fields.opt_string("excerpt").unwrap_or_default();
    let excerpt = checked(fields, allowed::excerpt(&excerpt));
    let tags = fields.string_list("tags");
    let tags = all_checked(fields, allowed::tags(&tags));
    let category = fields.opt_string("category").unwrap_or_default();
    let category = checked(fields, allowed::category(&category));
    let media = fields.uuid_list("media");
    let media = checked(fields, allowed::media(&media));
    let author_id = fields.opt_uuid("authorId").map(PersonId::new);
    let published_at = optional_time(fields, "publishedAt");
    Some(PostContents {
        post_type: post_type?,
        title: title?,
        content: content?,
        excerpt: excerpt?,
        tags: tags?,
        category: category?,
        media: media?,
        author_id,
        published_at,
    })
}

fn read_changes(fields: &mut Fields) -> PostChanges {
    let post_type = if fields.has("type") { fields.choice("type", TYPES) } else { None };
    let title = unless_null(fields, "title").and_then(|text: String| checked(fields, allowed::title(&text)));
    let content = unless_null(fields, "content").and_then(|text| checked(fields, allowed::content(text)));
    let excerpt = cleared_by_null(fields, "excerpt").and_then(|text: String| checked(fields, allowed::excerpt(&text)));
    let tags = cleared_by_null(fields, "tags").and_then(|tags: Vec<String>| all_checked(fields, allowed::tags(&tags)));
    let category =
        cleared_by_null(fields, "category").and_then(|text: String| checked(fields, allowed::category(&text)));
    let media = cleared_by_null(fields, "media").and_then(|ids: Vec<_>| checked(fields, allowed::media(&ids)));
    let author_id = unless_null(fields, "authorId").map(PersonId::new);
    let published_at = match fields.patch("publishedAt") {
        Patch::Keep => Change::Keep,
        Patch::Clear => Change::Clear,
        Patch::Set(time) => checked(fields, allowed::time("publishedAt", time)).map_or(Change::Keep, Change::Set),
    };
    PostChanges { post_type, title, content, excerpt, tags, category, media, author_id, published_at }
}

/// A field of a patch that cannot be taken away.
pub(super) fn unless_null<T: service::json::FromJson>(fields: &mut Fields, name: &str) -> Option<T> {
    match fields.patch(name) {
        Patch::Keep => None,
        Patch::Set(value) => Some(value),
        Patch::Clear => {
            fields.refuse(name, "required", "This field cannot be taken away; give a value or leave it out.");
            None
        }
    }
}

/// A field of a patch whose absence is its empty value.
fn cleared_by_null<T: service::json::FromJson + Default>(fields: &mut Fields, name: &str) -> Option<T> {
    match fields.patch(name) {
        Patch::Keep => None,
        Patch::Clear => Some(T::default()),
        Patch::Set(value) => Some(value),
    }
}

fn optional_time(fields: &mut Fields, name: &str) -> Option<DateTime<Utc>> {
    fields.opt_datetime(name).and_then(|time| checked(fields, allowed::time(name, time)))
}

pub(super) fn checked<T>(fields: &mut Fields, value: Result<T, FieldError>) -> Option<T> {
    value.map_err(|error| fields.refuse(&error.field, error.code, error.message)).ok()
}

fn all_checked<T>(fields: &mut Fields, value: Result<T, Vec<FieldError>>) -> Option<T> {
    value
        .map_err(|errors| {
            for error in errors {
                fields.refuse(&error.field, error.code, error.message);
            }
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fields(body: Value) -> Fields {
        service::json::parse(body.to_string().as_bytes()).unwrap()
    }

    fn errors<T: std::fmt::Debug>(result: Result<T, Problem>) -> Vec<String> {
        let problem = result.unwrap_err();
        assert_eq!(problem.status(), 422);
        problem.field_errors().iter().map(|error| format!("{} {}", error.field, error.code)).collect()
    }

    #[test]
    fn what_is_left_out_of_a_post_has_its_default() {
        let post = contents(fields(json!({ "title": " T ", "content": "c" }))).unwrap();
        assert_eq!(post.title, "T");
        assert_eq!(post.post_type, PostType::Article);
        assert_eq!((post.excerpt.as_str(), post.category.as_str()), ("", ""));
        assert!(post.tags.is_empty() && post.media.is_empty());
        assert_eq!((post.author_id, post.published_at), (None, None));
    }

    #[test]
    fn every_bad_field_of_a_post_is_named_at_once() {
        let found = errors(contents(fields(json!({
            "type": "poem", "title": " ", "content": 7, "excerpt": "x".repeat(501), "tags": ["ok", "", 3],
            "category": "a\nb", "media": ["x"], "authorId": "me", "publishedAt": "yesterday", "colour": "red",
        }))));
        let named: Vec<_> = found.iter().map(String::as_str).collect();
        for expected in [
            "type choice",
            "title required",
            "content type",
            "excerpt too-long",
            "tags[2] type",
            "category control-character",
            "media[0] format",
            "authorId format",
            "publishedAt format",
            "colour unknown",
        ] {
            assert!(named.contains(&expected), "{expected} is missing in {named:?}");
        }
    }

    #[test]
    fn a_missing_title_and_content_are_both_named() {
        assert_eq!(errors(contents(fields(json!({})))), ["title required", "content required"]);
    }

    #[test]
    fn ten_thousand_tags_are_one_error() {
        let found = errors(contents(fields(json!({ "title": "t", "content": "c", "tags": vec!["x"; 10_000] }))));
        assert_eq!(found, ["tags too-many"]);
    }

    #[test]
    fn a_patch_holds_what_it_names_and_null_takes_away() {
        let patch = changes(fields(json!({
            "title": "New", "excerpt": null, "category": null, "tags": null, "media": null, "publishedAt": null,
        })))
        .unwrap();
        assert_eq!(
            patch,
            PostChanges {
                title: Some("New".into()),
                excerpt: Some(String::new()),
                category: Some(String::new()),
                tags: Some(Vec::new()),
                media: Some(Vec::new()),
                published_at: Change::Clear,
                ..PostChanges::default()
            }
        );
        assert_eq!(changes(fields(json!({}))).unwrap(), PostChanges::default());
    }

    #[test]
    fn null_on_a_field_that_must_be_there_is_an_error() {
        let found = errors(changes(fields(json!({ "type": null, "title": null, "content": null, "authorId": null }))));
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_publication_may_choose_its_slug_and_a_bad_one_is_one_error() {
        assert_eq!(publication(fields(json!({}))).unwrap(), (None, None));
        assert_eq!(publication(fields(json!({ "slug": null }))).unwrap(), (None, None));
        assert_eq!(publication(fields(json!({ "slug": "on-light" }))).unwrap(), (None, Some("on-light".to_owned())));
        for (bad, code) in [(json!("On Light"), "slug format"), (json!(7), "slug type"), (json!(""), "slug too-short")]
        {
            assert_eq!(errors(publication(fields(json!({ "slug": bad })))), [code]);
        }
    }

    #[test]
    fn a_schedule_needs_a_time_within_the_calendar() {
        assert_eq!(errors(schedule(fields(json!({})))), ["at required"]);
        assert_eq!(errors(schedule(fields(json!({ "at": "0000-01-01T00:00:00Z" })))), ["at out-of-range"]);
        assert_eq!(errors(schedule(fields(json!({ "at": 5, "when": "now" })))), ["at type", "when unknown"]);
        assert!(schedule(fields(json!({ "at": "2030-01-01T00:00:00+02:00" }))).is_ok());
    }
}
