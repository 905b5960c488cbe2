use event_schema::event::DomainEvent;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostType, PostUnpublished,
    RestoredStatus,
};
use uuid::Uuid;

use super::{Change, PostChanges, PostCommand, PostContents};
use crate::domain::spec::*;
use crate::domain::{Actor, Denial, Rejection, Rule};
use PostCommand::*;

fn created() -> DomainEvent {
    let post = new_post();
    PostCreated {
        post_type: post.post_type,
        title: post.title,
        content: post.content,
        excerpt: post.excerpt,
        tags: post.tags,
        category: post.category,
        media: post.media,
        author_id: AUTHOR_ID,
        published_at: None,
    }
    .into()
}

fn published() -> PostPublished {
    PostPublished { slug: "first-light-deadbeef".into(), published_at: now(), scheduled: false }
}

fn scheduled() -> PostScheduled {
    PostScheduled { at: at("2026-04-01T00:00:00Z") }
}

fn publish() -> PostCommand {
    Publish { published_at: None }
}

fn retitle(title: &str) -> PostCommand {
    Edit(PostChanges { title: Some(title.into()), ..PostChanges::default() })
}

fn every_command_on_a_post() -> Vec<PostCommand> {
    vec![
        retitle("Second light"),
        Replace(new_post()),
        publish(),
        CheckPublishAs { published_at: None, slug: SLUG.into() },
        PublishAs { published_at: None, slug: SLUG.into(), token: 1 },
        Unpublish,
        Schedule { at: scheduled().at },
        Delete,
        Restore,
    ]
}

const DELETED: Rejection = Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored);

// Creating.

#[test]
fn an_author_creates_a_post_of_their_own() {
    given_nothing().when(AUTHOR, Create(new_post())).then(created());
}

#[test]
fn an_author_may_name_themselves_as_author() {
    let post = PostContents { author_id: Some(AUTHOR_ID), ..new_post() };
    given_nothing().when(AUTHOR, Create(post)).then(created());
}

#[test]
fn an_author_creates_no_post_of_another() {
    let post = PostContents { author_id: Some(OTHER_AUTHOR_ID), ..new_post() };
    given_nothing().when(AUTHOR, Create(post)).then_refused(Rejection::Forbidden(Denial::AttributePosts));
}

#[test]
fn an_author_chooses_no_time_of_publication() {
    let post = PostContents { published_at: Some(now()), ..new_post() };
    given_nothing().when(AUTHOR, Create(post)).then_refused(Rejection::Forbidden(Denial::AttributePosts));
}

#[test]
fn editors_and_admins_choose_author_and_time_of_publication() {
    for actor in [EDITOR, ADMIN] {
        let time = at("1790-01-01T00:00:00Z");
        let post = PostContents { author_id: Some(AUTHOR_ID), published_at: Some(time), ..new_post() };
        given_nothing()
            .when(actor, Create(post))
            .then(PostCreated { published_at: Some(time), ..as_created(created()) })
            .when(AUTHOR, publish())
            .then(PostPublished { published_at: time, ..published() });
    }
}

#[test]
fn a_post_is_created_once() {
    given([created()]).when(AUTHOR, Create(new_post())).then_refused(Rejection::AlreadyExists);
}

// Who may write.

#[test]
fn a_reader_writes_no_post() {
    let denied = Rejection::Forbidden(Denial::WritePosts);
    given_nothing().when(READER, Create(new_post())).then_refused(denied.clone());
    for command in every_command_on_a_post() {
        given([created()]).when(READER, command.clone()).then_refused(denied.clone());
        given_nothing().when(READER, command).then_refused(denied.clone());
    }
}

#[test]
fn an_author_writes_no_post_of_another() {
    for command in every_command_on_a_post() {
        given([created()]).when(OTHER_AUTHOR, command).then_refused(Rejection::Forbidden(Denial::WritePostsOfOthers));
    }
}

#[test]
fn editors_and_admins_write_any_post() {
    for actor in [EDITOR, ADMIN] {
        given([created()]).when(actor, publish()).then(published());
    }
}

