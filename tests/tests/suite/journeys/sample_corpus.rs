//! The sample corpus on its way from a client to readers.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use serde_json::Value;

use super::{addresses, assert_a_second_load_changes_nothing, dashboard, is_served, load, loaders, ranking};

#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_are_served_in_order_with_their_authors_though_the_projector_was_killed_on_the_way() {
    let system = System::start(Servers::Steady, "corpus").await;
    let (addresses, tokens) = (addresses().await, loaders(&system));
    assert_eq!(addresses.len(), 233);
    let loaded = load(&system, &tokens, addresses, |acknowledged| match acknowledged {
        60 => system.projectors.kill(),
        120 => system.projectors.restart(),
        _ => {}
    })
    .await;
    assert_eq!((loaded.people, loaded.posts, loaded.positions.len()), (43, 233, 43 + 233));
    is_served(&system, &loaded.positions).await;

    let ascending = pages(&system, "asc").await;
    assert_eq!(ascending.len(), 233);
    let place =
        |post: &Value| (post["publishedAt"].as_str().unwrap().to_owned(), post["id"].as_str().unwrap().to_owned());
    assert!(ascending.is_sorted_by_key(place), "by publishedAt, then by id");
    let mut descending = pages(&system, "desc").await;
    assert_eq!(walk(&system, "desc").await, descending);
    descending.sort_by_key(place);
    assert_eq!(descending, ascending);
    assert_eq!(walk(&system, "asc").await, ascending);

    let mut served = Vec::new();
    for post in &ascending {
        let post = system.read(&format!("{POSTS}/{}", post["slug"].as_str().unwrap()), None).await.expect(200).body;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags: Vec<_> = post["tags"].as_array().unwrap().iter().map(text).collect();
        served.push((
            text(&post["publishedAt"]),
            text(&post["title"]),
            text(&post["author"]["name"]),
            tags,
            text(&post["content"]),
        ));
    }
    let mut expected: Vec<_> = addresses
        .iter()
        .map(|address| {
            let published_at = address.published_at().replace(".000", "");
            (published_at, address.title(), address.speaker.clone(), address.tags(), address.content())
        })
        .collect();
    served.sort();
    expected.sort();
    assert_eq!(served.len(), expected.len());
    for (served, expected) in served.iter().zip(&expected) {
        assert_eq!(served, expected);
    }

    system.assert_stores_are_the_fold_of_the_log().await;
    ranking::assert_what_must_come_first_does(&system, &loaded.positions[..100].join(",")).await;
    assert_a_second_load_changes_nothing(&system, &tokens, addresses, &loaded).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    dashboard::assert_it_works(&system).await;
    system.end().await;
}

/// All posts, page by page.
async fn pages(system: &System, order: &str) -> Vec<Value> {
    let mut posts = Vec::new();
    for page in 1..=3 {
        let path = format!("{POSTS}?sortBy=publishedAt&sortOrder={order}&limit=100&page={page}");
        let body = system.read(&path, None).await.expect(200).body;
        assert_eq!((&body["total"], &body["totalPages"]), (&233.into(), &3.into()));
        posts.extend(body["data"].as_array().unwrap().clone());
    }
    posts
}

/// All posts, from cursor to cursor.
async fn walk(system: &System, order: &str) -> Vec<Value> {
    let mut posts = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{POSTS}?sortBy=publishedAt&sortOrder={order}&limit=40&cursor={cursor}");
        let body = system.read(&path, None).await.expect(200).body;
        posts.extend(body["data"].as_array().unwrap().clone());
        match body["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return posts,
        }
    }
}
