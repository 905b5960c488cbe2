//! The pages that explain the problem types, made from the catalogue so that they cannot disagree with it.

use axum::Router;
use axum::extract::Path;
use axum::response::Html;
use axum::routing::get;

use super::{Problem, ProblemType};

/// Serves `/problems`, the index, and `/problems/{slug}`, one page for each type.
pub fn router() -> Router {
    Router::new().route("/problems", get(async || Html(index()))).route("/problems/{slug}", get(page))
}

async fn page(Path(slug): Path<String>) -> Result<Html<String>, Problem> {
    let kind = ProblemType::from_slug(&slug)
        .ok_or_else(|| Problem::not_found("There is no problem type of this name; /problems lists them all."))?;
    let entry = kind.entry();
    Ok(Html(document(
        entry.title,
        &format!(
            "<h1>{}</h1>\n<p>Type <code>{}</code>, status {}.</p>\n<h2>What it means</h2>\n<p>{}</p>\n\
             <h2>What to do</h2>\n<p>{}</p>\n<p><a href=\"/problems\">All problem types</a></p>",
            entry.title,
            kind.uri(),
            entry.status,
            entry.meaning,
            entry.cure
        ),
    )))
}

fn index() -> String {
    let rows: String = ProblemType::ALL
        .into_iter()
        .map(|kind| {
            format!(
                "<tr><td>{}</td><td><a href=\"{}\">{}</a></td><td>{}</td></tr>\n",
                kind.status().as_u16(),
                kind.uri(),
                kind.slug(),
                kind.title()
            )
        })
        .collect();
    document(
        "Problem types",
        &format!(
            "<h1>Problem types</h1>\n<table>\n<tr><th>Status</th><th>Type</th><th>Title</th></tr>\n{rows}</table>"
        ),
    )
}

/// The texts come from the catalogue alone and hold no character that HTML would read as markup.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
         <body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}