#[test]
fn an_author_changes_neither_author_nor_time_of_publication() {
    let denied = Rejection::Forbidden(Denial::AttributePosts);
    let given_away = PostChanges { author_id: Some(OTHER_AUTHOR_ID), ..PostChanges::default() };
    given([created()]).when(AUTHOR, Edit(given_away)).then_refused(denied.clone());
    let backdated = PostChanges { published_at: Change::Set(now()), ..PostChanges::default() };
    given([created()]).when(AUTHOR, Edit(backdated)).then_refused(denied.clone());
    let replaced = PostContents { published_at: Some(now()), ..new_post() };
    given([created()]).when(AUTHOR, Replace(replaced)).then_refused(denied.clone());
    let command = Publish { published_at: Some(now()) };
    given([created()]).when(AUTHOR, command).then_refused(denied);
}

#[test]
fn an_author_may_send_back_the_author_and_time_that_are_there() {
    let same = PostContents { author_id: Some(AUTHOR_ID), published_at: Some(now()), ..new_post() };
    given([created(), published().into()]).when(AUTHOR, Replace(same)).then_nothing_happens();
}

#[test]
fn a_post_that_was_given_away_is_the_new_authors() {
    let given_away = PostEdited { author_id: Some(OTHER_AUTHOR_ID), ..PostEdited::default() };
    let given = given([created(), given_away.into()]);
    let given = given.when(OTHER_AUTHOR, publish()).then(published());
    given.when(AUTHOR, Unpublish).then_refused(Rejection::Forbidden(Denial::WritePostsOfOthers));
}

// Versions.

#[test]
fn what_was_never_created_is_not_found() {
    for command in every_command_on_a_post() {
        given_nothing().when(ADMIN, command).then_refused(Rejection::NotFound);
    }
}

#[test]
fn a_command_that_saw_another_version_is_refused() {
    for command in every_command_on_a_post() {
        given([created(), published().into()])
            .when_seen(1, AUTHOR, command)
            .then_refused(Rejection::VersionMismatch { current: 2 });
    }
}

#[test]
fn a_command_that_saw_the_present_version_is_taken() {
    given([created()]).when_seen(1, AUTHOR, publish()).then(published());
}

#[test]
fn authority_is_judged_before_the_version() {
    given([created()])
        .when_seen(7, OTHER_AUTHOR, publish())
        .then_refused(Rejection::Forbidden(Denial::WritePostsOfOthers));
}

#[test]
fn the_version_is_judged_before_the_rules() {
    given([created(), PostDeleted {}.into()])
        .when_seen(1, AUTHOR, publish())
        .then_refused(Rejection::VersionMismatch { current: 2 });
}

// Editing.

#[test]
fn an_edit_holds_only_what_changes() {
    let changes = PostChanges {
        title: Some("Second light".into()),
        content: Some(new_post().content),
        tags: Some(new_post().tags),
        ..PostChanges::default()
    };
    given([created()])
        .when(AUTHOR, Edit(changes))
        .then(PostEdited { title: Some("Second light".into()), ..PostEdited::default() });
}

#[test]
fn an_edit_that_changes_nothing_is_no_event() {
    let same = PostChanges::from(new_post());
    given([created()]).when(AUTHOR, Edit(same)).then_nothing_happens();
    given([created()]).when(AUTHOR, Edit(PostChanges::default())).then_nothing_happens();
    given([created()]).when(AUTHOR, Replace(new_post())).then_nothing_happens();
}

#[test]
fn changed_content_is_noticed() {
    let content = Some("# Dark".to_owned());
    let changes = PostChanges { content: content.clone(), ..PostChanges::default() };
    given([created()])
        .when(AUTHOR, Edit(changes.clone()))
        .then(PostEdited { content, ..PostEdited::default() })
        .when(AUTHOR, Edit(changes))
        .then_nothing_happens();
}

#[test]
fn a_replacement_takes_away_what_it_leaves_out() {
    let edited =
        PostEdited { excerpt: Some("In short".into()), category: Some("Physics".into()), ..PostEdited::default() };
    let bare = PostContents { post_type: PostType::Note, tags: Vec::new(), ..new_post() };
    given([created(), edited.into()]).when(AUTHOR, Replace(bare)).then(PostEdited {
        post_type: Some(PostType::Note),
        excerpt: Some(String::new()),
        tags: Some(Vec::new()),
        category: Some(String::new()),
        ..PostEdited::default()
    });
}

