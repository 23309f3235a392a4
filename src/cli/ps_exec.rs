//! `dynosim ps:exec`: a shell or a command inside a running dyno.

use super::args::PsExec;
use super::one_off::write_output;
use super::session::Session;
use super::terminal::{self, Raw};
use crate::engine::{Console, Guest, Inside};
use crate::platform::PlatformError;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Characters by which one word is a command line for the shell, as in `run`.
const SHELL_WORDS: &[char] = &[' ', '\t', '|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?', '~', '\n'];

pub(super) async fn run(session: &Session, args: PsExec) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let identity = place.identity()?;
    let state = place.state(&identity)?;
    let engine = session.engine_of(&state).await?;
    let dyno = args.dyno.unwrap_or(args.which);
    let Some(inside) = engine.enter(&identity.id, &dyno).await? else {
        return Err(not_there(&dyno, &engine.dynos(&identity.id).await?));
    };
    let argv = command(inside.as_ref(), &dyno, &args.words).await?;
    let tty = !args.no_tty && terminal::is_interactive();
    let status = attached(inside.as_ref(), &argv, tty).await?;
    Ok(ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)))
}

/// What to run, once it is known that the dyno has it.
async fn command(inside: &dyn Inside, dyno: &str, words: &[String]) -> Result<Vec<String>, PlatformError> {
    let argv = match words {
        [] => match inside.shell().await? {
            Some(shell) => return Ok(vec![shell]),
            None => return Err(no_shell(inside, dyno).await?),
        },
        [line] if line.contains(SHELL_WORDS) => match inside.shell().await? {
            Some(shell) => return Ok(vec![shell, "-c".into(), line.clone()]),
            None => return Err(no_shell(inside, dyno).await?),
        },
        words => words.to_vec(),
    };
    if inside.has(&argv[0]).await? {
        return Ok(argv);
    }
    Err(PlatformError::Unable { reason: format!("{dyno} has no program `{}`", argv[0]), help: programs(inside).await? })
}

async fn no_shell(inside: &dyn Inside, dyno: &str) -> Result<PlatformError, PlatformError> {
    let help = format!("name a program: `dynosim ps:exec {dyno} -- PROGRAM …`; {}", programs(inside).await?);
    Ok(PlatformError::Unable { reason: format!("the image of {dyno} has no shell"), help })
}

async fn programs(inside: &dyn Inside) -> Result<String, PlatformError> {
    let programs = inside.programs().await?;
    Ok(if programs.is_empty() { "it has none in its PATH".into() } else { format!("it has {}", programs.join(", ")) })
}

fn not_there(dyno: &str, running: &[String]) -> PlatformError {
    let help = match running {
        [] => "no dyno of this app runs; start it with `dynosim up`".into(),
        names => format!("there are {}", names.join(", ")),
    };
    PlatformError::Unable { reason: format!("{dyno} does not run"), help }
}

/// Runs the command with this process's streams as its own; returns its status.
async fn attached(inside: &dyn Inside, argv: &[String], tty: bool) -> Result<i32, PlatformError> {
    let (output, printed) = mpsc::channel(64);
    let (columns, rows) = terminal::size();
    let console = if tty { Console::Terminal(columns, rows) } else { Console::Pipe };
    let term = std::env::var("TERM").ok().filter(|_| tty).map(|term| ("TERM".to_owned(), term));
    let env: Vec<(String, String)> = term.into_iter().collect();
    let mut resized = signal(SignalKind::window_change()).map_err(PlatformError::io("listen for signals"))?;
    let guest: Arc<dyn Guest> = Arc::from(inside.exec(argv, &env, console, output).await?);
    let raw = if tty { Some(Raw::new().map_err(PlatformError::io("use the terminal"))?) } else { None };
    let writer = tokio::spawn(write_output(printed));
    let (typed, mut given) = mpsc::channel(16);
    terminal::read_stdin(typed);
    let fed = Arc::clone(&guest);
    let feed = tokio::spawn(async move {
        while let Some(bytes) = given.recv().await {
            fed.input(bytes).await;
        }
    });
    let sized = Arc::clone(&guest);
    let resize = tokio::spawn(async move {
        while resized.recv().await.is_some() {
            let (columns, rows) = terminal::size();
            sized.resize(columns, rows).await;
        }
    });
    let status = guest.ended().await;
    let _ = writer.await;
    feed.abort();
    resize.abort();
    drop(raw);
    Ok(status?)
}

#[cfg(test)]
mod tests {
    use super::command;
    use crate::engine::Engine;
    use crate::engine::fake::{FakeEngine, Script};
    use crate::platform::PlatformError;

    async fn words_of(words: &[&str]) -> Result<Vec<String>, PlatformError> {
        let engine = FakeEngine::new().script("web", Script::new());
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let inside = engine.inside("web.1");
        command(inside.as_ref(), "web.1", &words).await
    }

    #[tokio::test]
    async fn no_command_is_a_shell_and_one_word_with_a_space_is_a_line_for_it() {
        assert_eq!(words_of(&[]).await.unwrap(), ["/bin/sh"]);
        assert_eq!(words_of(&["ls | wc -l"]).await.unwrap(), ["/bin/sh", "-c", "ls | wc -l"]);
        assert_eq!(words_of(&["ls", "a b"]).await.unwrap(), ["ls", "a b"]);
        assert_eq!(words_of(&["env"]).await.unwrap(), ["env"]);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named_with_those_that_are() {
        let Err(PlatformError::Unable { reason, help }) = words_of(&["missing", "x"]).await else { panic!() };
        assert_eq!((reason.as_str(), help.as_str()), ("web.1 has no program `missing`", "it has serve"));
    }

    #[tokio::test]
    async fn only_running_dynos_can_be_entered() {
        assert!(FakeEngine::new().enter("id", "web.1").await.unwrap().is_none());
    }
}
