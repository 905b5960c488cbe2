use std::fs;

use uuid::Uuid;

use crate::cache::Cache;
use crate::commands::DEVELOPER;
use crate::corpus::{self, Tokens};
use crate::failure::{Because, Failure, Result};
use crate::paths::StackPaths;
use crate::progress::Progress;
use crate::run;
use crate::stack::{Options, Stack};
use crate::token::{self, Person, Role};
use crate::{compose, groot, packages};

/// Who loads the corpus: always the same person, because idempotency keys are a person's own.
const LOADER: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_636f_7270_7573);

/// Brings servers, Groot and corpus up, each where it is not up yet.
pub fn up(servers_only: bool, native: bool) -> Result<()> {
    let progress = Progress::shown();
    let cache = Cache::open()?;
    let servers = || start_servers(&cache, native, &progress);
    if servers_only {
        let stack = servers()?;
        run::print(&format!("The servers run; their addresses are in {}", stack.paths().env().display()));
        return Ok(());
    }
    // Building takes all cores and starting hardly any, so both go on at once.
    let (built, stack) = std::thread::scope(|scope| {
        let building = scope.spawn(|| groot::build(&progress));
        let stack = servers();
        (building.join().unwrap_or_else(|_| Err(Failure::new("the build panicked"))), stack)
    });
    let stack = stack?;
    built?;
    groot::start(&stack, &progress)?;
    load_corpus(&cache, stack.paths(), &progress)?;
    greet();
    Ok(())
}

fn start_servers(cache: &Cache, native: bool, progress: &Progress) -> Result<Stack> {
    let options = Options::for_developer();
    if !native && compose::engine_answers() {
        return compose::up(cache, DEVELOPER, &options, progress);
    }
    Stack::start_showing(DEVELOPER, &options, progress)
}

/// Loads the sample corpus as a client would. The mark saves the time of a second load, which would change nothing.
fn load_corpus(cache: &Cache, paths: &StackPaths, progress: &Progress) -> Result<()> {
    let mark = paths.data("corpus-loaded");
    let version = packages::CORPUS.label(cache)?;
    if fs::read_to_string(&mark).is_ok_and(|loaded| loaded == version) {
        progress.done("corpus", "was loaded");
        return Ok(());
    }
    progress.say("corpus", "preparing");
    let folder = packages::corpus_folder(cache, progress)?;
    let addresses = corpus::read(&folder).because(|| "cannot read the corpus".to_owned())?;
    let token = |role| token::issue(paths, &Person { role, user: Some(LOADER), name: Some("Corpus".to_owned()) });
    let tokens = Tokens { admin: token(Role::Admin)?, editor: token(Role::Editor)? };
    let total = addresses.len();
    let show = |done: usize| progress.step("corpus", done, total);
    let loaded = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .because(|| "cannot start the loader".to_owned())?
        .block_on(corpus::load(groot::COMMAND_URL, &tokens, &addresses, show))
        .because(|| "loading the sample corpus stopped, run `./dev up` again to go on".to_owned())?;
    fs::write(&mark, version).because(|| format!("cannot write {}", mark.display()))?;
    progress.done("corpus", &format!("{} posts of {} people", loaded.posts, loaded.people));
    Ok(())
}

fn greet() {
    let (command, query) = (groot::COMMAND_URL, groot::QUERY_URL);
    run::print(&format!(
        "
Groot runs. The dashboard: {query}/dashboard. The API's pages: {command}/api/docs (write) and {query}/api/docs (read). Try:

  curl -s '{query}/api/universal/post?limit=3&sortBy=publishedAt&sortOrder=asc' | jq '.data[].title'
  curl -s '{query}/api/search?q=panama+canal&limit=3' | jq '.data[].title'
  curl -s {command}/api/universal/post -H \"Authorization: Bearer $(./dev token --role author)\" \\
    -H 'Content-Type: application/json' -d '{{\"type\":\"note\",\"title\":\"Hello\",\"content\":\"First words.\"}}'

`./dev status` shows the parts, `./dev logs command-api -f` follows one, `./dev down` stops everything."
    ));
}