#[test]
fn a_replacement_keeps_author_and_time_of_publication_unless_it_names_them() {
    let given = given([created(), published().into()]);
    let given = given.when(EDITOR, Replace(new_post())).then_nothing_happens();
    let time = at("1999-12-31T00:00:00Z");
    let named = PostContents { author_id: Some(OTHER_AUTHOR_ID), published_at: Some(time), ..new_post() };
    given.when(EDITOR, Replace(named)).then(PostEdited {
        author_id: Some(OTHER_AUTHOR_ID),
        published_at: Some(time),
        ..PostEdited::default()
    });
}

#[test]
fn media_are_replaced_as_a_whole() {
    let media = Some(vec![Uuid::from_u128(2), Uuid::from_u128(1)]);
    let changes = PostChanges { media: media.clone(), ..PostChanges::default() };
    given([created()]).when(AUTHOR, Edit(changes)).then(PostEdited { media, ..PostEdited::default() });
}

#[test]
fn a_time_of_publication_that_is_set_cannot_be_taken_away() {
    let cleared = PostChanges { published_at: Change::Clear, ..PostChanges::default() };
    given([created(), published().into()])
        .when(EDITOR, Edit(cleared.clone()))
        .then_invalid("publishedAt", "not-clearable");
    given([created()]).when(AUTHOR, Edit(cleared)).then_nothing_happens();
}

#[test]
fn a_draft_a_scheduled_and_a_published_post_can_be_edited() {
    for before in [vec![], vec![scheduled().into()], vec![published().into()]] {
        given([created()].into_iter().chain(before))
            .when(AUTHOR, retitle("Second light"))
            .then(PostEdited { title: Some("Second light".into()), ..PostEdited::default() });
    }
}

// Publishing.

#[test]
fn publishing_fixes_slug_and_time() {
    given([created()]).when(AUTHOR, publish()).then(published());
}

#[test]
fn the_slug_stays_when_the_title_changes() {
    given([created(), published().into()])
        .when(AUTHOR, retitle("Second light"))
        .then(PostEdited { title: Some("Second light".into()), ..PostEdited::default() })
        .when(AUTHOR, Unpublish)
        .then(PostUnpublished {})
        .when(AUTHOR, publish())
        .then(published());
}

#[test]
fn the_time_of_the_first_publication_is_kept() {
    given([created(), published().into(), PostUnpublished {}.into()])
        .when_at(at("2030-01-01T00:00:00Z"), None, AUTHOR, publish())
        .then(published());
}

#[test]
fn an_editor_publishes_under_another_time() {
    let time = at("1790-01-01T00:00:00Z");
    given([created()])
        .when(EDITOR, Publish { published_at: Some(time) })
        .then(PostPublished { published_at: time, ..published() });
}

#[test]
fn publishing_a_published_post_changes_nothing() {
    given([created(), published().into()]).when(AUTHOR, publish()).then_nothing_happens();
}

#[test]
fn publishing_a_published_post_under_another_time_changes_the_time() {
    let time = at("1790-01-01T00:00:00Z");
    given([created(), published().into()])
        .when(EDITOR, Publish { published_at: Some(time) })
        .then(PostEdited { published_at: Some(time), ..PostEdited::default() });
}

#[test]
fn a_published_post_is_unpublished_to_a_draft() {
    given([created(), published().into()])
        .when(AUTHOR, Unpublish)
        .then(PostUnpublished {})
        .when(AUTHOR, Unpublish)
        .then_nothing_happens();
}

#[test]
fn unpublishing_a_draft_changes_nothing() {
    given([created()]).when(AUTHOR, Unpublish).then_nothing_happens();
}

// Scheduling.

#[test]
fn a_draft_is_scheduled_and_scheduled_anew() {
    let later = at("2026-05-01T00:00:00Z");
    given([created()])
        .when(AUTHOR, Schedule { at: scheduled().at })
        .then(scheduled())
        .when(AUTHOR, Schedule { at: scheduled().at })
        .then_nothing_happens()
        .when(AUTHOR, Schedule { at: later })
        .then(PostScheduled { at: later });
}

#[test]
fn nothing_is_scheduled_for_the_past_or_for_now() {
    for time in [at("2020-01-01T00:00:00Z"), now()] {
        given([created()]).when(AUTHOR, Schedule { at: time }).then_invalid("at", "in-the-past");
    }
}

#[test]
fn a_published_post_is_not_scheduled() {
    given([created(), published().into()])
        .when(AUTHOR, Schedule { at: scheduled().at })
        .then_refused(Rejection::RuleBroken(Rule::PublishedPostsAreNotScheduled));
}

#[test]
fn a_schedule_that_comes_due_publishes_under_its_time() {
    let due = PublishScheduled { at: scheduled().at };
    given([created(), scheduled().into()])
        .when(Actor::System, due.clone())
        .then(PostPublished { published_at: scheduled().at, scheduled: true, ..published() })
        .when(Actor::System, due)
        .then_nothing_happens();
}

#[test]
fn a_schedule_keeps_the_time_of_publication_that_an_editor_chose() {
    let time = at("1790-01-01T00:00:00Z");
    let edited = PostEdited { published_at: Some(time), ..PostEdited::default() };
    given([created(), edited.into(), scheduled().into()])
        .when(Actor::System, PublishScheduled { at: scheduled().at })
        .then(PostPublished { published_at: time, scheduled: true, ..published() });
}

#[test]
fn publish_unpublish_delete_and_another_time_cancel_a_schedule() {
    let cancelled: [DomainEvent; 4] = [
        published().into(),
        PostUnpublished {}.into(),
        PostDeleted {}.into(),
        PostScheduled { at: at("2026-05-01T00:00:00Z") }.into(),
    ];
    for event in cancelled {
        given([created(), scheduled().into(), event])
            .when(Actor::System, PublishScheduled { at: scheduled().at })
            .then_nothing_happens();
    }
}

#[test]
fn a_scheduled_post_is_published_at_once_by_publish_and_made_a_draft_by_unpublish() {
    given([created(), scheduled().into()]).when(AUTHOR, publish()).then(published());
    given([created(), scheduled().into()]).when(AUTHOR, Unpublish).then(PostUnpublished {});
}

#[test]
fn nobody_but_the_system_carries_out_a_schedule() {
    given([created(), scheduled().into()])
        .when(ADMIN, PublishScheduled { at: scheduled().at })
        .then_refused(Rejection::Forbidden(Denial::SystemOnly));
}

// Deleting and restoring.

#[test]
fn a_deleted_post_takes_no_command_but_restore() {
    for command in every_command_on_a_post().into_iter().filter(|command| *command != Restore) {
        given([created(), PostDeleted {}.into()]).when(AUTHOR, command).then_refused(DELETED);
    }
}

#[test]
fn a_restored_post_has_the_status_from_before_its_deletion() {
    for (before, status) in [(vec![], RestoredStatus::Draft), (vec![published().into()], RestoredStatus::Published)] {
        given([created()].into_iter().chain(before))
            .when(AUTHOR, Delete)
            .then(PostDeleted {})
            .when(AUTHOR, Restore)
            .then(PostRestored { status })
            .when(AUTHOR, Restore)
            .then_nothing_happens();
    }
}

#[test]
fn a_scheduled_post_is_restored_as_a_draft() {
    given([created(), scheduled().into()])
        .when(AUTHOR, Delete)
        .then(PostDeleted {})
        .when(AUTHOR, Restore)
        .then(PostRestored { status: RestoredStatus::Draft })
        .when(Actor::System, PublishScheduled { at: scheduled().at })
        .then_nothing_happens();
}

#[test]
fn restoring_what_is_not_deleted_changes_nothing() {
    given([created()]).when(AUTHOR, Restore).then_nothing_happens();
}

fn as_created(event: DomainEvent) -> PostCreated {
    match event {
        DomainEvent::Post(event_schema::post::PostEvent::Created(created)) => created,
        other => panic!("expected PostCreated, got {other:?}"),
    }
}
